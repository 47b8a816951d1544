/** @file Rows as the model will see them: what it is trained on, and what it only reads. */

import { useSignal } from "@preact/signals";
import type { Preview } from "../../studio/api.ts";
import { Notice } from "../components/notice.tsx";
import { formatCount, formatNumber } from "../format.ts";
import { toSpans } from "./spans.ts";

export function PreviewPanel({ preview }: { readonly preview: Preview }) {
  const shown = useSignal(3);
  const { examples, report, isWhole, warnings, trainedTokens, tokens } = preview;
  const share = tokens === 0 ? 0 : (100 * trainedTokens) / tokens;
  return (
    <>
      {warnings.map((warning) => (
        <Notice key={warning} kind="warning">
          {warning}
        </Notice>
      ))}
      <p>
        <mark>Underlined on colour</mark> is what the model is trained on: {formatCount(trainedTokens)} of{" "}
        {formatCount(tokens)} tokens ({formatNumber(share, 0)} %){isWhole ? "" : " of the first examples"}.
        The rest it only reads.
      </p>
      <ol class="examples">
        {examples.slice(0, shown.value).map((example, index) => (
          <li key={index}>
            <small>{example.about}</small>
            {example.texts.map((text, number) => (
              <Text key={number} text={text} label={labels(example.texts.length)[number]} />
            ))}
          </li>
        ))}
      </ol>
      {examples.length > shown.value && (
        <button
          type="button"
          onClick={() => {
            shown.value = examples.length;
          }}
        >
          Show {examples.length - shown.value} more rows
        </button>
      )}
      {report.length > 0 && (
        <details>
          <summary>{isWhole ? "All of the data" : "The first examples"}, in figures</summary>
          <pre>{report.join("\n")}</pre>
        </details>
      )}
    </>
  );
}

const labels = (count: number) => (count === 2 ? ["Chosen", "Rejected"] : []);

function Text({
  text: { tokens, hidden },
  label,
}: {
  readonly text: Preview["examples"][0]["texts"][0];
  readonly label: string | undefined;
}) {
  return (
    <div>
      {label && <h3>{label}</h3>}
      <p class="tokens">
        {toSpans(tokens).map(({ text, isTrained, tokens }, index) => {
          const Element = isTrained ? "mark" : "span";
          return (
            <Element key={index} title={`${tokens} tokens, ${isTrained ? "trained" : "only read"}`}>
              {text.replaceAll("\n", "↵\n")}
            </Element>
          );
        })}
        {hidden > 0 && <small>… and {formatCount(hidden)} more tokens</small>}
      </p>
    </div>
  );
}
