import { describe, expect, test } from "vitest";
import { hubAddress, nameOf, sourceOf } from "./model-choice.ts";

describe("a model of the Hub", () => {
  const folder = "https://huggingface.co/org/model-1.5B/resolve/main";
  test.each([
    ["org/model-1.5B", folder],
    [" https://huggingface.co/org/model-1.5B/ ", folder],
    ["https://huggingface.co/org/model-1.5B/tree/main", folder],
    ["org/model-1.5B/part/model.Q4_1.gguf", `${folder}/part/model.Q4_1.gguf`],
    ["https://huggingface.co/org/model-1.5B/blob/main/model.gguf", `${folder}/model.gguf`],
  ])("%j", (name, address) => {
    expect(hubAddress(name)).toBe(address);
  });

  test.each(["", "model", "C:\\models", "https://example.org/model", "org/model/config.json", "../../model"])(
    "%j is none",
    (name) => {
      expect(() => hubAddress(name)).toThrow(`"${name}" is no model of the Hub; give an id such as`);
    },
  );
});

test("files are called as the command line would be given them", () => {
  const file = new File([], "model.gguf");
  expect(nameOf({ kind: "files", files: [file] })).toBe("model.gguf");
  expect(() => sourceOf({ kind: "files", files: [] })).toThrow(
    "No file of a model is chosen; choose a .gguf file",
  );
});
