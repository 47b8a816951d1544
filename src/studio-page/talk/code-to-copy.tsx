/** @file The program that goes on with a conversation as the page would, to be copied. */

import { useSignal } from "@preact/signals";
import { CommandLine } from "../components/command-line.tsx";
import { type ClientLanguage, clientLanguages, writeClientCode } from "./client-code.ts";
import { makeRequest, type TalkSettings } from "./completion-request.ts";
import { type Lane, messagesOf } from "./conversation.ts";

export function ClientCode({
  lanes,
  draft,
  settings,
}: {
  readonly lanes: readonly Lane[];
  readonly draft: string;
  readonly settings: TalkSettings;
}) {
  const language = useSignal<ClientLanguage>("curl");
  const chosen = useSignal(0);
  const lane = lanes[chosen.value] ?? lanes[0]!;
  const prompt = { role: "user" as const, content: draft.trim() || "Your question" };
  const request = makeRequest(lane.model, [...messagesOf(lane.turns.value), prompt], settings);
  return (
    <>
      <div class="filter">
        <label>
          Program{" "}
          <select
            value={language}
            onChange={(event) => {
              language.value = event.currentTarget.value as ClientLanguage;
            }}
          >
            {Object.entries(clientLanguages).map(([name, label]) => (
              <option key={name} value={name}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <label>
          Model{" "}
          <select
            value={chosen}
            onChange={(event) => {
              chosen.value = event.currentTarget.selectedIndex;
            }}
          >
            {lanes.map(({ model, label }, index) => (
              <option key={model} value={index}>
                {label}
              </option>
            ))}
          </select>
        </label>
      </div>
      <CommandLine
        command={writeClientCode(language.value, request)}
        label={`Then ask ${lane.label} by ${clientLanguages[language.value]}`}
      />
    </>
  );
}
