/** @file A command that does in a terminal what the page does, to be copied. */

import { useSignal } from "@preact/signals";

export function CommandLine({
  command,
  label = "The same in a terminal",
}: {
  readonly command: string;
  readonly label?: string;
}) {
  const told = useSignal("");
  const copy = async () => {
    await navigator.clipboard.writeText(command).then(
      () => {
        told.value = "Copied";
      },
      () => {
        told.value = "Not copied: the browser does not allow it";
      },
    );
    setTimeout(() => {
      told.value = "";
    }, 3000);
  };
  return (
    <figure class="command">
      <figcaption>
        {label}
        <button type="button" onClick={copy} aria-label={`Copy: ${label}`}>
          Copy
        </button>
        <span role="status">{told}</span>
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <pre tabIndex={0}>
        <CommandWords command={command} />
      </pre>
    </figure>
  );
}

/** A command that wraps between its words, and not after a hyphen. */
export function CommandWords({ command }: { readonly command: string }) {
  return (
    <>
      {command.split(/(\s+)/).map((part, index) =>
        index % 2 === 0 ? (
          <span key={index} class="word">
            {part}
          </span>
        ) : (
          part
        ),
      )}
    </>
  );
}
