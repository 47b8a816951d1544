/** @file For tests: every state of the disk in which a command can be stopped, and what the advised command makes of it. */

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { watchDisk } from "../files/disk.fixture.ts";
import { isLock } from "../files/folder.ts";
import { isTemporary } from "../files/temporary.ts";
import { clearErr, err } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

/** The files below a folder by their paths in it; null for a folder. */
type Tree = ReadonlyMap<string, Buffer | null>;

export interface Stop {
  /** The change before which, or in the middle of which, the process was stopped. */
  readonly at: string;
  readonly tree: Tree;
}

export interface Command {
  readonly words: readonly string[];
  /** Below which everything is written. */
  readonly root: string;
  /** What it computes, which must not depend on stops. */
  result(): unknown;
}

async function run(words: readonly string[]): Promise<number> {
  clearErr();
  return main(["node", "slimtune", ...words]);
}

/** Runs a command. @returns every different state in which it left the disk, and what it computed */
export async function recordStops({
  words,
  root,
  result,
}: Command): Promise<{ stops: Stop[]; whole: unknown }> {
  const stops = new Map<string, Stop>();
  const keep = (at: string, tree: Tree) => {
    const key = identify(tree);
    if (!stops.has(key)) stops.set(key, { at, tree });
  };
  const stop = watchDisk(({ name, path, bytes }) => {
    if (!path.startsWith(root)) return;
    const at = `${name} ${path.slice(root.length + 1)}`;
    const tree = readTree(root);
    keep(`before ${at}`, tree);
    const half = new Map(tree);
    const place = path.slice(root.length + 1);
    if (bytes) {
      half.set(
        place,
        Buffer.concat([tree.get(place) ?? Buffer.alloc(0), bytes.subarray(0, bytes.length >> 1)]),
      );
    } else if (name === "rmSync") {
      const within = [...tree.keys()].filter((file) => file.startsWith(`${place}/`)).reverse();
      for (const file of within.slice(0, Math.ceil(within.length / 2))) half.delete(file);
    }
    keep(`in the middle of ${at}`, half);
  });
  try {
    expect(await run(words), err).toBe(0);
  } finally {
    stop();
  }
  keep("after the last change", readTree(root));
  return { stops: [...stops.values()], whole: result() };
}

/** Goes on from a state as the command's messages advise. @returns what was computed then */
export async function goOn({ words, root, result }: Command, { tree }: Stop): Promise<unknown> {
  writeTree(root, tree);
  if ((await run(words)) !== 0) {
    const advised = /`slimtune ([^`]+)`/.exec(err)?.[1];
    // Otherwise the result must be there already.
    if (advised === undefined) expect(err).toMatch(/is not empty; choose another|exists; choose another/);
    else expect(await run(advised.split(" ")), err).toBe(0);
  }
  const left = [...readTree(root).keys()].filter((path) =>
    path.split("/").some((name) => isTemporary(name) || isLock(name)),
  );
  expect(left).toEqual([]);
  return result();
}

function readTree(root: string): Tree {
  const tree = new Map<string, Buffer | null>();
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    tree.set(path.slice(root.length + 1), entry.isFile() ? readFileSync(path) : null);
  }
  return new Map([...tree].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function writeTree(root: string, tree: Tree): void {
  rmSync(root, { recursive: true });
  mkdirSync(root);
  for (const [path, content] of tree) {
    if (content === null) mkdirSync(join(root, path), { recursive: true });
    else {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    }
  }
}

/** The same for trees that differ in the names of temporary files only. */
function identify(tree: Tree): string {
  const hash = createHash("sha256");
  const plain = (text: string) => text.replaceAll(/[\da-f]{8}-[\da-f]{8}-\d+-\d+-[\da-f]{8}-\d+/g, "claim");
  for (const [path, content] of tree) {
    hash.update(`${plain(path)}\0`);
    if (content) hash.update(content.length < 100 ? plain(content.toString()) : content);
  }
  return hash.digest("hex");
}
