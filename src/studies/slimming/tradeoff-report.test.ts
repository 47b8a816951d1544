import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import { renderMarkdown } from "../../reporting/markdown.ts";
import { renderPage } from "../../reporting/page.ts";
import { recommend } from "./recommend.ts";
import { slimmingReport } from "./report.ts";
import { slimmingResultsSchema } from "./results.ts";
import { seedsStudy, variantsStudy } from "./study-results.fixture.ts";
import { arrangeStudy } from "./study-rows.ts";
import { describeRivals, describeTradeoffs, describeVerdict } from "./tradeoff-report.ts";

const study = variantsStudy();
const arranged = arrangeStudy(study);
const open = (results = study) => parseHTML(renderPage(slimmingReport(results))).document;
const textsOf = (nodes: Iterable<{ textContent: string | null }>) =>
  [...nodes].map(({ textContent }) => textContent!.replace(/\s+/g, " ").trim());

test("every row names its variant, in the page and in Markdown", () => {
  const names = ["keep-0", "keep-0.1", "keep-1", "rate-2e-5", "rank-4"].map((name) => `lora (${name})`);
  expect(arranged.rows.map(({ label }) => label)).toEqual([
    ...names.map((name) => `${name} on math`),
    ...names.map((name) => `${name} on computing`),
  ]);
  expect(textsOf(open().querySelectorAll("#gains tbody tr > th:last-of-type"))).toEqual(
    [...names, ...names].map((name) => `${name}2 of 2 seeds`),
  );
  expect(renderMarkdown(slimmingReport(study))).toContain("| lora (rank-4) on computing |");
  expect(recommend(arranged).list.map(({ method }) => method)).toContain("lora (keep-0)");
});

test("the section says what each variant gained and forgot, and how that compares", () => {
  const section = open().querySelector("#tradeoffs")!;
  const [measured, compared] = [...section.querySelectorAll("table")].map((table) =>
    [...table.querySelectorAll("tbody tr")].map((row) => textsOf(row.querySelectorAll("th, td"))),
  );
  expect(measured).toHaveLength(10);
  expect(measured![1]).toEqual([
    "lora (keep-0.1) on math",
    "+7.2 [4.6, 9.8] (seeds +7.0, +7.4)",
    "+0.190 [0.180, 0.200] (seeds +0.189, +0.191)",
    "0.030 [0.026, 0.034] (seeds 0.029, 0.031)",
    "−1.3 [−3.4, 0.8] (seeds −1.5, −1.2)",
    "+0.004 [−0.016, 0.024] (seeds +0.003, +0.005)",
  ]);
  expect(compared).toHaveLength(8);
  expect(compared![0]).toEqual([
    "lora (keep-0.1) on math",
    "keep-0",
    "−0.010 [−0.022, 0.002]",
    "95 %",
    "−0.030 [−0.033, −0.027] ▲",
    "0.000 [−0.010, 0.010]",
    "gains as much; forgets less (divergence)",
  ]);
  expect(compared![1]!.at(-1)).toBe("gains less; forgets less (divergence)");
  expect(compared![3]!.at(-1)).toBe("gains as much; no difference in forgetting is shown");
  expect(compared![4]!.at(-1)).toBe("not shown to gain as much; forgets less (divergence)");
  expect(section.textContent).toContain(
    "adjustment for all 32 tests against plain variants here; the 8 tests",
  );
});

test("charts: a point for each variant with both intervals, those that keep joined in the order of the weight", () => {
  const [math, ...others] = open().querySelectorAll("#tradeoffs figure svg");
  expect(others).toHaveLength(1);
  expect(textsOf(math!.querySelectorAll('[aria-label="dot"] path title')).sort()).toEqual([
    "keep-0.1: +0.190 bits per byte, 0.030 nats",
    "keep-0: +0.200 bits per byte, 0.060 nats",
    "keep-1: +0.120 bits per byte, 0.010 nats",
    "rank-4: +0.200 bits per byte, 0.058 nats",
    "rate-2e-5: +0.150 bits per byte, 0.040 nats",
  ]);
  // The x of three points, falling with the weight.
  const path = math!.querySelector('[aria-label="line"] path')!.getAttribute("d")!;
  const xs = [...path.matchAll(/[ML]([\d.]+),/g)].map(([, x]) => Number(x));
  expect(xs).toHaveLength(3);
  expect(xs).toEqual([...xs].sort((a, b) => b - a));
  expect(math!.querySelectorAll('[aria-label="rule"] line').length).toBeGreaterThanOrEqual(10);
  const labels = [...open().querySelectorAll("#tradeoffs .key li")].map(
    (entry) => entry.lastChild!.textContent,
  );
  expect(labels).toEqual(study.variants!.map(({ name }) => name));
});

test("the answer says whether a weight gains as much and forgets less, and whether a rival does so, too", () => {
  expect(describeTradeoffs(arranged)).toEqual([
    "With lora on math, keep-0.1 is shown to gain as much as keep-0 and to forget less; without keeping, none is.",
    "With lora on computing, keep-0 is not shown to gain, so nothing is shown to gain as much.",
  ]);
  const [math] = study.tradeoffs!;
  const change = (comparisons: (typeof math & {})["comparisons"], variants = study.variants!) =>
    describeTradeoffs(arrangeStudy({ ...study, variants, tradeoffs: [{ ...math!, comparisons }] }));
  const winner = math!.comparisons[0]!;
  expect(change(math!.comparisons.slice(1))).toEqual([
    "With lora on math, no run that keeps is shown to gain as much as keep-0 and to forget less; without keeping, none is.",
  ]);
  expect(change([winner, { ...winner, variant: "rank-4" }])).toEqual([
    "With lora on math, keep-0.1 is shown to gain as much as keep-0 and to forget less; without keeping, rank-4 is.",
  ]);
  expect(change([{ ...winner, variant: "rank-4" }])).toEqual([
    "With lora on math, rank-4 is shown to gain as much as keep-0 and to forget less.",
  ]);
  // By one measure less and by another more is no success.
  const forgotten = { value: 0.1, low: 0.05, high: 0.15, p: 0.0002, adjustedP: 0.01 };
  const mixed = { ...winner, forgotten };
  expect(describeVerdict(mixed)).toBe(
    "gains as much; forgets less (divergence) but forgets more (bits per byte)",
  );
  expect(change([mixed])[0]).toContain("no run that keeps is shown");
});

test("beside each rival stand the runs that keep which gain as much and forget less, and the reverse", () => {
  expect(describeRivals(arranged).slice(0, 2)).toEqual([
    "lora on math, beside rate-2e-5: keep-0.1 (divergence) is shown to gain as much and to forget less; the reverse is shown of none.",
    "lora on math, beside rank-4: keep-0.1 (divergence) is shown to gain as much and to forget less; the reverse is shown of none.",
  ]);
  const tradeoffs = study.tradeoffs!.slice(0, 1).map((tradeoff) => ({
    ...tradeoff,
    rivalries: tradeoff.rivalries.map((one) => ({ ...one, better: one.rival, adjustedP: 0.01 })),
  }));
  expect(describeRivals(arrangeStudy({ ...study, tradeoffs }))[0]).toBe(
    "lora on math, beside rate-2e-5: no run that keeps is shown to gain as much and to forget less; the reverse is shown of keep-0.1 (divergence) and keep-1 (divergence).",
  );
});

test("data that are meant for no task have only what was forgotten", () => {
  const { comparisons, variants, ...math } = study.tradeoffs![0]!;
  const aimless = {
    ...math,
    gainTasks: [],
    variants: variants.map(({ gain: _, ...one }) => one),
    comparisons: comparisons.map(({ gain: _, gainsAsMuch: __, ...one }) => one),
    rivalries: [],
  };
  const page = open({ ...study, tradeoffs: [aimless] });
  expect(page.querySelectorAll("#tradeoffs figure")).toHaveLength(0);
  expect(page.querySelector("#tradeoffs")!.textContent).toContain("own tasks none");
  expect(textsOf(page.querySelectorAll("#tradeoffs tbody tr td")).at(-1)).toBe(
    "no difference in forgetting is shown",
  );
});

test("a study without variants has no such section, and either is read again", () => {
  expect(open(seedsStudy()).querySelector("#tradeoffs")).toBeNull();
  expect(open({ ...study, tradeoffs: [] }).querySelector("#tradeoffs")).toBeNull();
  for (const results of [seedsStudy(), study]) {
    const kept = JSON.parse(JSON.stringify(results));
    expect(JSON.parse(JSON.stringify(slimmingResultsSchema.parse({ ...kept })))).toEqual(kept);
  }
  expect(renderPage(slimmingReport(study))).not.toMatch(/NaN|undefined|Infinity/);
});

test("names that would do harm do none", () => {
  const hostile = "<b>|`";
  const rename = <T extends object>(value: T): T =>
    JSON.parse(JSON.stringify(value).replaceAll("keep-0.1", hostile).replaceAll("rank-4", `${hostile}2`));
  const outline = (document: ReturnType<typeof open>) =>
    [...document.querySelectorAll("*")].map(({ localName }) => localName);
  expect(outline(open(rename(study)))).toEqual(outline(open()));
});
