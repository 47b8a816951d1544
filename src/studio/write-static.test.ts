import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { writeStaticPage } from "./write-static.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-static-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A built page in short. */
const page = join(scratch, "built");
mkdirSync(join(page, "assets"), { recursive: true });
writeFileSync(join(page, "index.html"), '<meta name="generator" content="slimtune studio">');
writeFileSync(join(page, "assets", "new.js"), "");

test("a page is written with its model and ONNX Runtime, and written anew where one is, beside what else is there", async () => {
  const folder = join(scratch, "out");
  await writeStaticPage(folder, page);
  expect(readdirSync(folder).sort()).toEqual(["assets", "index.html", "model", "onnxruntime-web"]);
  expect(readFileSync(join(folder, "model", "config.json"), "utf8")).toBe(
    readFileSync("fixtures/embedded-model/config.json", "utf8"),
  );
  expect(readdirSync(join(folder, "onnxruntime-web")).sort()).toEqual([
    "ort-wasm-simd-threaded.asyncify.wasm",
    "ort.webgpu.bundle.min.js",
  ]);
  writeFileSync(join(folder, "assets", "old.js"), "");
  writeFileSync(join(folder, "CNAME"), "tune.example.org");
  await writeStaticPage(folder, page);
  expect(readdirSync(join(folder, "assets"))).toEqual(["new.js"]);
  expect(existsSync(join(folder, "CNAME"))).toBe(true);
});

test("a folder of something else is left as it is, and refused", async () => {
  const folder = join(scratch, "other");
  mkdirSync(folder);
  writeFileSync(join(folder, "index.html"), "<title>My page</title>");
  await expect(writeStaticPage(folder, page)).rejects.toThrow(
    /other is not empty and holds no earlier page; choose/,
  );
  expect(readdirSync(folder)).toEqual(["index.html"]);
});
