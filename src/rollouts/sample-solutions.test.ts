import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { makeGroup } from "./hand-made.fixture.ts";
import { formatRollout, readRollouts } from "./rollout.ts";
import { sampleSolutions } from "./sample-solutions.ts";
import { selectRows } from "./select-rows.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-sample-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const options = (out: string) => ({
  model: "fixtures/embedded-model",
  data: "fixtures/miniature/math-train.jsonl",
  limit: 3,
  n: 4,
  maxNewTokens: 12,
  instruction: "",
  seed: 5,
  out: join(scratch, out),
});
const rowsOf = (out: string) => readFileSync(join(scratch, out, "rollouts.jsonl"), "utf8");

test("solutions are sampled in a chat, judged, and kept in their order", async () => {
  const written: number[] = [];
  const { groups, summary, settings } = await sampleSolutions(options("whole"), {
    onProgress: (progress) => written.push(progress.written),
  });
  expect(written).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
  expect(groups).toEqual(readRollouts(join(scratch, "whole")));
  expect(groups.map((group) => group.map(({ sample }) => sample))).toEqual(Array(3).fill([0, 1, 2, 3]));
  const [first] = groups[0]!;
  expect(first).toMatchObject({
    id: "1",
    gold: "15",
    prompt: [
      {
        role: "user",
        content: "Lily gets 5 pencils every day. How many pencils does she have after 3 days?",
      },
    ],
  });
  const texts = groups.flat();
  expect(new Set(texts.map(({ text }) => text)).size).toBeGreaterThan(8);
  for (const { tokens, truncated } of texts) {
    expect(tokens).toBeLessThanOrEqual(12);
    if (truncated) expect(tokens).toBe(12);
  }
  expect(summary).toMatchObject({ problems: 3, samples: 12 });
  expect(settings).toMatchObject({ n: 4, temperature: 1, seed: 5 });
});

test("sampling that was interrupted, or killed in the middle of a line, goes on as if it had not been", async () => {
  const controller = new AbortController();
  const stopped = sampleSolutions(
    { ...options("stopped"), signal: controller.signal },
    { onProgress: ({ written }) => written === 5 && controller.abort(new Error("stopped")) },
  );
  await expect(stopped).rejects.toThrow("stopped");
  const kept = rowsOf("stopped").trimEnd().split("\n");
  expect(kept).toHaveLength(5);
  expect(() => readRollouts(join(scratch, "stopped"))).toThrow("holds 5 of 12 solutions, since sampling was");
  appendFileSync(join(scratch, "stopped", "rollouts.jsonl"), kept[0]!.slice(0, 40));

  const known: number[] = [];
  await sampleSolutions(options("stopped"), { onPlan: (plan) => known.push(plan.known) });
  expect(known).toEqual([5]);
  expect(rowsOf("stopped")).toBe(rowsOf("whole"));

  await sampleSolutions(options("stopped"), {
    onPlan: (plan) => known.push(plan.known),
    onProgress: () => expect.fail("nothing is left to write"),
  });
  expect(known).toEqual([5, 12]);
});

test("a folder of other rollouts, or of something else, is refused", async () => {
  await expect(sampleSolutions({ ...options("whole"), seed: 6 })).rejects.toThrow(
    /rollouts\.json belongs to rollouts that were begun with another seed \(5, and now 6\); choose another/,
  );
  await expect(sampleSolutions({ ...options(""), limit: 1 })).rejects.toThrow("holds no rollouts that were");
});

test("plain texts are asked and continued as plain texts", async () => {
  const { groups } = await sampleSolutions({ ...options("plain"), limit: 1, n: 1, chat: false });
  const [first] = groups[0]!;
  expect(first!.prompt).toBe(`Question: ${first!.question}\nAnswer:`);
});

test("problems without an answer, or fewer than were asked for, are refused with their line", async () => {
  const data = join(scratch, "bad.jsonl");
  const rows = (...lines: object[]) =>
    writeFileSync(data, lines.map((line) => JSON.stringify(line)).join("\n"));
  const sampled = () => sampleSolutions({ ...options("bad"), data });
  rows({ question: "1 + 1?", answer: 2 }, { question: "1 + 2?" });
  await expect(sampled()).rejects.toThrow('line 2: there is no field "answer" or "solution" or "gold"');
  rows({ question: "1 + 1?", answer: "2" });
  await expect(sampled()).rejects.toThrow("The limit 3 is larger than");
  rows({ question: "1 + 1?", answer: "2" }, { question: "Why?", answer: "so" }, { question: "?", answer: 1 });
  await expect(sampled()).rejects.toThrow("line 2: the solution gives no answer; correct it.");
  await expect(sampleSolutions({ ...options("bad"), data: "gsm8k:test" })).rejects.toThrow(
    'The split "test" of gsm8k is the one that is evaluated, so it must not be tuned on; take gsm8k:train.',
  );
});

test("TokenSkip asks the model for the surprise of words, and other rules ask none", async () => {
  const rollouts = join(scratch, "hand-made");
  mkdirSync(rollouts);
  const group = makeGroup(3, [20, true], [30, true]);
  writeFileSync(join(rollouts, "rollouts.jsonl"), group.map(formatRollout).join(""));
  const out = join(scratch, "selected", "short.jsonl");
  const model = "fixtures/embedded-model";
  const report = await selectRows({ rollouts, rule: "tokenskip:0.5", model, out });
  const { completion } = JSON.parse(readFileSync(out, "utf8"));
  expect(completion[0].content).toMatch(/\n#### 7$/);
  expect(completion[0].content.length).toBeLessThan(group[0]!.text.length);
  expect(JSON.parse(readFileSync(join(scratch, "selected", "short.selection.json"), "utf8"))).toEqual(report);
  expect(report).toMatchObject({ rows: 1, rowTokens: 20, tokens: 25, leftOut: {} });

  const select = (more: object) => selectRows({ rollouts, rule: "pairs:right-wrong", out, ...more });
  await expect(select({})).rejects.toThrow("takes nothing from");
  await expect(select({ rule: "tokenskip" })).rejects.toThrow("name it with --model.");
  await expect(select({ model })).rejects.toThrow("asks no model; leave out --model.");
  await expect(select({ out: "short.csv" })).rejects.toThrow("must end in .jsonl");
});
