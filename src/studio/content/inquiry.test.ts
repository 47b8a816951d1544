import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { remove } from "../../node/files/write.ts";

// The process is one of built files (npm test builds them first).
const { createInquirer }: typeof import("./inquiry.ts") = await import(
  new URL("../../../dist/studio/content/inquiry.js", import.meta.url).href
);

const scratch = mkdtempSync(join(tmpdir(), "slimtune-inquiry-"));
const data = join(scratch, "huge.jsonl");
writeFileSync(data, '{"prompt": "What is one more than one?", "completion": "Two."}\n'.repeat(500_000));
afterAll(() => remove(scratch));

const options = { model: "fixtures/embedded-model", data };
const { signal } = new AbortController();
const limits = { first: 60_000, better: 100, megabytes: 2048 };

test("of a file that takes long to read, the first rows are told in time", async () => {
  const inquirer = createInquirer(limits);
  const { answer } = await inquirer.ask("preview", options, signal);
  const { isWhole, examples, report } = answer;
  expect(isWhole).toBe(false);
  expect(examples).toHaveLength(20);
  expect(report[0]).toContain("20 examples");
});

test("what takes too long or too much memory is refused in a sentence, and what nobody waits for is left out", async () => {
  const client = new AbortController();
  const hurried = createInquirer({ ...limits, first: 300 });
  const small = createInquirer({ ...limits, megabytes: 8 });
  const late = hurried.ask("estimate", options, signal);
  const left = hurried.ask("preview", options, client.signal);
  client.abort();
  await expect(late).rejects.toThrow("takes more than 0.3 s to read");
  await expect(left).rejects.toMatchObject({ name: "AbortError" });
  await expect(small.ask("preview", options, signal)).rejects.toThrow("needs more memory than it may take");
});

test("who closes it ends what is asked", async () => {
  const inquirer = createInquirer(limits);
  const asked = inquirer.ask("estimate", options, signal);
  inquirer.close();
  await expect(asked).rejects.toMatchObject({ name: "AbortError" });
});
