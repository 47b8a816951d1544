import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parse } from "yaml";
import { makeGroup } from "../rollouts/hand-made.fixture.ts";
import { formatRollout } from "../rollouts/rollout.ts";
import { captureOutput, clearOut, err, out } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-prm-"));
afterAll(() => rmSync(scratch, { recursive: true }));
captureOutput();
const run = (...words: string[]) => main(["node", "slimtune", "prm", ...words]);

const rollouts = join(scratch, "rollouts");
mkdirSync(rollouts);
const [group] = [makeGroup(0, [9, true], [9, false])];
const texts = ["3 + 4 = 7\n#### 7", "3 + 4 = 8\nHe has 8 - 1 = 7.\n#### 8"];
writeFileSync(
  join(rollouts, "rollouts.jsonl"),
  group!.map((rollout, i) => formatRollout({ ...rollout, text: texts[i]! })).join(""),
);
const labels = join(scratch, "labels");
const rows = join(labels, "steps.jsonl");

test("label says how many steps are right", async () => {
  const words = ["label", "--data", rollouts, "--by", "rule", "--out", labels];
  expect(await run(...words), err).toBe(0);
  expect(out).toBe(
    `3 of 5 steps of 2 solutions are labelled\n  right (base rate)  66.7 %\nThey are in ${rows}.\n`,
  );
  clearOut();
  expect(await run(...words, "--json")).toBe(0);
  expect(JSON.parse(out)).toEqual({ path: rows, solutions: 2, steps: 5, labelled: 3, baseRate: 2 / 3 });
});

test("label by rollouts goes on after each step", async () => {
  const folder = join(scratch, "by-rollouts");
  const words = [
    ...["label", "--model", "fixtures/embedded-model", "--data", rollouts, "--rollouts", "2"],
    ...["--max-new-tokens", "8", "--out", folder],
  ];
  expect(await run(...words), err).toBe(0);
  expect(err).toContain("2 rollouts after each of 3 steps\n");
  expect(out).toMatch(
    /^5 of 5 steps of 2 solutions are labelled\n {2}right \(base rate\) {2}\d.*\n {2}as their equations say {2}\d of the 3 steps/,
  );
  clearOut();
  expect(await run(...words, "--json")).toBe(0);
  expect(err).toContain("; 3 were known from before");
  expect(JSON.parse(out)).toMatchObject({ labelled: 5, agreement: { steps: 3 } });
});

test("tune has the objective prm, and no other", async () => {
  expect(await run("tune", "--print-config")).toBe(0);
  expect(parse(out)).toMatchObject({ objective: "prm", step_separator: "\n" });
  expect(await run("tune", "--print-config", "--objective", "sft")).toBe(1);
  expect(err).toContain('"objective" is sft, but this command tunes with prm; leave it out, or');
});

test("judge lists each step with its score, and says how good the scores are", async () => {
  const words = ["judge", "--model", "fixtures/embedded-model", "--data", rows];
  expect(await run(...words), err).toBe(0);
  expect(out).toMatch(/^.+\n {2}[01]\.\d\d \+ 3 \+ 4 = 7\n {2}[01]\.\d\d {3}#### 7\n\n/);
  expect(out).toMatch(/ - 3 \+ 4 = 8\n/);
  expect(out).toContain("3 labelled steps of 2 solutions\n  base rate                   66.7 %\n");
  expect(out).toMatch(/ {2}area under the ROC curve {4}[01]\.\d{3} \(/);
  expect(out).toMatch(/ {2}score {7}steps {2}mean score {2}right\n {2}0\.\d to [01]\.\d {6}\d/);
  clearOut();
  expect(await run(...words, "--json", "--limit", "1")).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    solutions: [{ steps: [{ text: "3 + 4 = 7", label: 1 }, { text: "#### 7" }] }],
    report: { steps: 1, areaUnderRoc: null },
  });
});

test("bad input is one sentence", async () => {
  expect(
    await run("judge", "--model", "fixtures/embedded-model", "--data", rows, "--step-separator", ""),
  ).toBe(1);
  expect(err).toContain("--step-separator is empty");
  expect(await run("label", "--data", "gsm8k:train", "--out", join(scratch, "none"))).toBe(1);
  expect(err).toContain("name a model for them.");
});
