import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";

const folder = "dist/studio-page";
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map(({ parentPath, name }) => join(parentPath, name));
const read = (file: string) => readFileSync(file, "utf8");

test("the studio's page is at most 250 kB, compressed", () => {
  const bytes = files.reduce((sum, file) => sum + gzipSync(readFileSync(file)).length, 0);
  expect(bytes).toBeGreaterThan(20_000);
  expect(bytes).toBeLessThan(250_000);
});

test("it holds no script or style in its HTML, no code from texts, and asks no other host for anything", () => {
  const html = read(join(folder, "index.html"));
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\bon\w+=|javascript:/i);
  for (const file of files) {
    const text = read(file);
    expect(text, file).not.toMatch(/\beval\(|new Function\(|@import|url\(/);
    const hosts = [...text.matchAll(/https?:\/\/([\w.-]+)/g)].map(([, host]) => host);
    // Names of XML's namespaces, and the address in programs to be copied, which nothing asks for.
    expect(
      hosts.filter((host) => host !== "www.w3.org" && host !== "127.0.0.1"),
      file,
    ).toEqual([]);
  }
});
