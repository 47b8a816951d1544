/** @file The page that tunes in its tab: a model, examples and options; then the tuning's course; and below both, texts. */

import { signal } from "@preact/signals";
import { render } from "preact";
import { Notice } from "../components/notice.tsx";
import { applyTheme, ThemeChoice } from "../theme.tsx";
import { CoursePanel } from "./course-panel.tsx";
import { DataPanel } from "./data-panel.tsx";
import { findObstacle, waitForTurn } from "./environment.ts";
import { ModelPanel } from "./model-panel.tsx";
import { OptionsPanel } from "./options-panel.tsx";
import { TryPanel } from "./try-panel.tsx";
import { begun, restore, storageProblem } from "./tuning.ts";
import "../style.css";
import "./tab.css";

const state = signal<"starting" | "waiting" | "ready">("starting");
const obstacle = findObstacle();

function Page() {
  return (
    <>
      <header>
        <span class="brand">slimtune</span>
        <span class="quiet promise">Nothing leaves this tab.</span>
        <ThemeChoice />
      </header>
      <main>
        <h1>Tune a model in this tab</h1>
        {obstacle && <Notice kind="error">{obstacle}</Notice>}
        {state.value === "waiting" && (
          <Notice kind="warning">
            This page is open in another tab, which has the tuning. Use that one; when it is closed, this one
            goes on.
          </Notice>
        )}
        {storageProblem.value && <Notice kind="warning">{storageProblem}</Notice>}
        {state.value === "ready" && (
          <>
            {begun.value ? (
              <CoursePanel />
            ) : (
              <>
                <div class="columns">
                  <ModelPanel />
                  <DataPanel />
                </div>
                <OptionsPanel />
              </>
            )}
            <TryPanel />
          </>
        )}
      </main>
    </>
  );
}

applyTheme();
document.getElementById("page")!.replaceChildren();
render(<Page />, document.getElementById("page")!);
if (!obstacle) {
  await waitForTurn(() => {
    state.value = "waiting";
  });
  const restored = restore();
  state.value = "ready";
  await restored;
}
