import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { InputError } from "../core/errors.ts";
import { identifyModel } from "./model-identity.ts";
import { answerCache, defaultFolder, identifyEvaluation, openOutputFolder } from "./output-folder.ts";
import type { PreparedTask } from "./task.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-output-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const model = {
  name: "models/tiny v1",
  sha256: "aa",
  storage: "float32",
  bits: "exact",
  adapter: { path: "runs/a", sha256: "bb" },
} as const;
const settings = {
  limit: null,
  num_fewshot: null,
  apply_chat_template: false,
  fewshot_as_multiturn: false,
  system_instruction: null,
  fewshot_seed: 1234,
};
const task = { name: "sums", version: "1", promptHash: "cc" } as PreparedTask;
const identity = identifyEvaluation(model, settings, [task]);

test("a folder is opened again for the same evaluation only, and the error says what differs", () => {
  const path = join(scratch, "a", "b");
  openOutputFolder(path, identity);
  expect(readdirSync(path)).toEqual(["evaluation.json"]);
  openOutputFolder(path, identifyEvaluation({ ...model, name: "elsewhere" }, settings, [task]));
  const others = {
    model: identifyEvaluation({ ...model, sha256: "a2" }, settings, [task]),
    adapter: identifyEvaluation({ ...model, adapter: null }, settings, [task]),
    "storage of the weights": identifyEvaluation({ ...model, storage: "nf4" }, settings, [task]),
    "number of bits for writing": identifyEvaluation({ ...model, bits: 8 }, settings, [task]),
    "set of options (limit null, not 3)": identifyEvaluation(model, { ...settings, limit: 3 }, [task]),
    "set of tasks or prompts": identifyEvaluation(model, settings, [{ ...task, promptHash: "c2" }]),
  };
  for (const [label, other] of Object.entries(others)) {
    expect(() => openOutputFolder(path, other)).toThrow(
      new InputError(
        `The output folder ${path} holds an evaluation with another ${label}; choose another folder.`,
      ),
    );
    expect(defaultFolder(model, other)).not.toBe(defaultFolder(model, identity));
  }
  expect(defaultFolder(model, identity)).toMatch(/^runs\/evaluate-runs-a-[0-9a-f]{8}$/);
  expect(defaultFolder({ ...model, adapter: null }, identity)).toMatch(/^runs\/evaluate-models-tiny-v1-/);
});

test("a folder with something else in it is refused", () => {
  const path = join(scratch, "full");
  mkdirSync(path);
  openOutputFolder(path, identity);
  writeFileSync(join(scratch, "other"), "");
  expect(() => openOutputFolder(scratch, identity)).toThrow("is not empty and holds no evaluation");
  expect(() => openOutputFolder(join(scratch, "other"), identity)).toThrow(
    "is a file; choose another folder",
  );
});

test.each(["{", "null", "[]"])("an identity that is damaged (%s) is told", (content) => {
  const { identity: file, path } = openOutputFolder(join(scratch, "damaged"), identity);
  writeFileSync(file, content);
  expect(() => openOutputFolder(path, identity)).toThrow(InputError);
  rmSync(path, { recursive: true });
});

test("answers are shared by evaluations of the same model and adapter, whatever their tasks", () => {
  const cache = answerCache(identity);
  expect(answerCache(identifyEvaluation(model, { ...settings, limit: 3 }, []))).toBe(cache);
  expect(answerCache(identifyEvaluation({ ...model, adapter: null }, settings, [task]))).not.toBe(cache);
});

test("a model is identified by the content of its files", async () => {
  const folder = join(scratch, "model");
  mkdirSync(folder);
  const options = { storage: "float32", bits: "exact", adapter: undefined } as const;
  const write = (name: string, content: string) => writeFileSync(join(folder, name), content);
  const identify = async () => (await identifyModel({ name: "m", path: folder }, options)).sha256;
  write("config.json", "{}");
  write("model.safetensors", "weights");
  const before = await identify();
  write("README.md", "words");
  expect(await identify()).toBe(before);
  write("model.safetensors", "weightS");
  expect(await identify()).not.toBe(before);
  const file = join(folder, "model.safetensors");
  expect((await identifyModel({ name: "m", path: file }, options)).sha256).toMatch(/^[0-9a-f]{64}$/);
});
