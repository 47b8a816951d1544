/** @file Pictures of all pages, on a screen and on a phone. SLIMTUNE_PICTURES=1 writes them into docs/images. */

import { copyFileSync, cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { EvaluationSummary, Job, JobRequest } from "../studio/api.ts";
import { chromium, openBrowser, type RunningStudio, runCommand, startStudio } from "./studio.fixture.ts";
import { hostFiles } from "./tab/static-host.fixture.ts";

const pictures = process.env.SLIMTUNE_PICTURES ? resolve("docs/images") : undefined;
const devices: Readonly<Record<string, BrowserContextOptions & { viewport: { width: number } }>> = {
  screen: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
};

const home = realpathSync(mkdtempSync(join(tmpdir(), "slimtune-pictures-")));
const folder = join(home, "runs");
const data = join(folder, "computing.jsonl");
const questions = [
  "The list a is [red, white, green]. What is a[2]?",
  "Here is a program:\ny = 6\ny = y + 3\nWhat is y now?",
];
const examples = `prompt,completion
When do you open?,We open at nine.
When do you close?,We close at six.
Where are you?,We are at the market.
Who are you?,We are the bakery.`;

let studio: RunningStudio;
let host: Awaited<ReturnType<typeof hostFiles>>;
let browser: Browser;
let page: Page;
/** Of the runs, by their names. */
const ids = new Map<string, string>();

const ask = <T>(path: string, body?: unknown) =>
  page.evaluate<T, [string, unknown]>(
    async ([path, body]) => {
      const headers = { "content-type": "application/json" };
      const options = body ? { method: "POST", headers, body: JSON.stringify(body) } : {};
      const response = await fetch(`api/${path}`, options);
      if (!response.ok) throw new Error(await response.text());
      return response.json();
    },
    [path, body],
  );

async function addJob(request: JobRequest): Promise<Job> {
  const job = await ask<Job>("jobs", request);
  if (request.kind === "tune") ids.set(request.name, job.run!);
  return job;
}

/** Adds jobs, and waits until they are done. */
async function runJobs(...requests: readonly JobRequest[]): Promise<void> {
  for (const request of requests) await addJob(request);
  const check = async () => {
    const states = (await ask<Job[]>("jobs")).map(({ state }) => state);
    expect(new Set(states)).toEqual(new Set(["done"]));
  };
  await vi.waitFor(check, { timeout: 1_000_000, interval: 1000 });
}

const tuning = (name: string, options: object): JobRequest => ({
  kind: "tune",
  name,
  options: { model: resolve("fixtures/embedded-model"), data, eval_steps: 20, ...options },
});

async function open(view: string): Promise<void> {
  await page.goto(`${studio.origin}/#/${view}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
}

const moveToTop = (element: Locator) =>
  element.evaluate((element) => {
    element.scrollIntoView();
    scrollBy(0, -12);
  });

/** Brings each page to what its picture shows. */
const views: Readonly<Record<string, () => Promise<void>>> = {
  async start() {
    await open("start");
    await page.getByLabel("File or Hub id").fill(data);
    await page.getByLabel("File or Hub id").blur();
    await page.getByText("Trained parameters").waitFor();
    await page.getByText(/slimtune tune .*computing/).waitFor();
    await moveToTop(page.getByRole("heading", { name: "What the model will see" }));
  },
  async run() {
    await open(`run/${ids.get("computing-r4")}`);
    await page.locator("h1 + p .state.running").waitFor();
    await page.getByRole("img", { name: /^Loss.* at step \d{3}\D/ }).waitFor();
  },
  async runs() {
    const chosen = ["computing-lora", "computing-qlora", "computing-r4"].map((name) => ids.get(name));
    await open(`runs?choose=${chosen}`);
    await page.getByRole("img", { name: /^Loss.*computing-lora.*computing-r4/ }).waitFor();
  },
  async jobs() {
    await open("jobs");
    for (const state of ["running", "waiting", "done"])
      await page.locator(`.job .state.${state}`).first().waitFor();
    await page.getByText("What it has written last").first().click();
    await page.evaluate(() => scrollTo(0, 0));
  },
  async compare() {
    await open("compare");
    const evaluations = await ask<EvaluationSummary[]>("evaluations");
    const [before, after] = ["base", "tuned"].map(
      (name) => evaluations.find((one) => basename(one.name) === name)!.id,
    );
    await open(`compare?before=${before}&after=${after}`);
    await page
      .getByText(/95 % interval .* items/)
      .first()
      .waitFor();
  },
  async reports() {
    await open("reports");
    await page.getByRole("link", { name: "What tuning does" }).click();
    await page.frameLocator("iframe").getByRole("heading", { level: 1 }).waitFor();
  },
  async talk() {
    await open("talk");
    await page.getByRole("checkbox", { name: "computing-lora" }).check();
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByLabel("Prompt for all models").fill(questions[0]!);
    await page.getByRole("button", { name: "Ask" }).click();
    await page.getByText("All answers are there.").waitFor({ state: "attached" });
    for (const slider of await page.getByRole("slider").all()) {
      await slider.press("End");
      await slider.press("ArrowLeft");
    }
    const [, lane] = await page.locator(".lane").all();
    await lane!.evaluate((element) => element.scrollIntoView({ block: "center" }));
  },
  async "hand-on"() {
    await open(`run/${ids.get("computing-lora")}`);
    await page.getByLabel("Repository").fill("you/computing-lora");
    await page.getByLabel("Repository").blur();
    for (const command of ["export", "push"])
      await page.locator("pre", { hasText: `slimtune ${command}` }).waitFor();
    await moveToTop(page.getByRole("heading", { name: "Hand on" }));
  },
  async tab() {
    await page.goto(host.address);
    await page.locator("#pasted").fill(examples);
    await page.locator("#num_train_epochs").fill("20");
    await page.locator("#batch_size").fill("4");
    await page.locator("#learning_rate").fill("0.005");
    await page.getByRole("button", { name: "Tune", exact: true }).click();
    await page.getByRole("link", { name: "adapter_config.json" }).waitFor();
    const write = page.getByRole("button", { name: "Write", exact: true });
    await write.click();
    await expect.poll(() => page.locator("#tuned").textContent(), { timeout: 60_000 }).toMatch(/\.$/);
    await moveToTop(page.locator("figure.chart"));
  },
};

/** Shows folders of this machine as those of a reader's. */
const renameFolders = () =>
  page.evaluate(
    ([home, root]) => {
      const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      for (let text = texts.nextNode(); text; text = texts.nextNode())
        text.nodeValue = text
          .nodeValue!.replaceAll(home, "/home/you")
          .replaceAll(root, "/home/you/node_modules/slimtune");
    },
    [home, resolve(".")] as const,
  );

describe.runIf(chromium !== undefined)("pictures", () => {
  beforeAll(async () => {
    mkdirSync(folder);
    copyFileSync("fixtures/miniature/computing-train.jsonl", data);
    for (const report of ["seeds", "reasoning", "federated", "causal"])
      cpSync(`docs/results/miniature-${report}`, join(folder, report), { recursive: true });
    await runCommand("studio", "--static", join(home, "page"));
    host = await hostFiles(join(home, "page"));
    studio = await startStudio(folder);
    browser = await openBrowser();
    page = await browser.newPage();
    await page.goto(studio.address);
    const options = { max_steps: 200, learning_rate: 0.002, sample_prompts: questions };
    await runJobs(
      tuning("computing-lora", options),
      tuning("computing-qlora", { ...options, method: "qlora" }),
    );
    const run = ids.get("computing-lora")!;
    const evaluation = { kind: "evaluate", tasks: ["miniature_computing"], limit: 200 } as const;
    await runJobs(
      { ...evaluation, name: "base", model: resolve("fixtures/embedded-model") },
      { ...evaluation, name: "tuned", run },
      { kind: "export", name: "computing", run, format: "gguf", type: "q8_0" },
    );
    await addJob(tuning("computing-r4", { ...options, max_steps: 3000, lora: { r: 4 } }));
    await addJob(tuning("computing-dora", { max_steps: 200, method: "dora" }));
    await page.close();
  }, 2_000_000);
  afterAll(async () => {
    await browser?.close();
    await studio?.end("SIGINT");
    host?.close();
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  }, 60_000);

  describe.each(Object.keys(devices))("on a %s", (device) => {
    const { viewport } = devices[device]!;
    beforeAll(async () => {
      page = await browser.newPage(devices[device]);
      page.setDefaultTimeout(120_000);
      await page.goto(studio.address);
    });
    afterAll(() => page.close());

    test.each(Object.keys(views))("%s", async (name) => {
      await views[name]!();
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(viewport.width);
      await renameFolders();
      if (pictures === undefined) return;
      const suffix = device === "screen" ? "" : `-${device}`;
      await page.screenshot({ path: join(pictures, `studio-${name}${suffix}.png`) });
    });
  });
});
