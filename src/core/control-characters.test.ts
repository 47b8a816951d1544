import { expect, test } from "vitest";
import { showControls } from "./control-characters.ts";

test.each([
  ["a colour, a window's title, a bell", "\x1b[31m\x1b]0;title\x07", "\\u001b[31m\\u001b]0;title\\u0007"],
  ["controls of eight bits", "\x9b2J\x90", "\\u009b2J\\u0090"],
  ["what overwrites", "a\rb\b\x7f", "a\\u000db\\u0008\\u007f"],
  ["other line breaks", "\v\f\x85\u2028\u2029", "\\u000b\\u000c\\u0085\\u2028\\u2029"],
  ["turned directions", "\u202e\u2066\u200f\u061c", "\\u202e\\u2066\\u200f\\u061c"],
  ["text", "à\tb\n👩‍👧 नमस्ते 中文 ⟦x⟧", "à\tb\n👩‍👧 नमस्ते 中文 ⟦x⟧"],
])("%s", (_name, text, shown) => {
  expect(showControls(text)).toBe(shown);
});

test("every control character is shown, and JSON keeps its value", () => {
  const all = String.fromCharCode(...Array.from({ length: 0x3000 }, (_, code) => code));
  expect(showControls(all)).not.toMatch(/(?![\t\n])[\p{Cc}\p{Bidi_Control}]/u);
  expect(JSON.parse(showControls(JSON.stringify(all)))).toBe(all);
});
