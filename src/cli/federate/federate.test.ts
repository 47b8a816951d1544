import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { captureOutput, err } from "../captured-output.fixture.ts";
import { main } from "../main.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-federate-"));
afterAll(() => rmSync(scratch, { recursive: true }));
captureOutput();

const out = join(scratch, "out");
const data = "fixtures/miniature/math-train.jsonl";
const simulate = ["simulate", "--model", "fixtures/embedded-model", "--data", data, "--out", out];
const joining = ["join", "--run", "r", "--client", "a", "--model", "M", "--data", data, "--out", out];
const serve = (options: string) => {
  const config = join(scratch, "fed.yaml");
  writeFileSync(config, `{ run: r, model: M, clients: [a], ${options} }`);
  return ["server", "--config", config, "--folder", join(scratch, "meeting"), "--out", out];
};

test.each<[string, () => string[], string]>([
  ["a distillation of nothing", () => [...simulate, "--framework", "kd"], "name a file of them by --public"],
  ["public rows of adapters", () => [...simulate, "--public", data], 'there is no option "public"'],
  ["a split nowhere", () => [...simulate, "--framework", "split"], "say after how many by --cut"],
  ["another framework's option", () => [...simulate, "--top-k", "4"], 'there is no option "top_k"'],
  ["an option that no client is told", () => [...simulate, "--keep", "0.1"], '"keep" cannot be set for a'],
  [
    "ranks that no mean has",
    () => [...simulate, "--aggregation", "fedavg", "--client-ranks", "1,2,3,4"],
    "rank 1 of its own",
  ],
  ["too few ranks", () => [...simulate, "--client-ranks", "4,8"], "There are 2 ranks of 4 clients"],
  [
    "a residual behind masks",
    () => [...simulate, "--aggregation", "fedex", "--secure-aggregation"],
    '"fedex" needs each update',
  ],
  ["a served split", () => serve("framework: split, cut: 1"), "A split asks its server at every step"],
  ["a served distillation of nothing", () => serve("framework: kd"), 'name a file of them by "public"'],
  ["an unknown option of a server", () => serve("quorums: 1"), 'there is no option "quorums"'],
  ["nowhere to meet", () => joining, "Give either --nats or --folder"],
  ["an audit of nothing", () => [...joining, "--audit"], "nothing has been sent from this folder"],
])("%s is refused in a sentence, and nothing is written", async (_, words, sentence) => {
  expect(await main(["node", "slimtune", "federate", ...words()])).toBe(1);
  expect(err).toContain(sentence);
  expect(err.trim().split("\n")).toHaveLength(1);
  expect(existsSync(out)).toBe(false);
});
