import { expect, test } from "vitest";
import { parseRoute } from "./route.ts";

test("the address names a view, a run and what is chosen", () => {
  expect(parseRoute("")).toMatchObject({ view: "start", id: "" });
  expect(parseRoute("#/run/ab12")).toMatchObject({ view: "run", id: "ab12" });
  const { view, query } = parseRoute("#/runs?choose=a,b");
  expect([view, query.get("choose")]).toEqual(["runs", "a,b"]);
});
