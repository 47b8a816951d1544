/** @file A sentence that stands out: for information, as a warning, or that something failed. */

import type { ComponentChildren } from "preact";
import { Sentence } from "./sentence.tsx";

const marks = { info: "i", warning: "!", error: "×" } as const;

export function Notice({
  kind = "info",
  children,
}: {
  readonly kind?: keyof typeof marks;
  readonly children: ComponentChildren;
}) {
  return (
    <div class={`notice ${kind}`} role={kind === "error" ? "alert" : "status"}>
      <span class="mark" aria-hidden="true">
        {marks[kind]}
      </span>
      <div>{typeof children === "string" ? <Sentence text={children} /> : children}</div>
    </div>
  );
}
