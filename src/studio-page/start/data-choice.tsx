/** @file What is tuned on: a file that is dropped or chosen, or a dataset of the Hub. */

import { useSignal } from "@preact/signals";
import { upload } from "../client.ts";
import { FileDrop } from "../components/file-drop.tsx";
import { Notice } from "../components/notice.tsx";
import { studio } from "../state/live.ts";
import { FileBrowser } from "./file-browser.tsx";
import { give, texts } from "./form.ts";

export function DataChoice() {
  const isBrowsing = useSignal(false);
  const sent = useSignal<{ readonly name: string; readonly share: number } | undefined>(undefined);
  const problem = useSignal("");
  const given = texts.value.data;

  const take = async (file: File) => {
    if (studio.value === undefined) return;
    problem.value = "";
    sent.value = { name: file.name, share: 0 };
    try {
      const { path } = await upload(file, studio.value!.maximumUploadBytes, (share) => {
        sent.value = { name: file.name, share };
      });
      give("data", path);
    } catch (error) {
      problem.value = (error as Error).message;
    }
    sent.value = undefined;
  };

  return (
    <fieldset>
      <legend>Data</legend>
      <FileDrop
        label="Drop a file of examples here, or choose one (JSONL, JSON, CSV, Parquet or text):"
        accept=".jsonl,.json,.csv,.tsv,.parquet,.txt"
        onFile={take}
      />
      {sent.value && (
        <p>
          <label>
            Sending {sent.value.name} to the studio
            <progress value={sent.value.share} />
          </label>
        </p>
      )}
      {problem.value && <Notice kind="error">{problem}</Notice>}
      <p class="actions">
        <button
          type="button"
          onClick={() => {
            isBrowsing.value = true;
          }}
        >
          Look through the folders…
        </button>
      </p>
      <div class="field">
        <label for="data">File or Hub id that is tuned on</label>
        <input
          id="data"
          spellcheck={false}
          value={given ?? ""}
          onChange={(event) => give("data", event.currentTarget.value.trim() || undefined)}
        />
      </div>
      {isBrowsing.value && (
        <FileBrowser
          title="Choose data"
          wanted="data"
          onChoose={(path) => {
            give("data", path);
            isBrowsing.value = false;
          }}
          onClose={() => {
            isBrowsing.value = false;
          }}
        />
      )}
    </fieldset>
  );
}
