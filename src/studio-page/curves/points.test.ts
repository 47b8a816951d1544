import { describe, expect, test } from "vitest";
import { decimate, describeCurve, extentOf, moveView, smooth } from "./points.ts";

const count = 100_000;
const x = Array.from({ length: count }, (_, index) => index + 1);
const y = x.map((step) => Math.sin(step / 3000) + (step === 54_321 ? 10 : 0));

describe("decimate", () => {
  test("keeps the lowest and the highest of each part, and so every peak", () => {
    const kept = decimate({ x, y }, 1, count, 800);
    expect(kept.x.length).toBeGreaterThan(800);
    expect(kept.x.length).toBeLessThanOrEqual(2 * 801);
    expect(kept.x).toEqual([...kept.x].sort((a, b) => a - b));
    expect(Math.max(...(kept.y as number[]))).toBe(y[54_320]);
    expect(Math.min(...(kept.y as number[]))).toBe(Math.min(...y));
  });

  test("gives all of few points, with one on either side of what is seen", () => {
    expect(decimate({ x, y }, 100.5, 103.5, 800).x).toEqual([100, 101, 102, 103, 104]);
    expect(decimate({ x: [1, 2], y: [null, 5] }, 0, 10, 800)).toEqual({ x: [1, 2], y: [null, 5] });
    expect(decimate({ x: [], y: [] }, 0, 10, 800)).toEqual({ x: [], y: [] });
  });

  test("keeps the same points of a part when the view has moved on", () => {
    const before = decimate({ x, y }, 10_000, 20_000, 100);
    const after = decimate({ x, y }, 10_200, 20_200, 100);
    const inside = (kept: typeof before) => kept.x.filter((each) => each > 10_400 && each < 19_800);
    expect(inside(after)).toEqual(inside(before));
  });

  test("leaves out what has no value", () => {
    const holes = { x, y: y.map((value, index) => (index % 2 === 0 ? null : value)) };
    expect(decimate(holes, 1, count, 500).y).not.toContain(null);
  });
});

test("the view stays within the points, however far it is moved", () => {
  const all = extentOf([{ x, y }])!;
  expect(all).toEqual({ min: 1, max: count });
  const closer = moveView(all, all, { zoom: 10, centre: 50_000 });
  expect(closer.max - closer.min).toBeCloseTo((count - 1) / 10);
  expect((50_000 - closer.min) / (closer.max - closer.min)).toBeCloseTo(0.5, 4);
  expect(moveView(closer, all, { share: 100 }).max).toBe(count);
  expect(moveView(closer, all, { share: -100 }).min).toBe(1);
  expect(moveView(closer, all, { zoom: 1 / 1000 })).toEqual(all);
});

test("curves without points have no extent, and one point has room around it", () => {
  expect(extentOf([{ x: [], y: [] }])).toBeUndefined();
  expect(extentOf([{ x: [7], y: [1] }])).toEqual({ min: 6, max: 8 });
});

test("smoothing gives the mean of the values around, and passes over what has none", () => {
  const { y: means } = smooth({ x: [1, 2, 3, 4], y: [1, 3, null, 7] }, 0.25);
  expect(means).toEqual([2, 2, 5, 7]);
  const line = smooth({ x, y: x }, 0.001).y;
  expect(line[50_000]).toBeCloseTo(50_001);
});

test("a curve is told in words", () => {
  expect(describeCurve("Loss", { x: [1, 2, 3], y: [3, 1.5, 2] })).toBe(
    "Loss: from 3.00 at step 1 to 2.00 at step 3, lowest 1.50 at step 2.",
  );
  expect(describeCurve("Loss", { x: [1], y: [null] })).toBe("Loss: no values yet.");
  expect(describeCurve("Loss", { x: [4], y: [2] })).toBe("Loss: 2.00 at step 4.");
});
