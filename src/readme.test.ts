import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { expect, test } from "vitest";

test("the README's example runs as it stands", () => {
  const code = /```ts\n([\s\S]*?)```/.exec(readFileSync("README.md", "utf8"))![1]!;
  rmSync("runs/example", { recursive: true, force: true });
  const { status, stderr } = spawnSync(process.execPath, ["--input-type=module"], {
    input: code,
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  expect(existsSync("runs/example/merged/model.safetensors")).toBe(true);
  rmSync("runs/example", { recursive: true });
});
