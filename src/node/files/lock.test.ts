import { spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { InputError } from "../../core/errors.ts";
import { createClaim } from "./claim.ts";
import { withLock } from "./lock.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-lock-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const newFolder = () => mkdtempSync(join(scratch, "run-"));
const lockOf = (folder: string) => join(folder, "lock");

test("a folder is locked while something is done in it, and free afterwards, also if that fails", async () => {
  const folder = newFolder();
  const held = withLock(folder, "run", async () => {
    await expect(withLock(folder, "run", async () => {})).rejects.toThrow(
      new InputError(
        `The run in ${folder} is being computed by process ${process.pid}; wait for it or stop it.`,
      ),
    );
    throw new Error("failed");
  });
  await expect(held).rejects.toThrow("failed");
  expect(readdirSync(folder)).toEqual([]);
  expect(await withLock(folder, "run", async () => readdirSync(folder))).toEqual(["lock"]);
});

const [machine, boot, , start] = createClaim().split("-");
const ended: Readonly<Record<string, string>> = {
  "of a process that has ended": [machine, boot, "4194305", start, "00000000", "0"].join("-"),
  "of a process whose number another has": [machine, boot, "1", "5", "00000000", "0"].join("-"),
  "of before the machine was started": [machine, "00000000", "1", start, "00000000", "0"].join("-"),
  "of a former version": "4194305",
  empty: "",
  damaged: "not a lock",
};

test.each(Object.entries(ended))(
  "a lock that is %s is replaced, and what was left is removed",
  async (_, holder) => {
    const folder = newFolder();
    writeFileSync(lockOf(folder), holder);
    writeFileSync(join(folder, "lock.0123456789abcdef"), "");
    mkdirSync(join(folder, "checkpoint", `.slimtune-${ended["of a process that has ended"]}.step-00000001`), {
      recursive: true,
    });
    await withLock(folder, "run", async () => {
      expect(readdirSync(folder, { recursive: true })).toEqual(["checkpoint", "lock"]);
      expect(readFileSync(lockOf(folder), "utf8")).not.toBe(holder);
    });
  },
);

test("locks of the folders in it are removed too, unless they are held", async () => {
  const folder = newFolder();
  const held = createClaim();
  for (const [name, holder] of Object.entries({ held, left: ended["of a process that has ended"]! })) {
    mkdirSync(join(folder, "runs", name), { recursive: true });
    writeFileSync(join(folder, "runs", name, "lock"), holder);
  }
  await withLock(folder, "study", async () => {});
  expect(readdirSync(join(folder, "runs"), { recursive: true })).toEqual(["held", "left", "held/lock"]);
});

test("a lock of another machine is only removed by the user", async () => {
  const folder = newFolder();
  writeFileSync(lockOf(folder), ["00000000", boot, "1", start, "00000000", "0"].join("-"));
  await expect(withLock(folder, "study", async () => {})).rejects.toThrow(
    `The study in ${folder} was begun on another machine or in another container; wait for it there or, if it has ended, remove ${lockOf(folder)}.`,
  );
});

test("a folder in which a link stands is refused", async () => {
  const folder = newFolder();
  const outside = join(scratch, "precious");
  writeFileSync(outside, "precious");
  symlinkSync(outside, lockOf(folder));
  await expect(withLock(folder, "run", async () => {})).rejects.toThrow(
    `${lockOf(folder)} is a symbolic link, through which something else would be written or read`,
  );
  expect(readFileSync(outside, "utf8")).toBe("precious");
});

const contender = `
import { existsSync } from "node:fs";
const { withLock } = await import(process.argv[1]);
const [folder, go] = process.argv.slice(2);
process.stdout.write("ready ");
while (!existsSync(go)) {}
try {
  await withLock(folder, "run", () => {
    process.stdout.write("holds");
    // Until the others have tried.
    return new Promise((resolve) => process.stdin.on("end", resolve).resume());
  });
} catch (error) {
  process.stdout.write(error.name);
}
`;

// The built module (npm test builds it first), in processes of their own.
test("of processes that contend for a lock, abandoned or not there, exactly one has it", async () => {
  const rounds = ["", "4194305", ended["of a process that has ended"]!, undefined];
  for (const [round, holder] of rounds.entries()) {
    const folder = newFolder();
    if (holder !== undefined) writeFileSync(lockOf(folder), holder);
    const go = join(scratch, `go-${round}`);
    const module = pathToFileURL(resolve("dist/node/files/lock.js")).href;
    const children = Array.from({ length: 6 }, () =>
      spawn(process.execPath, ["--input-type=module", "-e", contender, module, folder, go], {
        stdio: ["pipe", "pipe", "inherit"],
      }),
    );
    const said = children.map(() => "");
    const told = (pattern: RegExp) =>
      new Promise<void>((resolve) => {
        const check = () => said.every((text) => pattern.test(text)) && resolve();
        children.forEach((child, i) => {
          child.stdout.removeAllListeners("data").on("data", (chunk) => {
            said[i] += chunk;
            check();
          });
        });
        check();
      });
    await told(/^ready /);
    writeFileSync(go, "");
    await told(/holds|InputError/);
    for (const child of children) child.stdin.end();
    expect(said.filter((text) => text === "ready holds")).toHaveLength(1);
  }
});
