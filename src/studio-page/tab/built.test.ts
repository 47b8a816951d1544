import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";

const folder = "dist/studio-tab";

test("the page in the tab is at most 250 kB with its worker, compressed, beside ONNX Runtime and the model", () => {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const bytes = files.reduce(
    (sum, { parentPath, name }) => sum + gzipSync(readFileSync(join(parentPath, name))).length,
    0,
  );
  expect(bytes).toBeGreaterThan(100_000);
  expect(bytes).toBeLessThan(250_000);
});

test("its policy allows no inline script or style, and no host but its own and the Hub's", () => {
  const html = readFileSync(join(folder, "index.html"), "utf8");
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\bon\w+=/i);
  const policy = /content-security-policy" content="([^"]+)"/.exec(html)![1]!;
  expect(policy).not.toContain("unsafe-inline");
  expect(policy).not.toContain("'unsafe-eval'");
  expect(policy).toContain("default-src 'none'");
  expect(policy.match(/https:\S*[^;\s]/g)).toEqual([
    "https://huggingface.co",
    "https://*.huggingface.co",
    "https://*.hf.co",
  ]);
});
