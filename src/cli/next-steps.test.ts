import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { plain } from "../colours.ts";
import { renderNextSteps } from "./next-steps.ts";

test("commands stand in a column, to be copied into a shell", () => {
  const words = ["chat", "--model", "a folder/it's $HOME", "*", "hf/model:main"];
  const [heading, first, second] = renderNextSteps(
    [
      ["to talk", words],
      ["to see what there is", ["tasks"]],
    ],
    plain,
  ).split("\n");
  expect(heading).toBe("Next:");
  expect(first!.indexOf("slimtune")).toBe(second!.indexOf("slimtune"));
  const print = `slimtune() { printf '%s\\n' "$@"; }\n${first!.slice(first!.indexOf("slimtune"))}`;
  expect(execFileSync("sh", ["-c", print], { encoding: "utf8" }).trimEnd().split("\n")).toEqual(words);
});
