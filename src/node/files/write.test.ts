import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { InputError } from "../../core/errors.ts";
import { openAppendLog } from "./append-log.ts";
import { createClaim, isHeld, releaseClaim } from "./claim.ts";
import { fillDisk } from "./disk.fixture.ts";
import { isTemporary, sweepTemporaries } from "./temporary.ts";
import { copyFile, remove, writeAside, writeFolderWhole, writeInParts, writeWhole } from "./write.ts";

const folder = mkdtempSync(join(tmpdir(), "slimtune-files-"));
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  rmSync(folder, { recursive: true });
  mkdirSync(folder);
});

const path = join(folder, "result.json");
const outside = join(folder, "elsewhere");

async function* partsOf(text: string) {
  yield Buffer.from(text);
}

const ways: Readonly<Record<string, (path: string) => unknown>> = {
  writeWhole: (path) => writeWhole(path, "new"),
  writeInParts: (path) => writeInParts(path, partsOf("new")),
  copyFile: (path) => {
    writeFileSync(outside, "new");
    copyFile(outside, path);
    rmSync(outside);
  },
  writeAside: (path) => writeAside(path, async (temporary) => writeFileSync(temporary, "new")),
};

describe.each(Object.entries(ways))("%s", (_name, write) => {
  test("replaces a file and leaves what others named so that it might be temporary", async () => {
    writeFileSync(path, "old");
    mkdirSync(`${path}.tmp`);
    writeFileSync(join(`${path}.tmp`, "precious"), "");
    await write(path);
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(readdirSync(folder, { recursive: true })).toEqual([
      "result.json",
      "result.json.tmp",
      "result.json.tmp/precious",
    ]);
  });
});

test.each(["writeWhole", "writeInParts"])("%s leaves the old file on a full disk", async (name) => {
  writeFileSync(path, "old");
  const makeRoom = fillDisk();
  const failure = (async () => ways[name]!(path))();
  await expect(failure).rejects.toThrow(
    new InputError(
      `The disk is full, so ${path} cannot be written; free some space and run the command again.`,
    ),
  );
  makeRoom();
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(readdirSync(folder)).toEqual(["result.json"]);
});

test("files are not written through links that stand in their place", () => {
  writeFileSync(outside, "precious");
  symlinkSync(outside, path);
  writeWhole(path, "new");
  expect(readFileSync(outside, "utf8")).toBe("precious");
  symlinkSync(outside, join(folder, "log"));
  expect(() => openAppendLog(join(folder, "log"))).toThrow("is a symbolic link");
  expect(readFileSync(outside, "utf8")).toBe("precious");
});

test("a folder is there as a whole or not at all", async () => {
  const target = join(folder, "a", "model");
  await expect(
    writeFolderWhole(target, async (temporary) => {
      writeFileSync(join(temporary, "config.json"), "{}");
      expect(existsSync(target)).toBe(false);
      throw new Error("no weights");
    }),
  ).rejects.toThrow("no weights");
  expect(readdirSync(join(folder, "a"))).toEqual([]);
  mkdirSync(target);
  await writeFolderWhole(`${target}/`, async (temporary) =>
    writeFileSync(join(temporary, "config.json"), "1"),
  );
  writeFileSync(join(target, "notes"), "");
  await writeFolderWhole(target, async (temporary) => writeFileSync(join(temporary, "config.json"), "2"));
  expect(readFileSync(join(target, "config.json"), "utf8")).toBe("2");
  expect(readdirSync(folder, { recursive: true })).toEqual([
    "a",
    "a/model",
    "a/model/config.json",
    "a/model/notes",
  ]);
});

test("a folder that the user named by a link is written where that leads", async () => {
  mkdirSync(outside);
  symlinkSync(outside, join(folder, "link"));
  await writeFolderWhole(join(folder, "link"), async (temporary) =>
    writeFileSync(join(temporary, "config.json"), ""),
  );
  expect(readdirSync(outside)).toEqual(["config.json"]);
});

test("remove takes files, folders and links, and what is not there", () => {
  mkdirSync(outside);
  writeFileSync(join(outside, "precious"), "");
  symlinkSync(outside, path);
  remove(path);
  remove(path);
  expect(readdirSync(folder, { recursive: true })).toEqual(["elsewhere", "elsewhere/precious"]);
  remove(outside);
  expect(readdirSync(folder)).toEqual([]);
});

test("temporary files are swept once their process has ended", async () => {
  const parts = createClaim().split("-");
  const [machine, boot, id, start, instance] = parts as [string, string, string, string, string];
  const claims = {
    "of this process, and held": parts.join("-"),
    "of another thread of this process": [machine, boot, id, start, "00000000", "0"].join("-"),
    "of a process that has ended": [machine, boot, "4194305", start, "00000000", "0"].join("-"),
    "of another process, whose number was given to this one": [machine, boot, id, "1", "00000000", "0"].join(
      "-",
    ),
    "of before the machine was started": [machine, "00000000", id, start, instance, "0"].join("-"),
    "of another machine": ["00000000", boot, id, start, instance, "0"].join("-"),
    "of another machine, a day old": ["00000000", boot, id, start, instance, "1"].join("-"),
  };
  const name = (claim: string) => `.slimtune-${claim}.weights.bin`;
  for (const claim of Object.values(claims)) writeFileSync(join(folder, name(claim)), "");
  const yesterday = Date.now() / 1000 - 25 * 3600;
  utimesSync(join(folder, name(claims["of another machine, a day old"])), yesterday, yesterday);
  writeFileSync(join(folder, ".slimtune-notes.txt"), "");
  sweepTemporaries(folder);
  const left = readdirSync(folder);
  expect(Object.keys(claims).filter((of) => left.includes(name(claims[of as keyof typeof claims])))).toEqual(
    ["of this process, and held", "of another thread of this process", "of another machine"].concat(
      // Where the system does not tell when a process was started, its number is all there is.
      start === "0" ? ["of another process, whose number was given to this one"] : [],
    ),
  );
  expect(left).toContain(".slimtune-notes.txt");
  expect(isHeld(parts.join("-"))).toBe(true);
  releaseClaim(parts.join("-"));
  expect(isHeld(parts.join("-"))).toBe(false);

  writeFileSync(join(folder, name(claims["of a process that has ended"])), "");
  await writeInParts(join(folder, "weights.bin"), partsOf("w"));
  expect(readdirSync(folder).filter(isTemporary)).toHaveLength(start === "0" ? 3 : 2);
});
