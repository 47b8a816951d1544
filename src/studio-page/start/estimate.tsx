/** @file What a run will take: memory beside what is free, and time. */

import type { Estimate } from "../../studio/api.ts";
import { Notice } from "../components/notice.tsx";
import { formatBytes, formatCount, formatSeconds } from "../format.ts";

export function EstimatePanel({ estimate }: { readonly estimate: Estimate }) {
  const { memoryBytes, availableBytes, seconds, steps, tokensPerSecond, trainableParameters, fits, advice } =
    estimate;
  const highest = Math.max(memoryBytes, availableBytes);
  return (
    <>
      <dl class="figures">
        <div>
          <dt>Memory</dt>
          <dd>{formatBytes(memoryBytes)}</dd>
        </div>
        <div>
          <dt>Free</dt>
          <dd>{formatBytes(availableBytes)}</dd>
        </div>
        <div>
          <dt>Time</dt>
          <dd>about {formatSeconds(seconds)}</dd>
        </div>
        <div>
          <dt>Steps</dt>
          <dd>{formatCount(steps)}</dd>
        </div>
        <div>
          <dt>Tokens/s</dt>
          <dd>{formatCount(tokensPerSecond)}</dd>
        </div>
        <div>
          <dt>Trained parameters</dt>
          <dd>{formatCount(trainableParameters)}</dd>
        </div>
      </dl>
      <meter
        aria-label="Memory of what is free"
        min={0}
        max={highest}
        high={0.9 * availableBytes}
        value={memoryBytes}
      />
      {(!fits || advice.length > 0) && (
        <Notice kind={fits ? "info" : "warning"}>
          {!fits && <p>It does not fit into the memory that is free. What helps:</p>}
          <ul>
            {advice.map((sentence) => (
              <li key={sentence}>{sentence}</li>
            ))}
          </ul>
        </Notice>
      )}
    </>
  );
}
