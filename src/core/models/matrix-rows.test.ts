import { expect, test } from "vitest";
import { asConstant, float32 } from "../runtime/device.ts";
import { sliceRows } from "./matrix-rows.ts";

test("slices of a constant matrix are the same tensors each time, and those of another are not constant", async () => {
  const matrix = float32(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2]);
  const slice = await sliceRows(matrix, 1, 3);
  expect(slice).toEqual(float32(Float32Array.of(3, 4, 5, 6), [2, 2]));
  expect(await sliceRows(matrix, 1, 3)).not.toBe(slice);
  const constant = await sliceRows(asConstant(matrix), 1, 3);
  expect(constant).toEqual(asConstant(slice));
  expect(await sliceRows(asConstant(matrix), 1, 3)).toBe(constant);
  expect(await sliceRows(asConstant(matrix), 0, 1)).toEqual(
    asConstant(float32(Float32Array.of(1, 2), [1, 2])),
  );
});
