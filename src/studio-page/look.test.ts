import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { AxeResults } from "axe-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { required } from "../core/runtime/webgpu-device.fixture.ts";
import { chromium, openBrowser, type RunningStudio, runCommand, startStudio } from "./studio.fixture.ts";

const html = `<img src=x onerror="document.title='run'"><script>document.title='run'</script>`;
const scratch = realpathSync(mkdtempSync(join(tmpdir(), "slimtune-look-")));
const runName = `tuned ${html}`.replaceAll("/", "∕");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let studio: RunningStudio | undefined;
let browser: Browser | undefined;
let page: Page;
/** What the browser says went wrong, scripts that a policy held back among them. */
const complaints: string[] = [];

/** An evaluation of two questions with HTML in them, as slimtune writes it. */
function writeEvaluation(name: string, right: readonly number[]): void {
  const folder = join(scratch, name);
  mkdirSync(folder);
  const lines = right.map((acc, id) =>
    JSON.stringify({
      ...{ doc_id: id, doc_hash: `${id}`, prompt_hash: `${id}`, target_hash: `${id}`, filter: "none", acc },
      ...{ arguments: { gen_args_0: { arg_0: `Which tag is ${id}? ${html}`, arg_1: {} } } },
      ...{ target: `<b>${id}</b>`, resps: [[`answer ${html} of ${name}`]] },
    }),
  );
  writeFileSync(join(folder, "samples_tags.jsonl"), lines.join("\n"));
  writeFileSync(
    join(folder, "results.json"),
    JSON.stringify({ results: { tags: { "acc,none": 0.5 } }, versions: { tags: 1 }, "n-shot": { tags: 0 } }),
  );
}

function writeReport(sentence: string): void {
  mkdirSync(join(scratch, "study"), { recursive: true });
  const script = "<script>document.body.textContent = 'run'</script>";
  writeFileSync(
    join(scratch, "study", "report.html"),
    `<!doctype html><html lang="en"><title>&lt;b&gt;Seeds</title><p>${sentence}</p>${script}</html>`,
  );
}

/** Problems that make a page hard or impossible to use for some. */
async function findBarriers(): Promise<string[]> {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  );
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(", ")}`);
}

const open = async (address: string, heading: string) => {
  await page.evaluate((hash) => {
    location.hash = hash;
  }, address);
  await page.getByRole("heading", { level: 1, name: heading }).waitFor();
};

describe.runIf(required && chromium !== undefined)("what a person looks at", () => {
  beforeAll(async () => {
    const rows = Array.from({ length: 8 }, () =>
      JSON.stringify({ prompt: "Tag?", completion: "It is bold." }),
    );
    writeFileSync(join(scratch, "rows.jsonl"), rows.join("\n"));
    writeEvaluation("tags-before", [0, 1]);
    writeEvaluation("tags-after", [1, 0]);
    await runCommand(
      ...["tune", "--model", resolve("fixtures/embedded-model"), "--data", join(scratch, "rows.jsonl")],
      ...["--out", join(scratch, runName), "--max-steps", "5"],
    );
    studio = await startStudio(scratch);
    browser = await openBrowser();
    page = await browser.newPage();
    page.setDefaultTimeout(50_000);
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(studio.address);
  });
  afterAll(async () => {
    await browser?.close();
    await studio?.end("SIGKILL");
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  });

  test("a model and a run are evaluated, and compared in a picture and a sentence", async () => {
    await open("#/compare", "Compare");
    await page.getByText("Evaluate a model or a run").click();
    for (const [subject, name] of [
      ["The model that slimtune brings along", "base"],
      [`The run ${runName}`, "tuned"],
    ] as const) {
      await page.getByLabel("What is evaluated").selectOption(subject);
      await page.getByLabel("Items of each task").fill("3");
      await page.getByLabel("Name").fill(name);
      await page.getByRole("checkbox", { name: "miniature_math" }).check();
      await page.getByText(new RegExp(`slimtune evaluate .* --limit 3 --out \\S*${name}`)).waitFor();
      await page.getByRole("button", { name: "Evaluate", exact: true }).click();
    }
    const before = page.getByLabel("Before", { exact: true });
    const after = page.getByLabel("After", { exact: true });
    await after.getByRole("option", { name: /\/tuned:/ }).waitFor({ state: "attached" });
    await before.selectOption({
      label: (await before.getByRole("option", { name: /\/base:/ }).textContent())!,
    });
    await after.selectOption({
      label: (await after.getByRole("option", { name: /\/tuned:/ }).textContent())!,
    });
    await page
      .getByText(/95 % interval .*3 items/)
      .first()
      .waitFor();
    expect(await page.locator("svg.interval circle").count()).toBeGreaterThan(0);
    expect(await findBarriers()).toEqual([]);
  });

  test("items that became right or wrong are narrowed down, and their texts stay texts", async () => {
    await open("#/compare", "Compare");
    for (const [label, name] of [
      ["Before", /^tags-before:/],
      ["After", /^tags-after:/],
    ] as const) {
      const select = page.getByLabel(label, { exact: true });
      await select.selectOption({ label: (await select.getByRole("option", { name }).textContent())! });
    }
    const items = page.locator("article.changed");
    await items.nth(1).waitFor();
    expect(await items.allTextContents()).toEqual([
      expect.stringContaining(`Which tag is 0? ${html}`),
      expect.stringContaining(`answer ${html} of tags-after`),
    ]);
    await page.getByLabel("Change").selectOption("Broken");
    expect(await items.allTextContents()).toEqual([expect.stringContaining("<b>1</b>")]);
    expect(await findBarriers()).toEqual([]);
  });

  test("a report is framed without its scripts, and anew when it has changed", async () => {
    writeReport("Nothing yet.");
    await open("#/reports", "Reports");
    await page.getByRole("link", { name: "<b>Seeds" }).click();
    const frame = page.frameLocator("iframe");
    await frame.getByText("Nothing yet.").waitFor();
    writeReport("All is known.");
    await frame.getByText("All is known.").waitFor();
    expect(await findBarriers()).toEqual([]);
  });

  test("base and adapter answer side by side, token by token, with probabilities by pointer and keyboard", async () => {
    await open("#/talk", "Talk");
    await page.getByRole("checkbox", { name: runName }).check();
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByText("How answers are written").click();
    await page.getByLabel("Tokens, at most").fill("12");
    const prompt = page.getByLabel("Prompt for all models");
    await prompt.fill("Tag?");
    await prompt.press("Enter");
    const lanes = page.locator(".lane");
    const answers = page.locator(".answer");
    await page.getByText("All answers are there.").waitFor({ state: "attached" });
    expect(await answers.count()).toBe(2);

    await answers.nth(1).locator("span:not(.hidden)").nth(1).hover();
    const likely = lanes.nth(1).locator(".likely li");
    await likely.nth(4).waitFor();
    expect(await likely.first().textContent()).toMatch(/\d %$/);
    const slider = lanes.nth(0).getByRole("slider");
    await slider.focus();
    const first = await slider.getAttribute("aria-valuetext");
    await slider.press("ArrowRight");
    expect(await slider.getAttribute("aria-valuetext")).toMatch(/, .* %; instead .* %/);
    expect(await slider.getAttribute("aria-valuetext")).not.toBe(first);

    await prompt.fill(`Again? ${html}`);
    await prompt.press("Enter");
    await page
      .getByText(/\d+ tokens, (ended|cut off)/)
      .nth(3)
      .waitFor();
    await page.getByText("The same by a program").click();
    expect(await page.getByText("curl http").textContent()).toContain('"role": "assistant"');
    expect(await findBarriers()).toEqual([]);
  });

  test("HTML of a model stays text, and an answer that does not end is stopped", async () => {
    const chunk = {
      choices: [{ delta: { content: `Answer ${html}` }, logprobs: null, finish_reason: "stop" }],
    };
    let body: string | undefined = `data: ${JSON.stringify(chunk)}\n\n`;
    await page.route(
      "**/chat/completions",
      (route) => body && route.fulfill({ contentType: "text/event-stream", body }),
    );
    const prompt = page.getByLabel("Prompt for all models");
    await prompt.fill("Tag?");
    await prompt.press("Enter");
    await page.getByText(`Answer ${html}`).nth(1).waitFor();
    body = undefined;
    await prompt.fill("Tell me a story.");
    await prompt.press("Enter");
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText("Stopped.").waitFor({ state: "attached" });
  });

  test("an adapter is exported by the command that the page shows", async () => {
    await open("#/runs", "Runs");
    await page.getByRole("link", { name: runName }).first().click();
    await page.getByRole("heading", { name: "Hand on" }).waitFor();
    await page.getByLabel("Format").selectOption("Adapter as a GGUF file");
    await page.getByLabel("Name").fill("adapter");
    await page.getByText(/slimtune export .* --format gguf-lora --out/).waitFor();
    await page.getByRole("button", { name: "Write" }).click();
    await page
      .locator("form")
      .getByText(/Wrote .*adapter\.gguf/)
      .waitFor();
    expect(existsSync(join(scratch, "exports/adapter.gguf"))).toBe(true);
    expect(await findBarriers()).toEqual([]);
  });

  test("no script of a text has run, and nothing was refused by the page's policy", async () => {
    expect(await page.title()).not.toBe("run");
    expect(await page.locator("main img").count()).toBe(0);
    const unexpected = complaints.filter((text) => !/frame is sandboxed/.test(text));
    expect(unexpected).toEqual([]);
    expect(complaints.length).toBeGreaterThan(0);
  });
});

const whyNot = "it needs chromium, and takes its time: SLIMTUNE_WEBGPU=1 has it run, as .ci/run does";
test.skipIf(required && chromium !== undefined)(`what a person looks at: ${whyNot}`, ({ skip }) =>
  skip(whyNot),
);
