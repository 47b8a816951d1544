import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { resumeStudy, type StudyPlan } from "./run-study.ts";
import { readStudy } from "./study-report.ts";

// Computed by version 0.1.0 before there were kinds of studies, without the models' weights.
const former = "fixtures/studies/former";
const scratch = mkdtempSync(join(tmpdir(), "slimtune-former-"));
afterAll(() => rmSync(scratch, { recursive: true }));

test("a study that a former version computed is resumed: nothing is computed again, and the same is found", async () => {
  const folder = join(scratch, "study");
  cpSync(former, folder, { recursive: true });
  let plan: StudyPlan | undefined;
  const { outcome, results } = await resumeStudy(folder, {
    onPlan(given) {
      plan = given;
    },
  });
  expect(outcome).toBe("finished");
  expect(plan).toMatchObject({ cells: ["lora-math", "qlora-math"], parts: 10, done: 10 });
  // It goes on by another path, and on another machine, which a note says.
  const known = readStudy(former);
  const notes = results!.notes.filter((text) => !text.includes("another machine"));
  expect({ ...results, notes }).toEqual({ ...known, command: `slimtune study resume ${folder}` });
  const lasting = (path: string) =>
    readFileSync(join(path, "report.md"), "utf8")
      .replaceAll(path, "<folder>")
      .replace(/^- Parts were computed on another machine.*\n/m, "");
  expect(lasting(folder)).toBe(lasting(former));
});
