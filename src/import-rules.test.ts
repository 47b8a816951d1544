import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

/** The folders in the order of the architecture page's table, with those that each names. */
const named: ReadonlyMap<string, readonly string[]> = new Map(
  [...readFileSync("docs/architecture.md", "utf8").matchAll(/^\| `([\w/-]+)` +\|.*\| ([^|]+?) +\|$/gm)].map(
    ([, folder, names]) => [folder!, [...names!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)],
  ),
);
const folders = [...named.keys()];

/** The folders that a name in the table stands for: "core/*" for all of a wing. */
const expand = (name: string) =>
  name.endsWith("/*") ? folders.filter((folder) => `${folder}/`.startsWith(name.slice(0, -1))) : [name];

/** What the core offers to others, which none of its own files needs. */
const surface = "core/index.ts";

function findAllowed(folder: string): Set<string> {
  if (folder === surface) return new Set(expand("core/*"));
  const allowed = new Set(["core", folder]);
  for (const name of named.get(folder)!.flatMap(expand))
    for (const each of findAllowed(name)) allowed.add(each);
  return allowed;
}

/** The folder of a file as the table names it. */
function folderOf(file: string): string {
  if (file === surface) return file;
  const [first, second, third] = file.split("/");
  return third !== undefined && ["core", "node"].includes(first!) ? `${first}/${second}` : first!;
}

const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter(
  (path) => /\.tsx?$/.test(path) && path.includes("/") && !/\.(test|real|fixture)\.ts$/.test(path),
);

test("a row names rows above it only, and a wing itself and what needs the core alone", () => {
  expect(folders).toHaveLength(new Set(folders).size);
  for (const [index, folder] of folders.entries()) {
    for (const name of named.get(folder)!.flatMap(expand)) {
      expect(folders.slice(0, index), folder).toContain(name);
      const [wing] = folder.split("/");
      if (wing === "core") expect(name).toMatch(/^core/);
      if (wing === "node") expect(name).toMatch(/^(core|node|mathematics$|rewards$)/);
      if (wing === "web") expect(name).toMatch(/^core/);
    }
  }
});

test("every folder has a row, and imports what its row allows", () => {
  expect(files.length).toBeGreaterThan(200);
  const found = new Set(files.filter((file) => file !== surface).map(folderOf));
  expect([...found].filter((folder) => !named.has(folder))).toEqual([]);
  const broken = files.flatMap((file) => {
    const allowed = findAllowed(folderOf(file));
    const imports = readFileSync(join("src", file), "utf8").matchAll(
      /\bfrom "(\.[^"]+)"|\bimport\("(\.[^"]+)"/g,
    );
    return [...imports]
      .map(([, from, loaded]) => normalize(join(dirname(file), (from ?? loaded)!)))
      .filter((imported) => !allowed.has(folderOf(imported)))
      .map((imported) => `${file} imports ${imported}`);
  });
  expect(broken).toEqual([]);
});

test("the core imports nothing of Node's, and packages are imported in one place", () => {
  const places: Readonly<Record<string, RegExp>> = {
    "node:": /^(?!core\/|web\/)/,
    "onnxruntime-node": /^node\/runtime\//,
    "onnxruntime-web": /^web\//,
    "@huggingface/hub": /^node\/hub\//,
  };
  for (const file of files) {
    for (const [, imported] of readFileSync(join("src", file), "utf8").matchAll(/\bfrom "([^."][^"]*)"/g)) {
      for (const [start, place] of Object.entries(places))
        if (imported!.startsWith(start)) expect(file, imported).toMatch(place);
    }
  }
});
