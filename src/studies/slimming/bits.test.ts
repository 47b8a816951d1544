import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import { renderMarkdown } from "../../reporting/markdown.ts";
import { renderPage } from "../../reporting/page.ts";
import { describeBits } from "./answer.ts";
import { slimmingReport } from "./report.ts";
import { slimmingResultsSchema } from "./results.ts";
import { hostileStudy, methodsStudy, seedsStudy, slimmingStudy, withBits } from "./study-results.fixture.ts";
import { arrangeBits } from "./study-rows.ts";

const study = withBits(slimmingStudy());
const textsOf = (nodes: Iterable<{ textContent: string | null }>) =>
  [...nodes].map(({ textContent }) => textContent!.replace(/\s+/g, " ").trim());

test("the page has a second matrix, with the row of the quantized base", () => {
  const { document } = parseHTML(renderPage(slimmingReport(study)));
  const section = document.querySelector("#bits")!;
  expect(textsOf(section.querySelectorAll("thead th > b"))).toEqual([
    "gsm8k",
    "hellaswag",
    "mmlu_cs",
    "wikitext",
  ]);
  expect(textsOf(section.querySelectorAll("thead th"))[2]).toBe(
    "gsm8kbits_per_byte_goldbase 1.250[1.150, 1.350]",
  );
  const [untuned, first] = section.querySelectorAll("tbody tr");
  expect(textsOf(untuned!.querySelectorAll("th, td"))).toEqual([
    "base in nf4, not tuned",
    ...Array.from({ length: 4 }, () => "+0.030 ▼[0.010, 0.050]"),
  ]);
  expect(textsOf(first!.querySelectorAll("td"))).toEqual([
    "−0.210 ▲[−0.230, −0.190]",
    ...Array.from({ length: 3 }, () => "+0.004[−0.016, 0.024]"),
  ]);
  expect(section.textContent).toContain("adjustment for all 24 comparisons of bits per byte");
});

test("the Markdown says the same", () => {
  const markdown = renderMarkdown(slimmingReport(study));
  expect(markdown).toContain("## How likely right answers became");
  expect(markdown).toContain(
    "| lora on math | **−0.210 [−0.230, −0.190] ▲** | +0.004 [−0.016, 0.024] | +0.004 [−0.016, 0.024] | +0.004 [−0.016, 0.024] |",
  );
  expect(markdown).toContain(
    "| qlora on computing | not computed | not computed | not computed | not computed |",
  );
  expect(markdown).toContain("- gsm8k: bits\\_per\\_byte\\_gold, base 1.250 [1.150, 1.350]");
  expect(markdown).toMatch(/\| lexical \| Spearman's ρ 0\.62, .*a better fit went with a larger gain/);
});

test("the answer says whether what the data were meant for fell, and nothing else", () => {
  expect(describeBits(arrangeBits(study)!)).toEqual([
    "By bits per byte, right answers are shown to be: of 5 cases that the data were meant for, likelier in 5 and less likely in 0; of 15 others, likelier in 3 and less likely in 0. Tuned on math and commonsense, the answers that the data were meant for are shown to be likelier with every method, and no others.",
  ]);
});

test("a study without them is reported as before, and either is read again", () => {
  const plain = slimmingStudy();
  expect(arrangeBits(plain)).toBeUndefined();
  expect(renderMarkdown(slimmingReport(plain))).not.toContain("How likely");
  for (const results of [plain, study]) {
    const kept = JSON.parse(JSON.stringify(results));
    expect(JSON.parse(JSON.stringify(slimmingResultsSchema.parse({ ...kept })))).toEqual(kept);
  }
});

test("there is a matrix of studies of seeds, of methods, and with texts of others", () => {
  for (const results of [seedsStudy(), methodsStudy(), hostileStudy("<b>|</b>")]) {
    const page = renderPage(slimmingReport(withBits(results)));
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
    expect(parseHTML(page).document.querySelector("#bits .gains b b, #bits th > b > b")).toBeNull();
  }
});
