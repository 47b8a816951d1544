import { expect, test } from "vitest";
import { renderMarkdown } from "../../reporting/markdown.ts";
import { slimmingReport } from "./report.ts";
import { hostileStudy, methodsStudy, slimmingStudy } from "./study-results.fixture.ts";

const render = (study = slimmingStudy()) => renderMarkdown(slimmingReport(study));

/** Tables as the numbers of cells in their lines. */
function tableWidths(markdown: string): number[][] {
  const fenced = /^(`{3,})text\n[\s\S]*?\n\1$/gm;
  const blocks = markdown.trimEnd().replace(fenced, "").split("\n\n");
  const escaped = /\\[\\|]/g;
  return blocks
    .filter((block) => block.startsWith("|"))
    .map((block) => block.split("\n").map((line) => line.replace(escaped, "").split("|").length));
}

test("the gains are a table, with the cells that the data were meant for in bold", () => {
  const markdown = render();
  expect(markdown).toContain(
    "| lora on math | **+7.0 [4.4, 9.6] ▲** | −1.5 [−3.6, 0.6] | −0.5 [−3.7, 2.7] | +0.84 [0.73, 0.95] ▼ | −1.0 [−2.9, 0.9] | 0.061 [0.056, 0.067] |",
  );
  expect(markdown).toContain("| qlora on computing | not computed |");
  expect(markdown).toContain(
    "- gsm8k: exact\\_match (strict-match), base 6.0 [4.1, 8.8], no chance level; in points",
  );
});

test("it has what the page has", () => {
  const headings = (markdown: string) => [...markdown.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
  const common = ["Loss", "Alignment and gain", "Efficiency", "Answers that changed"];
  expect(headings(render())).toEqual([
    "Gained and kept",
    ...common,
    "Not computed",
    "Limits",
    "How it was made",
  ]);
  expect(headings(render(methodsStudy()))).toEqual([
    "Gained and kept",
    "Which method",
    ...common,
    "Limits",
    "How it was made",
  ]);
  expect(render()).toContain("not measured");
});

test("every line of a table has as many cells as its heading, whatever the texts hold", () => {
  for (const text of ["|", "\\|", "a\n| b |\n", "`|`", "<script>|</script>", "```\n# x"]) {
    const tables = tableWidths(render(hostileStudy(text)));
    expect(tables.length).toBeGreaterThan(8);
    for (const widths of tables) expect(new Set(widths).size, text).toBe(1);
  }
});

test("texts of others mean nothing to Markdown", () => {
  expect(render(hostileStudy("<script>"))).not.toMatch(/(?<!\\)<script>(?!\n)/);
});
