import { copyFileSync, mkdtempSync, realpathSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import {
  type RoundDocument,
  type RoundOptions,
  writeMember,
  writeRound,
  writeRun,
} from "../../federation/rounds/documents.ts";
import { makeFolder, remove } from "../../node/files/write.ts";
import { paragraph } from "../../reporting/sections.ts";
import { writeReport } from "../../reporting/write-report.ts";
import { search } from "../../search/search.ts";
import { showTree } from "../../search/show-tree.ts";
import { openLocalTransport } from "../../transport/local-transport.ts";
import { memberSpace } from "../../transport/transport.ts";
import type { ReportSummary, ShownTrees } from "../api.ts";
import { openBuiltStudio } from "./built-studio.fixture.ts";

const scratch = realpathSync(mkdtempSync(join(tmpdir(), "slimtune-reports-")));
const studio = await openBuiltStudio([scratch]);
afterAll(async () => {
  await studio.close();
  remove(scratch);
});

const place = (name: string) => {
  makeFolder(join(scratch, name));
  return join(scratch, name);
};
const find = async (path: string) =>
  (await studio.get<ReportSummary[]>("/reports")).find((report) => report.path === path)!;
const openPage = async (path: string) => {
  const response = await studio.ask(`/reports/${(await find(path)).id}/page`);
  return {
    status: response.status,
    policy: response.headers.get("content-security-policy"),
    text: await response.text(),
  };
};

test("a written report is listed by its title and kind, and its page is framed without scripts", async () => {
  const path = place("judged");
  const title = `<script>alert("1")</script> & more`;
  const blocks = [paragraph("Body")];
  writeReport(path, { title, about: "", answer: [], sections: [{ id: "one", title: "One", blocks }] });
  writeFileSync(join(path, "judgements.json"), "[]");
  expect(await find(path)).toMatchObject({ title, kind: "judgements", isFinished: true });
  const { status, policy, text } = await openPage(path);
  expect([status, text.includes("<p>Body</p>"), text.includes("<script>")]).toEqual([200, true, false]);
  expect(policy).toMatch(/^sandbox; default-src 'none'; /);
  expect(policy).not.toContain("script");
  expect(policy).toContain("frame-ancestors 'self'");
});

test("a study is known by its files, and one that has not begun says why there is no page yet", async () => {
  const [finished, begun] = [place("study"), place("begun")];
  for (const name of ["study.yaml", "study.json", "report.html"])
    copyFileSync(join("docs/results/miniature-seeds", name), join(finished, name));
  copyFileSync("docs/results/miniature-seeds/study.yaml", join(begun, "study.yaml"));
  expect(await find(finished)).toMatchObject({
    kind: "study",
    title: expect.stringContaining("What tuning does"),
    isFinished: true,
  });
  expect(await find(begun)).toMatchObject({ kind: "study", title: "begun, under way", isFinished: false });
  const { status, text } = await openPage(begun);
  expect([status, text]).toEqual([400, expect.stringContaining("<p>There is no page yet: ")]);
});

test("a search's trees are shown as `slimtune show` does", async () => {
  const { trees } = await search({
    expand: async (path) => [{ text: path.length === 0 ? "3 + 4 = 7" : "#### 7", tokens: 5 }],
    score: async () => ({ reward: 0.9, tokens: 5 }),
    isAnswer: (path) => path.at(-1)!.startsWith("####"),
  });
  const path = place("search");
  writeFileSync(join(path, "report.html"), '<title>Trees</title><section id="trees-math">');
  const solved = {
    task: "math",
    id: "3",
    question: "3 + 4?",
    gold: "7",
    strategy: "tot:1",
    answer: "7",
    isRight: true,
    computedTokens: 20,
    trees,
  };
  writeFileSync(join(path, "solutions.jsonl"), JSON.stringify(solved));
  const { id, kind } = await find(path);
  expect(kind).toBe("search");
  const [shown] = await studio.get<ShownTrees[]>(`/reports/${id}/trees?problem=3`);
  expect(shown).toMatchObject({ task: "math", id: "3", strategy: "tot:1" });
  expect(shown!.text).toContain(showTree(trees[0]!));
  await expect(studio.get(`/reports/${id}/trees`)).rejects.toThrow("holds no trees of 0");
});

test("a federation whose clients meet in a folder is shown as it is", async () => {
  const path = place("meeting");
  const transport = openLocalTransport(path);
  const [run, client] = ["clinic", "north"] as const;
  for (const space of [run, memberSpace(run, client)]) await transport.createSpace(space);
  const begins = "0".repeat(64);
  const rounds: RoundOptions = {
    ...{ run, clients: [client, "south"], rounds: 5, client_share: 1, sampling: "fixed", quorum: 1 },
    ...{ join_seconds: 60, deadline_seconds: 60, seed: 42 },
  };
  await writeRun(transport, { version: 1, state: "running", round: 2, rounds, task: {}, begins }, 0);
  const open: RoundDocument = {
    round: 2,
    attempt: 1,
    state: "open",
    begins,
    drawn: [client],
    participants: [],
    deadline: 0,
    contributions: [],
    dropped: [],
    figures: {},
  };
  await writeRound(transport, run, open, 0);
  await writeMember(
    transport,
    run,
    { client, round: 2, attempt: 1, examples: 12, figures: {}, hasLeft: false },
    0,
  );
  const documents = join(path, "spaces", run, "documents");
  expect(await find(documents)).toMatchObject({
    title: "Federation clinic",
    kind: "federation",
    isFinished: false,
  });
  const { text } = await openPage(documents);
  for (const part of ["round 2 of 5", "asks north", "at work on round 2", ">12<"])
    expect(text).toContain(part);
});

test("reports that there are not are refused in a sentence", async () => {
  const response = await studio.ask("/reports/..%2f..%2fetc/page");
  expect(response.status).toBe(404);
  expect(await response.json()).toEqual({ error: expect.stringContaining("There is no report") });
});
