import { expect, test } from "vitest";
import { fileNameOf, shortName, suggestName } from "./names.ts";
import { toSpans } from "./spans.ts";

test("a run is named by its data and its method, and never as another", () => {
  expect(suggestName("/data/My People.csv", "lora", [])).toBe("my-people-lora");
  expect(suggestName("user/set", "lora+", ["set-lora"])).toBe("set-lora-2");
  expect(suggestName("a.csv", "lora", ["a-lora", "a-lora-2"])).toBe("a-lora-3");
  expect(suggestName("データ.csv", "full", [])).toBe("run-full");
  expect(shortName("/models/smol/")).toBe("smol");
  expect(["é <b>1</b>", "../.x", "<>"].map(fileNameOf)).toEqual(["é-b-1-b", "x", "result"]);
});

test("neighbouring tokens that are trained alike are one span", () => {
  const token = (text: string, isTrained: boolean) => ({ text, isTrained });
  expect(toSpans([token("a", false), token("b", false), token("c", true), token("d", false)])).toEqual([
    { text: "ab", isTrained: false, tokens: 2 },
    { text: "c", isTrained: true, tokens: 1 },
    { text: "d", isTrained: false, tokens: 1 },
  ]);
  expect(toSpans([])).toEqual([]);
});
