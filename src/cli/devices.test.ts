import { spawnSync } from "node:child_process";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { type CheckedDevice, compareChecks } from "../node/devices/checked-devices.ts";
import { listInstructionSets } from "../node/devices/processor.ts";
import { captureOutput, err } from "./captured-output.fixture.ts";
import { main } from "./main.ts";

captureOutput();

test("the CPU is tried out in a process of its own, and a device that is absent is told in a sentence", () => {
  // Runs the built command (npm test builds it first).
  const { status, stdout } = spawnSync(process.execPath, ["bin/slimtune.js", "devices", "--json"], {
    env: { ...process.env, VK_ICD_FILENAMES: "/nonexistent.json" },
  });
  const { devices } = JSON.parse(stdout.toString()) as { devices: CheckedDevice[] };
  const [cpu, webgpu] = devices as [CheckedDevice, CheckedDevice];
  if ("reason" in cpu) throw new Error(cpu.reason);
  expect(cpu).toMatchObject({ name: "cpu", state: "right", writesAlike: true });
  for (const { losses } of Object.values(cpu.check.steps)) expect(losses[2]).toBeLessThan(losses[0]!);
  expect(webgpu).toMatchObject({ name: "webgpu", state: "absent" });
  expect("reason" in webgpu && webgpu.reason).toContain('choose the device "cpu"');
  expect(status).toBe(0);

  const { check } = cpu;
  const wrong = (losses: number[]) =>
    compareChecks(
      "webgpu",
      { ...check, steps: { ...check.steps, QLoRA: { losses, tokensPerSecond: 1 } } },
      check,
    );
  const right = check.steps.QLoRA.losses;
  expect(wrong(right.map((loss) => loss * 1.0001)).state).toBe("right");
  expect(wrong(right.map((loss) => loss * 1.01)).state).toBe("wrong");
  expect(wrong(right.map(() => Number.NaN)).state).toBe("wrong");
  const optimizedAs = (change: (value: number) => number) =>
    compareChecks("webgpu", { ...check, adamW: check.adamW.map(change) }, check);
  expect(optimizedAs((value) => value * 1.0001).state).toBe("right");
  expect(optimizedAs((value) => value + 0.01).state).toBe("wrong");
});

test("instruction sets are read from what Linux tells of a processor", () => {
  expect(listInstructionSets("processor\t: 0\nflags\t\t: fpu avx2 avx512f amx_int8\n")).toEqual([
    "AVX2",
    "AVX-512",
    "AMX int8",
  ]);
  expect(listInstructionSets("Features\t: fp asimd i8mm\n")).toEqual(["NEON", "int8 matrix product"]);
  expect(listInstructionSets("")).toEqual([]);
});

describe("where there is no graphics card", () => {
  beforeAll(() => void vi.stubEnv("VK_ICD_FILENAMES", "/nonexistent.json"));
  const asked = ["--model", "fixtures/embedded-model", "--device", "webgpu"];

  test.each([
    ["generate", ["a prompt"]],
    ["chat", []],
    ["evaluate", ["--tasks", "arc_easy"]],
  ])("%s --device webgpu says so", async (command, words) => {
    expect(await main(["node", "slimtune", command, ...asked, ...words])).toBe(1);
    expect(err).toMatch(/slimtune: There is no WebGPU device here .*; choose the device "cpu", or install/);
  });

  test("a device is not for a server's model", async () => {
    const words = ["--model", "openai:http://127.0.0.1:9/v1#m", "--device", "cpu", "--tasks", "arc_easy"];
    expect(await main(["node", "slimtune", "evaluate", ...words])).toBe(1);
    expect(err).toContain("has its own device; leave the option out");
  });
});
