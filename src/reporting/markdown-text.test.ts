import { expect, test } from "vitest";
import { escapeMarkdown, fence } from "./markdown-text.ts";

test("texts mean nothing to Markdown", () => {
  expect(escapeMarkdown("a|b `c` <script> *d* _e_ [f](g) \\ ~h~ # i &lt; x & y")).toBe(
    "a\\|b \\`c\\` \\<script\\> \\*d\\* \\_e\\_ [f\\](g) \\\\ \\~h\\~ \\# i \\&lt; x & y",
  );
  expect(escapeMarkdown("one\r\n two")).toBe("one two");
  expect(fence("a ```` b")).toBe("`````text\na ```` b\n`````");
});
