/** @file Settings of several runs side by side. */

import type { GivenOptions } from "../../studio/api.ts";
import { formatSetting } from "../format.ts";

export interface SettingRow {
  /** As in config.yaml; "lora.r" of a section. */
  readonly name: string;
  /** What each run has, as it is shown. */
  readonly values: readonly string[];
  readonly differs: boolean;
}

/** Every setting of any of the runs, those first in which they differ, by name. */
export function compareSettings(configs: readonly GivenOptions[]): SettingRow[] {
  const flat = configs.map((config) => new Map(flatten(config)));
  const names = [...new Set(flat.flatMap((settings) => [...settings.keys()]))];
  return names
    .map((name) => {
      const values = flat.map((settings) => formatSetting(settings.get(name)));
      return { name, values, differs: values.some((value) => value !== values[0]) };
    })
    .toSorted((a, b) => Number(b.differs) - Number(a.differs) || (a.name < b.name ? -1 : 1));
}

/** Settings by their whole names. */
function flatten(config: GivenOptions, prefix = ""): [string, unknown][] {
  return Object.entries(config).flatMap(([name, value]): [string, unknown][] =>
    typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0
      ? flatten(value as GivenOptions, `${prefix}${name}.`)
      : [[prefix + name, value]],
  );
}
