import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { parse, stringify } from "yaml";
import { renderChat } from "../core/decoding/prompt.ts";
import { loadAdapter } from "../node/adapters/load-adapter.ts";
import { openModel } from "../node/models/open-model.ts";
import { fineTune, resumeRun } from "../node/training/fine-tune.ts";
import { captureOutput, err, out } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-chat-options-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const model = "fixtures/embedded-model";
const data = join(scratch, "sums.jsonl");
writeFileSync(
  data,
  Array.from({ length: 8 }, (_, i) => JSON.stringify({ question: `${i} + 2?`, answer: `${i + 2}` })).join(
    "\n",
  ),
);

captureOutput();
beforeEach(() => {
  vi.stubEnv("XDG_CACHE_HOME", join(scratch, "cache"));
});
afterEach(() => {
  vi.useRealTimers();
});

const run = (...words: string[]) => main(["node", "slimtune", ...words]);

/** Says that it is another day, while time goes on. */
const setDay = (day: string) =>
  vi.useFakeTimers({ toFake: ["Date"], now: new Date(`${day}T12:00`), shouldAdvanceTime: true });

const template =
  "{{ bos_token }}<|turn|>system\nToday is {{ strftime_now('%d %b %Y') }}.<|end|>\n{% for m in messages %}{{ '<|turn|>' ~ m.role }}\n{{ m.content }}<|end|>\n{% endfor %}{% if add_generation_prompt %}{{ '<|turn|>assistant\\n' }}{% endif %}";
const file = join(scratch, "dated.jinja");
writeFileSync(file, template);
const chat = ["--chat-template", file];

const today = "Today is 31 Jan 2025.";

test("a template and a date take the place of the model's, and stay with the run and its adapter", async () => {
  const folder = join(scratch, "run");
  const words = ["--model", model, "--data", data, ...chat, "--date", "2025-01-31"];
  expect(await run("inspect", ...words, "--show", "1")).toBe(0);
  expect(out).toContain(today);

  expect(await run("tune", ...words, "--max-steps", "1", "--validation", "0", "--out", folder)).toBe(0);
  const config = parse(readFileSync(join(folder, "config.yaml"), "utf8"));
  expect(config).toMatchObject({ date: "2025-01-31", chat_template: template });
  expect(readFileSync(join(folder, "adapter", "chat_template.jinja"), "utf8")).toBe(template);

  // A run that goes on with the adapter takes its template over.
  const further = join(scratch, "further");
  const more = ["--adapter", folder, "--max-steps", "1", "--validation", "0", "--out", further];
  expect(await run("tune", "--model", model, "--data", data, ...more)).toBe(0);
  expect(parse(readFileSync(join(further, "config.yaml"), "utf8")).chat_template).toBe(template);

  const base = await openModel(model);
  expect((await loadAdapter(base, join(folder, "adapter"))).tokenizer.chatTemplate).toBe(template);
  expect(base.tokenizer.chatTemplate).not.toBe(template);
  const merged = join(scratch, "merged");
  expect(await run("merge", folder, "--out", merged)).toBe(0);
  expect((await openModel(merged)).tokenizer.chatTemplate).toBe(template);
  const exported = join(scratch, "exported.gguf");
  expect(await run("export", folder, "--format", "gguf", "--type", "f32", "--out", exported)).toBe(0);
  const { tokenizer } = await openModel(exported);
  expect(renderChat(tokenizer, [{ role: "user", content: "Hi" }])).toMatch(
    /^<\|begin\|><\|turn\|>system\nToday/,
  );
});

test("a merged model whose template is its own has no second one", async () => {
  const folder = join(scratch, "plain");
  const words = ["--model", model, "--data", data, "--max-steps", "1", "--validation", "0", "--out", folder];
  expect(await run("tune", ...words)).toBe(0);
  expect(existsSync(join(folder, "adapter", "chat_template.jinja"))).toBe(false);
  expect(await run("merge", folder, "--out", join(scratch, "plain-merged"))).toBe(0);
  expect(existsSync(join(scratch, "plain-merged", "chat_template.jinja"))).toBe(false);
});

describe("a run that is resumed on another day", async () => {
  const options = {
    model,
    data,
    chat_template: template,
    max_steps: 3,
    save_steps: 1,
    batch_size: 4,
    validation: 0,
  };
  const adapterOf = (folder: string) =>
    readFileSync(join(folder, "adapter", "adapter_model.safetensors")).toString("base64");

  async function interrupt(folder: string): Promise<void> {
    const stop = new AbortController();
    const { outcome } = await fineTune(
      { ...options, out: folder },
      { signal: stop.signal, onStep: () => stop.abort() },
    );
    expect(outcome).toBe("interrupted");
  }

  test("keeps the day of its start, and gives the same adapter", async () => {
    setDay("2025-01-31");
    await fineTune({ ...options, out: join(scratch, "whole") });
    const cut = join(scratch, "cut");
    await interrupt(cut);
    setDay("2025-02-01");
    await resumeRun(cut);
    expect(adapterOf(cut)).toBe(adapterOf(join(scratch, "whole")));
    await fineTune({ ...options, out: join(scratch, "later") });
    expect(adapterOf(join(scratch, "later"))).not.toBe(adapterOf(cut));
  });

  test("is refused if its tokens changed, and goes on if they were not recorded", async () => {
    setDay("2025-01-31");
    const folder = join(scratch, "changed");
    await interrupt(folder);
    const path = join(folder, "config.yaml");
    const { date, ...config } = parse(readFileSync(path, "utf8"));
    expect(date).toBe("2025-01-31");
    // As if a former version had begun it.
    writeFileSync(path, stringify(config));
    setDay("2025-02-01");
    await expect(resumeRun(folder)).rejects.toThrow(
      `The tokens that the run in ${folder} is trained on changed since it was begun`,
    );
    const inputs = join(folder, "inputs.json");
    const { tokensSha256, ...identity } = JSON.parse(readFileSync(inputs, "utf8"));
    expect(tokensSha256).toMatch(/^[0-9a-f]{64}$/);
    writeFileSync(inputs, JSON.stringify(identity));
    expect((await resumeRun(folder)).outcome).toBe("finished");
  });
});

describe("an evaluation", () => {
  const task = join(scratch, "which.yaml");
  const rows = join(scratch, "which.jsonl");
  writeFileSync(
    rows,
    Array.from({ length: 4 }, (_, i) =>
      JSON.stringify({ question: `${i} + 1?`, choices: [`${i + 1}`, `${i + 2}`], answer: i % 2 }),
    ).join("\n"),
  );
  writeFileSync(
    task,
    stringify({
      task: "which",
      dataset_path: "json",
      dataset_kwargs: { data_files: { test: rows } },
      test_split: "test",
      output_type: "multiple_choice",
      doc_to_text: "{{question}}",
      doc_to_choice: "choices",
      doc_to_target: "answer",
      metric_list: [{ metric: "acc" }],
      metadata: { version: 1 },
    }),
  );
  const evaluate = (folder: string, ...more: string[]) =>
    run(
      ...["evaluate", "--model", model, "--tasks", "which", "--task-file", task, "--no-cache"],
      ...["--apply-chat-template", "--out", join(scratch, folder), ...more],
    );
  const promptOf = (folder: string) => readFileSync(join(scratch, folder, "samples_which.jsonl"), "utf8");

  test("keeps its day, which is said where it differs", async () => {
    expect(await evaluate("january", ...chat, "--date", "2025-01-31")).toBe(0);
    expect(promptOf("january")).toContain(today);
    setDay("2025-02-01");
    // The same evaluation goes on.
    expect(await evaluate("january", ...chat)).toBe(0);
    expect(promptOf("january")).toContain(today);
    expect(await evaluate("january", ...chat, "--date", "2025-02-01")).toBe(1);
    expect(err).toContain('with another set of options (date "2025-01-31", not "2025-02-01")');
    expect(await evaluate("january", "--date", "2025-01-31")).toBe(1);
    expect(err).toMatch(/chat_template_sha "[0-9a-f]{64}", not null/);

    expect(await evaluate("february", ...chat)).toBe(0);
    expect(promptOf("february")).toContain("Today is 01 Feb 2025.");
    expect(await run("compare", join(scratch, "january"), join(scratch, "february"))).toBe(1);
    expect(err).toContain(
      "The prompts of which differ (date in the chat template: 2025-01-31 before, 2025-02-01 after)",
    );
  });

  test("in a template without a date has none", async () => {
    expect(await evaluate("dateless")).toBe(0);
    const { settings } = JSON.parse(readFileSync(join(scratch, "dateless", "evaluation.json"), "utf8"));
    expect(settings).not.toHaveProperty("date");
  });
});

describe("bad input ends with one sentence and exit code 1", () => {
  const nothing = join(scratch, "nothing.jinja");
  writeFileSync(nothing, "template.jinja");
  const inspect = ["inspect", "--model", model, "--data", data];
  const cases: Record<string, [words: string[], sentence: string]> = {
    "no such file": [
      [...inspect, "--chat-template", "nowhere.jinja"],
      "nowhere.jinja cannot be opened for reading; check that it exists.",
    ],
    "no template": [[...inspect, "--chat-template", nothing], "holds no Jinja template"],
    "no day": [[...inspect, "--date", "2025-02-30"], "It is not a day of the form 2025-01-31."],
    "a template that refuses a row": [
      [...inspect, "--chat-template", write("refusing.jinja", "{{ raise_exception('No chats.') }}")],
      "sums.jsonl, line 1: the chat template refuses the conversation: No chats.",
    ],
    "a template that is not applied": [
      ["evaluate", "--model", model, "--tasks", "gsm8k", ...chat],
      "A chat template was given, but none is applied; add --apply-chat-template.",
    ],
    "a template for plain texts": [
      ["tune", "--model", model, "--data", data, "--out", "never", ...chat, "--no-apply-chat-template"],
      '"chat_template" is of no use while "apply_chat_template" is false',
    ],
    "a file's name as a template": [
      [
        ...["tune", "--model", model, "--data", data, "--out", "never"],
        ...["--config", write("named.yaml", "chat_template: dated.jinja\n")],
      ],
      "must be the template itself, not the name of a file",
    ],
  };
  test.each(Object.entries(cases))("%s", async (_, [words, sentence]) => {
    expect(await run(...words)).toBe(1);
    expect(err).toContain(sentence);
    expect(out).toBe("");
  });
});

function write(name: string, content: string): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}
