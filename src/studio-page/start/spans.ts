/** @file A text of the preview as spans of tokens that are trained, or only read. */

import type { PreviewedToken } from "../../studio/api.ts";

export interface Span {
  readonly text: string;
  readonly isTrained: boolean;
  readonly tokens: number;
}

/** Neighbouring tokens that are trained alike, put together. */
export function toSpans(tokens: readonly PreviewedToken[]): Span[] {
  const spans: Span[] = [];
  for (const { text, isTrained } of tokens) {
    const last = spans.at(-1);
    if (last?.isTrained === isTrained)
      spans[spans.length - 1] = { text: last.text + text, isTrained, tokens: last.tokens + 1 };
    else spans.push({ text, isTrained, tokens: 1 });
  }
  return spans;
}
