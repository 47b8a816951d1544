import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { generate } from "../../core/decoding/generate.ts";
import { required } from "../../core/runtime/webgpu-device.fixture.ts";
import { loadAdapter } from "../../node/adapters/load-adapter.ts";
import { openModel } from "../../node/models/open-model.ts";
import { openDevice } from "../../node/runtime/onnx-runtime.ts";
import { bundle } from "../../web/bundle.fixture.ts";
import { tune } from "../../web/tune.ts";
import { chromium as executablePath, runCommand } from "../studio.fixture.ts";
import { hostFiles } from "./static-host.fixture.ts";
import { logitsOf } from "./tab.fixture.ts";
import type { Begun, Course } from "./tuning.ts";

const embedded = "fixtures/embedded-model";
const scratch = mkdtempSync(join(tmpdir(), "slimtune-tab-"));
const folder = join(scratch, "page");
/** A machine that does other things too takes its time. */
const patience = { timeout: 200_000 };
describe.skipIf(!required || !executablePath)("the page that tunes in its tab", { timeout: 240_000 }, () => {
  let browser: Browser;
  let page: Page;
  let host: Awaited<ReturnType<typeof hostFiles>>;
  const requested: string[] = [];
  beforeAll(async () => {
    await runCommand("studio", "--static", folder);
    host = await hostFiles(folder);
    browser = await chromium.launch({
      executablePath: executablePath!,
      args: ["--no-sandbox", "--disable-gpu", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"],
    });
    const built = await bundle("src/studio-page/tab/tab.fixture.ts", [/^onnxruntime-web/]);
    const code = built.code.replaceAll(
      '"onnxruntime-web/webgpu"',
      '"/onnxruntime-web/ort.webgpu.bundle.min.js"',
    );
    writeFileSync(join(folder, "tab.fixture.js"), code);
  });
  beforeEach(async () => {
    page = await (await browser.newContext()).newPage();
    page.on("request", (request) => requested.push(request.url()));
    await page.goto(host.address);
  });
  afterEach(() => page.context().close());
  afterAll(async () => {
    await browser?.close();
    host?.close();
    rmSync(scratch, { recursive: true });
  });

  const button = (name: string) => page.getByRole("button", { name, exact: true });
  const paste = (rows: string) => page.fill("#pasted", rows);

  /** What the page has kept. */
  const recall = <T>(name: string) =>
    page.evaluate(
      ([name, database]) =>
        new Promise<T | undefined>((resolve, reject) => {
          const opening = indexedDB.open(database!);
          opening.onerror = reject;
          opening.onsuccess = () => {
            const asked = opening.result.transaction(database!).objectStore(database!).get(name!);
            asked.onsuccess = () => resolve(asked.result);
          };
        }),
      [name, "slimtune-studio-tab"],
    );
  const recallCourse = () => recall<Course>("course");

  const axe = readFileSync("node_modules/axe-core/axe.min.js", "utf8");
  /** What axe finds that is serious. */
  async function findBarriers(): Promise<string[]> {
    await page.evaluate(axe);
    return page.evaluate(async () => {
      const { violations } = await (globalThis as unknown as { axe: typeof import("axe-core") }).axe.run();
      return violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, nodes }) => `${id}: ${nodes[0]!.html}`);
    });
  }

  /** The adapter as the page gives it out, and what it does in Node, where its model is tuned in the same way. */
  async function compareWithNode(writes: boolean): Promise<void> {
    const { rows, options, storage } = (await recall<Begun>("begun"))!;
    const course = (await recallCourse())!;
    const base = await openModel(embedded, { storage });
    const losses: number[] = [];
    const { totalSteps } = course;
    await tune(openDevice("cpu"), base, rows, options, { onStep: ({ loss }) => losses.push(loss) });
    expect(losses).toHaveLength(totalSteps);
    for (const [index, { loss }] of course.steps.entries())
      expect(Math.abs(loss - losses[index]!)).toBeLessThan(1e-4);

    const adapter = mkdtempSync(join(scratch, "adapter-"));
    for (const name of ["adapter_config.json", "adapter_model.safetensors"]) {
      const download = page.waitForEvent("download");
      await page.getByRole("link", { name }).click();
      const given = await download;
      expect(given.suggestedFilename()).toBe(name);
      await given.saveAs(join(adapter, name));
    }
    const loaded = await loadAdapter(base, adapter);
    const inNode = await logitsOf(openDevice("cpu"), loaded);
    const inTab = await page.evaluate<number[]>(`import("/tab.fixture.js").then((tab) => tab.logitsInTab())`);
    expect(inTab).toHaveLength(inNode.length);
    const difference = Math.max(...inTab.map((value, index) => Math.abs(value - inNode[index]!)));
    expect(difference).toBeLessThan(1e-4);
    if (!writes) return;
    await button("Write").click();
    await expect.poll(() => button("Write").isEnabled(), patience).toBe(true);
    const tuned = await page.textContent("#tuned");
    expect(tuned).not.toBe(await page.textContent("#base"));
    expect(tuned).toBe(await generate(openDevice("cpu"), loaded, "When do you open?", { maxNewTokens: 40 }));
  }

  test("a person tunes on WebAssembly, reloads the page in the middle, tries the adapter and takes it along", async () => {
    expect(await findBarriers()).toEqual([]);
    await paste("prompt,completion\nWhen do you open?,At nine.\nWhen do you close?,At six.");
    await page.fill("#num_train_epochs", "4");
    await page.fill("#batch_size", "1");
    await page.fill("#learning_rate", "0.01");
    await button("Tune").click();
    await expect
      .poll(async () => (await recallCourse())?.state?.progress.step ?? 0, patience)
      .toBeGreaterThanOrEqual(2);
    const shown = Number(/^(\d+) of 8$/.exec((await page.textContent(".figures dd"))!)![1]);
    await page.reload();
    const kept = (await recallCourse())!.state!.progress.step;
    expect(kept).toBeGreaterThanOrEqual(shown - 1);
    expect(kept).toBeLessThan(8);

    await page.getByRole("link", { name: "adapter_config.json" }).waitFor(patience);
    const steps = (await recallCourse())!.steps.map(({ step }) => step);
    expect(steps).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    await compareWithNode(true);
    expect(await findBarriers()).toEqual([]);
    await page.setViewportSize({ width: 360, height: 740 });
    await expect.poll(() => page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
  });

  test("it tunes on WebGPU with Node's losses and logits", async () => {
    await page.selectOption("#device", "webgpu");
    await paste('[{"prompt": "When do you open?", "completion": "At nine."}]');
    await page.fill("#num_train_epochs", "2");
    await page.fill("#r", "4");
    await button("Tune").click();
    await page.getByRole("link", { name: "adapter_config.json" }).waitFor(patience);
    await compareWithNode(false);
  });

  test("what cannot be used is answered by a sentence, and chosen anew", async () => {
    const alert = () => page.getByRole("alert").textContent();
    await page.setInputFiles("input[accept]", {
      name: "rows.csv",
      mimeType: "",
      buffer: Buffer.from([0xff, 0xfe, 0]),
    });
    expect(await alert()).toContain("rows.csv is no text in UTF-8; convert the file.");
    await paste("a,b\n1,2");
    await button("Tune").click();
    expect(await alert()).toContain("The examples");
    await page.getByLabel("Files on this device").check();
    await page.setInputFiles("#model-files", {
      name: "model.gguf",
      mimeType: "",
      buffer: Buffer.from("<html>"),
    });
    await paste("prompt,completion\na,b");
    await button("Tune").click();
    await expect.poll(alert, patience).toContain("model.gguf");
    await page.getByLabel("The Hugging Face Hub").check();
    await page.fill("#hub-name", "C:\\models");
    await button("Tune").click();
    await expect.poll(alert, patience).toContain("is no model of the Hub");
  });

  test("it asks no other host for anything, and its worker cannot", async () => {
    await paste("prompt,completion\na,b");
    await button("Write").click();
    await page.waitForFunction(() => document.getElementById("base")!.textContent !== "");
    const [worker] = page.workers();
    const refused = await worker!.evaluate(() =>
      fetch("https://example.org").then(
        () => false,
        () => true,
      ),
    );
    expect(refused).toBe(true);
    expect(requested.length).toBeGreaterThan(0);
    expect(requested.filter((url) => !url.startsWith(host.address) && !url.startsWith("blob:"))).toEqual([]);
  });
});
