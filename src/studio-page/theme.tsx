/** @file Light or dark: as the system has it, or as the person chose. */

import { signal } from "@preact/signals";

const key = "slimtune-theme";
const themes = { system: "As the system", light: "Light", dark: "Dark" } as const;
type Theme = keyof typeof themes;

function readTheme(): Theme {
  const kept = localStorage.getItem(key) ?? "";
  return Object.hasOwn(themes, kept) ? (kept as Theme) : "system";
}

const chosen = signal<Theme>("system");
/** Counts changes of the theme, the system's too: what draws by itself draws anew. */
export const themeChanges = signal(0);

/** Takes up what was chosen before. */
export function applyTheme(): void {
  set(readTheme());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    themeChanges.value++;
  });
}

function set(theme: Theme): void {
  chosen.value = theme;
  document.documentElement.dataset.theme = theme;
  themeChanges.value++;
}

export function ThemeChoice() {
  return (
    <label class="theme">
      <span>Colours</span>
      <select
        value={chosen}
        onChange={(event) => {
          const theme = event.currentTarget.value as Theme;
          localStorage.setItem(key, theme);
          set(theme);
        }}
      >
        {Object.entries(themes).map(([name, label]) => (
          <option key={name} value={name}>
            {label}
          </option>
        ))}
      </select>
    </label>
  );
}
