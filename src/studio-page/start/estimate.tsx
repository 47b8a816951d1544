/** @file What a run will take: memory beside what is free, and time. */

import type { Estimate } from "../../studio/api.ts";
import { Notice } from "../components/notice.tsx";
import { Sentence } from "../components/sentence.tsx";
import { formatBytes, formatCount, formatSeconds } from "../format.ts";

export function EstimatePanel({ estimate }: { readonly estimate: Estimate }) {
  const { memoryBytes, availableBytes, seconds, steps, tokensPerSecond, trainableParameters } = estimate;
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
          <dd>{steps === undefined ? "–" : formatCount(steps)}</dd>
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
      {estimate.warnings.map((warning) => (
        <Notice key={warning} kind="warning">
          {warning}
        </Notice>
      ))}
      {estimate.fits ? (
        <p>
          <Sentence text={estimate.advice} />
        </p>
      ) : (
        <Notice kind="warning">{estimate.advice}</Notice>
      )}
    </>
  );
}
