/** @file Where a file is dropped, or chosen. */

import { useSignal } from "@preact/signals";

export function FileDrop({
  label,
  accept,
  onFile,
}: {
  readonly label: string;
  /** Endings, as a file's `<input>` has them. */
  readonly accept: string;
  readonly onFile: (file: File) => void;
}) {
  const isOver = useSignal(false);
  const take = (files: FileList | null | undefined) => {
    const file = files?.[0];
    if (file) onFile(file);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: what is dropped can be chosen by the button within as well
    <div
      class={isOver.value ? "drop over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault();
        isOver.value = true;
      }}
      onDragLeave={() => {
        isOver.value = false;
      }}
      onDrop={(event) => {
        event.preventDefault();
        isOver.value = false;
        take(event.dataTransfer?.files);
      }}
    >
      <label>
        {label}
        <input type="file" accept={accept} onChange={(event) => take(event.currentTarget.files)} />
      </label>
    </div>
  );
}
