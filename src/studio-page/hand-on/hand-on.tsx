/** @file What can be made of a finished run: part of its view. */

import type { RunDetail } from "../../studio/api.ts";

export function HandOn({ run }: { readonly run: RunDetail }) {
  return <h2>Hand on {run.name}</h2>;
}
