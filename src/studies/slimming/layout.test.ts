import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BrowserPage, chromium, openPage } from "../../reporting/headless-browser.fixture.ts";
import { writeReport } from "../../reporting/write-report.ts";
import { slimmingReport } from "./report.ts";
import {
  hostileStudy,
  methodsStudy,
  seedsStudy,
  slimmingStudy,
  variantsStudy,
} from "./study-results.fixture.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-layout-"));
let page: BrowserPage;
beforeAll(async () => {
  if (chromium !== undefined) page = await openPage("about:blank");
});
afterAll(async () => {
  rmSync(scratch, { recursive: true });
  await page?.close();
});

interface Layout {
  readonly width: number;
  readonly height: number;
  /** Elements that stand out of the page; tables that are wider are scrolled in a frame of their own. */
  readonly outside: readonly string[];
  readonly charts: readonly (readonly [width: number, height: number])[];
  /** Texts of a chart that lie on each other. */
  readonly overlaps: readonly string[];
}

const measureLayout = `(() => {
  const { clientWidth, scrollWidth, scrollHeight } = document.documentElement;
  const charts = [...document.querySelectorAll("figure svg")];
  const overlapsOf = (svg) => {
    const texts = [...svg.querySelectorAll("text")].filter((text) => text.textContent !== "").map((text) => ({ text: text.textContent, ...text.getBoundingClientRect().toJSON() }));
    return texts.flatMap((a, i) => texts.slice(i + 1)
      .filter((b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
      .map((b) => a.text + " / " + b.text));
  };
  return {
    width: scrollWidth,
    height: scrollHeight,
    outside: [...document.querySelectorAll("body *")]
      .filter((element) => element.getBoundingClientRect().right > clientWidth + 1 && !element.closest(".scroll > table"))
      .map((element) => element.outerHTML.slice(0, 80)),
    charts: charts.map((svg) => [svg.getBoundingClientRect().width, svg.getBoundingClientRect().height]),
    overlaps: charts.flatMap(overlapsOf),
  };
})()`;

const studies = {
  slimming: slimmingStudy,
  seeds: seedsStudy,
  methods: methodsStudy,
  variants: variantsStudy,
};

test.for(Object.entries(studies))(
  "the page of the study fits screens and shows its charts: %s",
  async ([name, makeStudy], { skip }) => {
    skip(chromium === undefined, "there is no browser; on Debian install chromium");
    const { page: path } = writeReport(join(scratch, name), slimmingReport(makeStudy()));
    await page.navigate(pathToFileURL(path).href);
    for (const width of [1280, 390]) {
      await page.resize(width, 900);
      const layout = (await page.evaluate(measureLayout)) as Layout;
      expect(layout.width).toBe(width);
      expect(layout.outside).toEqual([]);
      expect(layout.overlaps).toEqual([]);
      expect(layout.charts.length).toBeGreaterThanOrEqual(6);
      for (const [chartWidth, chartHeight] of layout.charts) {
        expect(chartWidth).toBeGreaterThan(250);
        expect(chartHeight).toBeGreaterThan(200);
      }
      const picture = await page.screenshot();
      expect(picture.toString("latin1", 1, 4)).toBe("PNG");
      expect([picture.readUInt32BE(16), picture.readUInt32BE(20)]).toEqual([width, layout.height]);
    }
  },
);

test("a browser sees the same elements whatever the texts hold", async ({ skip }) => {
  skip(chromium === undefined, "there is no browser; on Debian install chromium");
  const outline = `JSON.stringify([...document.querySelectorAll("*")].map(({ localName }) => localName))`;
  const hostile = `"'><script>alert(1)</script></title></style></pre></svg></details><img src=x onerror=alert(1)>&lt;`;
  const outlines = [];
  for (const [name, text] of Object.entries({ harmless: "harmless", hostile })) {
    const { page: path } = writeReport(join(scratch, name), slimmingReport(hostileStudy(text)));
    await page.navigate(pathToFileURL(path).href);
    outlines.push(await page.evaluate(outline));
    expect(await page.evaluate(`document.querySelector(".answers pre").textContent`)).toBe(text);
  }
  expect(outlines[1]).toBe(outlines[0]);
});
