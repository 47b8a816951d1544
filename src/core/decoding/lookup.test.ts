import { expect, test } from "vitest";
import { lookUp } from "./lookup.ts";

test("what followed the longest end of a text is drafted, as many tokens as that end has", () => {
  expect(lookUp([5, 6, 7, 8, 9, 5, 6], 4)).toEqual([7, 8]);
  expect(lookUp([5, 6, 7, 8, 9, 5, 6], 1)).toEqual([7]);
  // The 2 and 3 stood last before the 5, but after a 1 before the 4.
  expect(lookUp([1, 2, 3, 4, 0, 2, 3, 5, 1, 2, 3], 8)).toEqual([4, 0, 2]);
  // Of equally long ends the last counts.
  expect(lookUp([3, 4, 3, 5, 3], 8)).toEqual([5]);
});

test("a text that goes round is drafted to go on so", () => {
  expect(lookUp([9, 1, 2, 1, 2, 1, 2], 4)).toEqual([1, 2, 1, 2]);
  expect(lookUp([7, 7, 7, 7], 8)).toEqual([7, 7, 7]);
});

test.each([[[]], [[1]], [[1, 2, 3]]])("nothing is drafted after %j", (ids) => {
  expect(lookUp(ids, 8)).toEqual([]);
});
