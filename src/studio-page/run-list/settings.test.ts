import { expect, test } from "vitest";
import { compareSettings } from "./settings.ts";

test("settings that differ come first, those of sections by their whole names", () => {
  const rows = compareSettings([
    { model: "m", seed: 0, lora: { r: 8, target_modules: "all-linear" }, fields: {} },
    { model: "m", seed: 1, lora: { r: 16, target_modules: ["q_proj"] }, fields: {} },
  ]);
  expect(rows.map(({ name, differs }) => [name, differs])).toEqual([
    ["lora.r", true],
    ["lora.target_modules", true],
    ["seed", true],
    ["fields", false],
    ["model", false],
  ]);
  expect(rows[1]!.values).toEqual(["all-linear", '["q_proj"]']);
});

test("what one run does not have is a dash, and differs", () => {
  expect(compareSettings([{ keep: 0.1 }, {}])).toEqual([
    { name: "keep", values: ["0.1", "–"], differs: true },
  ]);
});
