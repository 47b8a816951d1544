/** @file A dialog that looks through the folders that the studio may read. */

import { useSignal } from "@preact/signals";
import type { FolderListing } from "../../studio/api.ts";
import { client } from "../client.ts";
import { Dialog } from "../components/dialog.tsx";
import { Notice } from "../components/notice.tsx";
import { useFetched } from "../components/use-fetched.ts";
import { formatBytes } from "../format.ts";

type Entry = FolderListing["entries"][number];

const kindNames: Record<Entry["kind"], string> = {
  folder: "folder",
  model: "model",
  data: "data",
  run: "run",
  other: "file",
};

export function FileBrowser({
  title,
  wanted,
  onChoose,
  onClose,
}: {
  readonly title: string;
  readonly wanted: "model" | "data";
  readonly onChoose: (path: string) => void;
  readonly onClose: () => void;
}) {
  const folder = useSignal<string | undefined>(undefined);
  const path = useSignal<readonly (string | undefined)[]>([]);
  const listing = useFetched(() => client.files(folder.value), [folder.value]);
  const { value, problem, isLoading } = listing.value;
  const enter = (next: string) => {
    path.value = [...path.value, folder.value];
    folder.value = next;
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <p class="actions">
        <button
          type="button"
          disabled={path.value.length === 0}
          onClick={() => {
            folder.value = path.value.at(-1);
            path.value = path.value.slice(0, -1);
          }}
        >
          Back
        </button>
        <span class="mono">{value?.folder ?? folder.value ?? "Folders that the studio may read"}</span>
      </p>
      {problem && <Notice kind="error">{problem}</Notice>}
      {value && (
        <ul class="files" aria-busy={isLoading}>
          {value.entries.length === 0 && <li class="quiet">Nothing that can be chosen is here.</li>}
          {value.entries.map((entry) => (
            <li key={entry.path}>
              <span>
                {entry.kind === "folder" || entry.kind === "run" ? (
                  <button type="button" class="plain link" onClick={() => enter(entry.path)}>
                    {entry.name}/
                  </button>
                ) : (
                  entry.name
                )}
              </span>
              <small>
                {kindNames[entry.kind]}
                {entry.bytes > 0 && `, ${formatBytes(entry.bytes)}`}
              </small>
              {entry.kind === wanted && (
                <button
                  type="button"
                  aria-label={`Choose ${entry.name}`}
                  onClick={() => onChoose(entry.path)}
                >
                  Choose
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      <p class="actions">
        <button type="button" onClick={onClose}>
          Close
        </button>
      </p>
    </Dialog>
  );
}
