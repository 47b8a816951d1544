import { expect, test } from "vitest";
import { filterItems } from "./changed-items.ts";

const item = (id: string, metric: string, isFixed: boolean, question: string, after = "") => ({
  ...{ task: "sums", id, metric, isFixed, question, gold: "4", before: "five", after },
});
const items = [
  item("0", "acc", true, "What is 2 + 2?"),
  item("1", "acc", false, "What is 1 + 3?", "FOUR"),
  item("2", "acc_norm", true, "What is 4 + 0?"),
];

test("items are found by their score, what became of them, and any of their texts", () => {
  const ids = (filter: Partial<Parameters<typeof filterItems>[1]>) =>
    filterItems(items, { score: "", change: "all", text: "", ...filter }).map(({ id }) => id);
  expect(ids({})).toEqual(["0", "1", "2"]);
  expect(ids({ score: "sums, acc" })).toEqual(["0", "1"]);
  expect(ids({ change: "fixed" })).toEqual(["0", "2"]);
  expect(ids({ change: "broken" })).toEqual(["1"]);
  expect(ids({ text: " four " })).toEqual(["1"]);
  expect(ids({ text: "2 + 2", change: "broken" })).toEqual([]);
});
