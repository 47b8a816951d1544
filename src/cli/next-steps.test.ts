import { execFileSync } from "node:child_process";
import { Command } from "commander";
import { expect, test } from "vitest";
import { plain } from "../node/colours.ts";
import { renderNextSteps, repeatCommand } from "./next-steps.ts";

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

test("a command is repeated as it was given, but for some options", () => {
  const command = new Command("evaluate")
    .option("--tasks <names>", "", (text) => text.split(","))
    .option("--task-file <yaml...>")
    .option("--limit <n>", "", Number)
    .option("--seed <n>", "", Number, 1234)
    .option("--exact")
    .option("--multiturn")
    .option("--no-multiturn")
    .option("--no-cache")
    .option("--out <folder>");
  const words = [
    "--tasks",
    "a,b",
    "--task-file",
    "c.yaml",
    "d.yaml",
    "--limit",
    "5",
    "--exact",
    "--no-multiturn",
  ];
  command.parse([...words, "--out", "runs/x"], { from: "user" });
  expect(repeatCommand(command, ["out"])).toEqual(["evaluate", ...words]);
});
