/** @file Which model is tuned: the embedded one, one of the folders', or the Hub's. */

import { useSignal } from "@preact/signals";
import { studio } from "../state/live.ts";
import { FileBrowser } from "./file-browser.tsx";
import { give, texts } from "./form.ts";

export function ModelChoice() {
  const isBrowsing = useSignal(false);
  const given = texts.value.model;
  const embedded = studio.value?.embeddedModel;
  const isEmbedded = given === undefined || given === embedded;
  const isHub = !isEmbedded && /^[\w.-]*\/?[\w.-]*$/.test(given);
  const kind = useSignal<"embedded" | "folder" | "hub">(isEmbedded ? "embedded" : isHub ? "hub" : "folder");
  const choose = (chosen: typeof kind.value) => () => {
    kind.value = chosen;
    give("model", chosen === "embedded" ? undefined : "");
    isBrowsing.value = chosen === "folder";
  };
  return (
    <fieldset>
      <legend>Model</legend>
      <div class="choices">
        <label>
          <input
            type="radio"
            name="model"
            checked={kind.value === "embedded"}
            onChange={choose("embedded")}
          />
          The embedded model, small enough for any machine
        </label>
        <label>
          <input type="radio" name="model" checked={kind.value === "folder"} onChange={choose("folder")} />A
          folder or GGUF file of this machine
        </label>
        <label>
          <input type="radio" name="model" checked={kind.value === "hub"} onChange={choose("hub")} />A model
          of the Hugging Face Hub
        </label>
      </div>
      {kind.value === "folder" && (
        <p class="actions">
          <button
            type="button"
            onClick={() => {
              isBrowsing.value = true;
            }}
          >
            Look through the folders…
          </button>
          <span class="mono">{given || "none is chosen yet"}</span>
        </p>
      )}
      {kind.value === "hub" && (
        <div class="field">
          <label for="hub-model">Id on the Hub</label>
          <input
            id="hub-model"
            placeholder="user/name"
            spellcheck={false}
            value={given ?? ""}
            onChange={(event) => give("model", event.currentTarget.value.trim())}
          />
          <small>It is downloaded once, into the cache.</small>
        </div>
      )}
      {isBrowsing.value && (
        <FileBrowser
          title="Choose a model"
          wanted="model"
          onChoose={(path) => {
            give("model", path);
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
