import { existsSync, mkdtempSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { remove } from "../node/files/write.ts";
import type {
  Comparison,
  Curves,
  Estimate,
  EvaluationSummary,
  Job,
  JobRequest,
  Preview,
  RunDetail,
  RunSummary,
  StudioInfo,
  Talk,
  Upload,
} from "./api.ts";
import { openBuiltStudio } from "./content/built-studio.fixture.ts";

// Jobs are of the built command (npm test builds it first).
const scratch = realpathSync(mkdtempSync(join(tmpdir(), "slimtune-path-")));
const studio = await openBuiltStudio([scratch]);
afterAll(async () => {
  await studio.close();
  remove(scratch);
});

async function finish(request: JobRequest): Promise<Job> {
  const { id } = await studio.get<Job>("/jobs", request);
  for (;;) {
    const job = (await studio.get<Job[]>("/jobs")).find((one) => one.id === id)!;
    if (job.state === "done") return job;
    if (job.state !== "waiting" && job.state !== "running") throw new Error(job.output.join("\n"));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("from a CSV file to a model that is handed on", async () => {
  const { embeddedModel: model } = await studio.get<StudioInfo>("/studio");
  const rows = Array.from({ length: 24 }, (_, i) => `How much is ${i} and 1?,It is ${i + 1}.`);
  const uploaded = await studio.ask("/uploads?name=sums.csv", ["question,answer", ...rows].join("\n"));
  const { path: data } = (await uploaded.json()) as Upload;

  const options = { model, data, fields: { prompt: "question", completion: "answer" }, max_steps: 10 };
  const preview = await studio.get<Preview>("/preview", options);
  const [first] = preview.examples;
  const trained = first!.texts[0]!.tokens.filter(({ isTrained }) => isTrained).map(({ text }) => text);
  expect(trained.join("")).toMatch(/^ ?It is 1\./);
  const estimate = await studio.get<Estimate>("/estimate", options);
  expect(estimate).toMatchObject({ steps: 10, fits: true });

  const tuned = await finish({ kind: "tune", options: { ...options, validation: 4 }, name: "sums" });
  expect(tuned.command).toContain("--max-steps 10");
  const [run] = await studio.get<RunSummary[]>("/runs");
  expect(run).toMatchObject({ id: tuned.run, name: "sums", state: "finished", step: 10 });
  const { step, loss, evalLoss } = await studio.get<Curves>(`/runs/${run!.id}/curves`);
  expect([step.length, loss.length]).toEqual([10, 10]);
  expect(evalLoss.at(-1)).toBeLessThan(evalLoss[0]!);
  const { result } = await studio.get<RunDetail>(`/runs/${run!.id}`);
  expect(existsSync(join(result!, "adapter_model.safetensors"))).toBe(true);

  const asked = { kind: "evaluate", tasks: ["miniature_commonsense"], limit: 8 } as const;
  await finish({ ...asked, model, name: "base" });
  await finish({ ...asked, run: run!.id, name: "sums" });
  const evaluations = await studio.get<EvaluationSummary[]>("/evaluations");
  const [before, after] = ["base", "sums"].map(
    (name) => evaluations.find((evaluation) => evaluation.name === `evaluations/${name}`)!.id,
  );
  const { scores } = await studio.get<Comparison>(`/comparison?before=${before}&after=${after}`);
  expect(scores[0]).toMatchObject({ task: "miniature_commonsense", items: 8 });

  const open = () => studio.get<Talk>("/talk", { runs: [run!.id] });
  await expect.poll(async () => (await open()).isReady, { timeout: 60_000 }).toBe(true);
  const answers = await Promise.all(
    (await open()).models.map(async ({ id }) => {
      const messages = [{ role: "user", content: "How much is 3 and 1?" }];
      const response = await studio.ask("/talk/v1/chat/completions", {
        model: id,
        messages,
        max_tokens: 8,
        temperature: 0,
      });
      const { choices } = (await response.json()) as { choices: [{ message: { content: string } }] };
      return choices[0].message.content;
    }),
  );
  expect(answers).toEqual([expect.any(String), expect.any(String)]);

  const exported = await finish({ kind: "export", run: run!.id, format: "gguf", name: "sums" });
  expect(exported.command).toContain("slimtune export");
  expect(existsSync(join(scratch, "exports", "sums.gguf"))).toBe(true);
}, 180_000);
