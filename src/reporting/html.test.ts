import fc from "fast-check";
import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import { html } from "./html.ts";

test("values are escaped, parts and lists of parts are not escaped again, undefined is nothing", () => {
  const part = html`<b>${"a & b"}</b>`;
  expect(html`<p title="${'"x"'}">${part}${[part, 1]}${undefined}</p>`.text).toBe(
    '<p title="&quot;x&quot;"><b>a &amp; b</b><b>a &amp; b</b>1</p>',
  );
});

test("any text comes back as it was, from content and attributes", () => {
  // The parser of HTML, not the template, makes these into something else.
  const text = fc.string({ unit: "grapheme" }).filter((value) => !/[\0\r]/.test(value));
  fc.assert(
    fc.property(text, (value) => {
      const { document } = parseHTML(html`<html><body><p title="${value}">x${value}</p></body></html>`.text);
      const element = document.querySelector("p")!;
      expect(element.textContent).toBe(`x${value}`);
      expect(element.getAttribute("title")).toBe(value);
    }),
  );
});
