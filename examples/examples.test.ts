import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { transformWithEsbuild } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";

/** What each example prints. */
const printed: Readonly<Record<string, readonly RegExp[]>> = {
  "compare-adapters.ts": [
    /^Tuned on math: +\d+ % of 100 questions on common sense$/m,
    /^(better|worse|no difference shown): -?\d+ % \(-?\d+ % to -?\d+ %\), p = [\d.]+$/m,
  ],
  "own-method.ts": [/^step 5: loss [\d.]+$(\n.*){2}\nstep 20: loss [\d.]+\n\S/m],
  "own-objective.ts": [
    /^step 0: { wanted: -4\.\d+, unwanted: -3\.\d+ }\n.*\nstep 20: { wanted: -[01]\.\d+, unwanted: -(8|9|1\d)\.\d+ }$/m,
  ],
  "own-strategy.ts": [
    /^cot: \d+ % right, \d+ tokens, 1 texts$/m,
    /^two-of-three: \d+ % right, \d+ tokens, [23](\.\d+)? texts$/m,
    /^The curve is in runs.examples.reasoning.report\.html\.$/m,
  ],
  "own-task.ts": [/^\d+ % of 100 calculations are right, where one in five would be by chance;$/m],
  "peft-to-ollama.ts": [
    /The quantized model is (equal|very close) to the tuned one/,
    /^FROM .*merged\.gguf$/m,
  ],
  "serve.ts": [/^embedded-model: \S/m, /^commonsense: \S.*\n$/m],
  "study.ts": [
    /^5\/5 freeze-everyday-2: evaluation$/m,
    /^miniature_commonsense: \d+ % before; with 2 seeds \d+ % after, standard deviation \d+ %$/m,
  ],
  "tune-from-http.ts": [
    /^held-out \{"step":0,"loss":[\d.]+\}$/m,
    /^step \{"step":10,/m,
    /^done \{"outcome":"finished","output":"runs.examples.http.adapter"\}$/m,
  ],
};

/** Where the examples write, and where they stand as JavaScript that can import this package by its name. */
const scratch = "runs/examples";
const clear = () => rmSync(scratch, { recursive: true, force: true });
beforeAll(clear);
afterAll(clear);

test("every example is run, and named in the README", () => {
  const examples = readdirSync("examples").filter(
    (name) => name.endsWith(".ts") && !name.endsWith(".test.ts"),
  );
  expect(examples.sort()).toEqual(Object.keys(printed));
  const readme = readFileSync("README.md", "utf8");
  expect(examples.filter((name) => !readme.includes(`(examples/${name})`))).toEqual([]);
});

test.each(Object.entries(printed))("%s prints what it promises", async (name, expected) => {
  const source = readFileSync(`examples/${name}`, "utf8");
  expect(source.split("\n").length).toBeLessThanOrEqual(61);
  const { code } = await transformWithEsbuild(source, name);
  const program = `${scratch}/${name.replace(".ts", ".mjs")}`;
  mkdirSync(scratch, { recursive: true });
  writeFileSync(program, code);
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  for (const pattern of expected) expect(stdout).toMatch(pattern);
});
