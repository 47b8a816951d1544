import { expect, test } from "vitest";
import { methodNames, methodOf } from "../../core/adapters/methods.ts";
import { ggufFileTypes } from "../../core/models/gguf-tensor-types.ts";
import { exportFormats } from "../../node/export/export-model.ts";
import { formatsFor, resultFormats } from "./result-formats.ts";

test("the formats and types are those of slimtune export", () => {
  const names = Object.keys(resultFormats).map((name) => (name === "merge" ? "safetensors" : name));
  expect(names.toSorted()).toEqual(exportFormats.toSorted());
  expect(resultFormats.gguf!.variants!.names.toSorted()).toEqual(ggufFileTypes.toSorted());
});

test.each(methodNames)("a run of %s is offered what its result can be", (name) => {
  const method = methodOf(name);
  const offered = formatsFor({ method: name });
  const isMergeable = method.isMergeable ?? true;
  expect(offered.includes("gguf")).toBe(isMergeable);
  expect(offered.includes("merge")).toBe(isMergeable && method.yields === "adapter");
  expect(offered.includes("adapter")).toBe(!isMergeable);
  if (method.yields === "model") expect(offered).toEqual(["gguf"]);
});
