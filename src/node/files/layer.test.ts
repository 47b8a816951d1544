import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

/** What of node:fs changes nothing, so that any file may import it. */
const harmless =
  /^(type \w+|access|closeSync|createReadStream|existsSync|fstatSync|lstatSync|readdirSync|readFileSync|readSync|realpathSync|statSync)$/;

test("the disk is changed by this folder only", () => {
  const files = readdirSync("src", { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !/\.(test|real|fixture)\.ts$|^node\/files\//.test(path))
    .map((path) => [path, readFileSync(join("src", path), "utf8")] as const);
  expect(files.length).toBeGreaterThan(200);
  for (const [path, text] of files) {
    const imported = [...text.matchAll(/^import ([^;]+) from "(?:node:)?fs(?:\/promises)?";/gm)].flatMap(
      ([, names]) => names!.replace(/^\{|\}$/g, "").split(","),
    );
    const changing = imported
      .map((name) => name.trim())
      .filter((name) => name !== "" && !harmless.test(name));
    expect(changing, path).toEqual([]);
  }
});
