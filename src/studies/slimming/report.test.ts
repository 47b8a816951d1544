import { parseHTML } from "linkedom";
import { describe, expect, test } from "vitest";
import { renderPage } from "../../reporting/page.ts";
import { slimmingReport } from "./report.ts";
import type { SlimmingResults } from "./results.ts";
import { hostileStudy, methodsStudy, seedsStudy, slimmingStudy } from "./study-results.fixture.ts";
import { arrangeStudy } from "./study-rows.ts";

const open = (study = slimmingStudy()) => parseHTML(renderPage(slimmingReport(study))).document;
const textsOf = (nodes: Iterable<{ textContent: string | null }>) =>
  [...nodes].map(({ textContent }) => textContent!.replace(/\s+/g, " ").trim());

describe("the gain matrix", () => {
  const { rows } = arrangeStudy(slimmingStudy());
  const document = open();

  test("has a row for each method on each set of data and a column for each task", () => {
    expect(textsOf(document.querySelectorAll(".gains tbody tr:not(.untuned) > th:last-of-type"))).toEqual(
      rows.map(({ method }) => method),
    );
    expect(textsOf(document.querySelectorAll(".gains tbody th[rowspan]"))).toEqual([
      "math",
      "commonsense",
      "computing",
    ]);
    expect(textsOf(document.querySelectorAll(".gains thead th > b"))).toEqual([
      "gsm8k",
      "hellaswag",
      "mmlu_cs",
      "wikitext",
      "kept",
      "divergence",
    ]);
  });

  test("names base scores and chance", () => {
    const heads = textsOf(document.querySelectorAll(".gains thead th"));
    expect(heads[2]).toBe("gsm8kexact_match (strict-match)base 6.0[4.1, 8.8]no chance level");
    expect(heads[3]).toContain("chance 25.0");
    expect(heads[5]).toContain("base 21.47[20.12, 23.05]");
  });

  test("prints each change with its interval, and marks only what is shown", () => {
    const cells = textsOf(document.querySelector(".gains tbody tr:not(.untuned)")!.querySelectorAll("td"));
    expect(cells).toEqual([
      "+7.0 ▲[4.4, 9.6]",
      "−1.5[−3.6, 0.6]",
      "−0.5[−3.7, 2.7]",
      "+0.84 ▼[0.73, 0.95]",
      "−1.0[−2.9, 0.9]",
      "0.061[0.056, 0.067]",
    ]);
  });

  test("outlines the cells whose data were meant for the task", () => {
    const outlined = [...document.querySelectorAll(".gains tbody tr:not(.untuned)")].map((row) =>
      [...row.querySelectorAll("td")].findIndex((cell) => cell.classList.contains("aligned")),
    );
    expect(outlined).toEqual([0, 0, 1, 1, 2, -1]);
  });

  test("colours what is shown and nothing else, a higher perplexity as worse", () => {
    const [first] = document.querySelectorAll(".gains tbody tr:not(.untuned)");
    const colours = [...first!.querySelectorAll("td")].map(({ classList }) =>
      ["better", "worse"].filter((colour) => classList.contains(colour)),
    );
    expect(colours).toEqual([["better"], [], [], ["worse"], [], []]);
    for (const cell of document.querySelectorAll(".gains td")) {
      const isColoured = cell.classList.contains("better") || cell.classList.contains("worse");
      expect(isColoured, cell.textContent!).toBe(/[▲▼]/.test(cell.textContent!));
      expect(cell.hasAttribute("style")).toBe(false);
    }
  });

  test("begins with what quantizing alone changes", () => {
    const [row, ...others] = document.querySelectorAll(".gains tbody .untuned");
    expect(others).toEqual([]);
    expect(textsOf([row!.querySelector("th")!])).toEqual(["base in nf4, not tuned"]);
    expect(textsOf(row!.querySelectorAll("td"))).toEqual([
      "−1.0[−3.6, 1.6]",
      "−4.3 ▼[−6.4, −2.2]",
      "−0.2[−3.4, 3.0]",
      "+0.60 ▼[0.49, 0.71]",
      "−1.8[−3.4, −0.3]",
      "0.021[0.019, 0.024]",
    ]);
    const { quantizedBases: _, ...before } = slimmingStudy();
    expect(open(before).querySelector(".untuned")).toBeNull();
  });

  test("says which cell could not be computed, and why", () => {
    const last = textsOf(document.querySelectorAll(".gains tbody tr")).at(-1);
    expect(last).toContain("could not be computed");
    expect(textsOf(document.querySelectorAll("#failures td"))[0]).toContain(
      "At step 41 the loss is not finite",
    );
    expect(open(seedsStudy()).querySelector("#failures")!.textContent).toContain("lora-math-3");
  });

  test("lists the seeds' changes and how many show them", () => {
    const [row] = open(seedsStudy()).querySelectorAll(".gains tbody tr:not(.untuned)");
    expect(textsOf(row!.querySelectorAll("th"))).toEqual(["math", "lora2 of 3 seeds"]);
    expect(textsOf(row!.querySelectorAll("td"))[0]).toContain("seeds +7.0, +7.4");
  });

  test("warns of items that stand in the data", () => {
    const found = textsOf(document.querySelectorAll(".gains td")).filter((text) => text.includes("†"));
    expect(found).toHaveLength(2);
    expect(found[0]).toContain("† 3 items in the data");
  });
});

test("each study has its sections, and links to them", () => {
  const idsOf = (study = slimmingStudy()) => [...open(study).querySelectorAll("section")].map(({ id }) => id);
  const common = ["costs", "loss", "alignment", "efficiency", "answers"];
  expect(idsOf()).toEqual(["gains", ...common, "failures", "limits", "provenance"]);
  expect(idsOf(methodsStudy())).toEqual(["gains", "methods", ...common, "limits", "provenance"]);
  expect(
    textsOf(
      [...open().querySelectorAll("nav a")].map((link) => ({ textContent: link.getAttribute("href") })),
    ),
  ).toEqual(idsOf().map((id) => `#${id}`));
});

test("charts: three of cost, one for each set of data, one for each score of alignment that is known", () => {
  const document = open();
  const count = (id: string) => document.querySelectorAll(`#${id} figure svg`).length;
  expect([count("costs"), count("loss"), count("alignment")]).toEqual([3, 3, 2]);
  expect(textsOf(document.querySelectorAll("#alignment figcaption"))).toEqual([
    "Spearman's ρ 0.58, 95 % interval [0.17, 0.84], over 24 cells of 12 pairs of data and task: a better fit went with a larger gain.",
    "Spearman's ρ 0.31, 95 % interval [−0.16, 0.69], over 24 cells of 12 pairs of data and task: no relation shown.",
  ]);
  // Five rows were computed; each is a mark.
  for (const svg of document.querySelectorAll("#costs figure svg")) {
    expect(svg.querySelectorAll('[aria-label="dot"] path')).toHaveLength(5);
  }
});

test("what was not measured is said, and no zero stands for it", () => {
  const document = open();
  const power = textsOf(document.querySelectorAll("#efficiency table:last-of-type td")).filter(
    (text) => text === "not measured",
  );
  expect(power.length).toBeGreaterThanOrEqual(5);
  expect(document.querySelector("#efficiency")!.textContent).not.toMatch(/\b0 W/);
});

test("a study of which nothing could be computed still has a page", () => {
  const study = slimmingStudy();
  const cells = study.cells.map(({ id, method, data, seed }) => ({ id, method, data, seed, error: "No." }));
  const document = open({ ...study, cells, predictions: [] });
  expect(document.querySelector(".answer")!.textContent).toContain("nothing is shown about gains");
  expect(document.querySelectorAll("#failures tbody tr")).toHaveLength(6);
  expect(document.querySelector("#costs")).toBeNull();
});

test("no number is missing, also where all values are alike or zero", () => {
  const study = slimmingStudy();
  const zero = { value: 0, low: 0, high: 0 };
  const flat: SlimmingResults = {
    ...study,
    base: { ...study.base, scores: { ...study.base.scores, gsm8k: zero, wikitext: zero } },
    alignment: study.alignment.map((fit) => ({ ...fit, representation: 0, gradient: -1 })),
    cells: study.cells.slice(0, 1).map((cell) => ({
      ...cell,
      changes: Object.fromEntries(
        Object.entries(cell.changes!).map(([name, change]) => [name, { ...change, difference: zero }]),
      ),
      divergence: zero,
    })),
  };
  for (const results of [study, seedsStudy(), methodsStudy(), flat]) {
    expect(renderPage(slimmingReport(results))).not.toMatch(/NaN|undefined|Infinity/);
  }
  expect(open(flat).querySelectorAll("#alignment figure svg")).toHaveLength(3);
});

describe("texts of others do no harm:", () => {
  const hostile = [
    "<script>alert(1)</script>",
    "</style></pre></svg><img src=x onerror=alert(1)>",
    "\"'><b onclick='x'>",
    "&lt;i&gt;",
    "]]> --> <!--",
  ];
  test.each(hostile)("%s", (text) => {
    const document = open(hostileStudy(text));
    const clean = open(hostileStudy("harmless"));
    for (const selector of ["script", "img", "i", "[onclick]", "[onerror]", "[src]"]) {
      expect(document.querySelector(selector), selector).toBeNull();
    }
    // The same elements as without it, and the text itself where it belongs.
    const outline = (root: typeof document) =>
      [...root.querySelectorAll("*")].map(({ localName }) => localName);
    expect(outline(document)).toEqual(outline(clean));
    expect(document.title).toBe(`What tuning does to ${text}`);
    expect(document.querySelector(".answers pre")!.textContent).toBe(text);
    expect(document.querySelector(".prompt")!.textContent).toBe(text);
    expect(document.querySelector("#failures td")!.textContent).toBe(text);
    expect(document.querySelector("#costs figure title")!.textContent).toContain(text);
  });
});

test("the page asks for nothing from elsewhere", () => {
  const page = renderPage(slimmingReport(slimmingStudy()));
  expect(page).not.toMatch(/<(script|link|img|iframe|object|embed|base|form)\b/);
  expect(page).not.toMatch(/@import|url\(/);
  const addresses = [...page.matchAll(/https?:\/\/[^"\s<]+/g)].map(([address]) => address);
  expect(addresses.filter((address) => !address.startsWith("http://www.w3.org/"))).toEqual([]);
  expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
});
