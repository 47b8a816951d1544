import { beforeEach, expect, test, vi } from "vitest";
import { createPaint, wantsColour } from "./colours.ts";

const terminal = { isTTY: true };

beforeEach(() => {
  for (const name of ["FORCE_COLOR", "NO_COLOR"]) vi.stubEnv(name, undefined);
  vi.stubEnv("TERM", "xterm-256color");
});

test("colours are for terminals, unless the environment says otherwise", () => {
  expect(wantsColour(terminal)).toBe(true);
  expect(wantsColour({})).toBe(false);
  vi.stubEnv("TERM", "dumb");
  expect(wantsColour(terminal)).toBe(false);
  vi.stubEnv("FORCE_COLOR", "1");
  expect(wantsColour({})).toBe(true);
  vi.stubEnv("FORCE_COLOR", "0");
  expect(wantsColour(terminal)).toBe(false);
});

test.each([
  ["1", false],
  ["", true],
])("NO_COLOR=%j: %s", (value, wanted) => {
  vi.stubEnv("NO_COLOR", value);
  expect(wantsColour(terminal)).toBe(wanted);
});

test("each meaning has its colour, or none", () => {
  expect(createPaint(terminal)("good", "better")).toBe("\x1b[32mbetter\x1b[39m");
  expect(createPaint(terminal)("bad", "worse")).toBe("\x1b[31mworse\x1b[39m");
  expect(createPaint({})("good", "better")).toBe("better");
});
