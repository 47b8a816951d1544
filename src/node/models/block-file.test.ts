import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, describe, expect, test } from "vitest";
import { rowsOf, wholeOf } from "../../core/models/matrix-rows.ts";
import type { Model } from "../../core/models/model.ts";
import { generate } from "../decoding/generate.ts";
import { fineTune } from "../training/fine-tune.ts";
import { openModel } from "./open-model.ts";

const scratch = mkdtempSync(join(tmpdir(), "slimtune-blocks-"));
process.env.XDG_CACHE_HOME = scratch;
afterAll(() => rmSync(scratch, { recursive: true }));
const model = "fixtures/embedded-model";
const folder = join(scratch, "slimtune", "blocks");
const listFiles = () => readdirSync(folder).map((name) => join(folder, name));

describe.each(["nf4", "int8"] as const)("blocks in %s", (storage) => {
  test("are the same from disk as in memory, and are quantized once", async () => {
    const before = new Set(statSync(folder, { throwIfNoEntry: false }) ? listFiles() : []);
    const resident = await openModel(model, { storage });
    const shares: number[] = [];
    const onProgress = (share: number) => shares.push(share);
    const fromDisk = await openModel(model, { storage, weightsOnDisk: true, onProgress });
    expect(shares.at(-1)).toBe(1);
    for (let layer = 0; layer < resident.config.numHiddenLayers; layer++)
      expect(await fromDisk.weights.block(layer)).toEqual(await resident.weights.block(layer));
    const [stored, inMemory] = [fromDisk.weights.embedding, resident.weights.embedding];
    expect(await wholeOf(stored)).toEqual(inMemory);
    expect(await rowsOf(stored, 3, 5)).toEqual(await rowsOf(inMemory, 3, 5));
    const write = (from: Model) => generate(from, "Tom has 3 pens.", { maxNewTokens: 6 });
    expect(await write(fromDisk)).toBe(await write(resident));

    const [path, ...others] = listFiles().filter((file) => !before.has(file));
    expect(others).toEqual([]);
    const { ino } = statSync(path!);
    await openModel(model, { storage, weightsOnDisk: true });
    expect(statSync(path!).ino).toBe(ino);
    expect(listFiles()).toHaveLength(before.size + 1);
  });
});

test("without quantized scales, the blocks are others", async () => {
  const before = listFiles().length;
  const { weights } = await openModel(model, {
    storage: "nf4",
    doubleQuantization: false,
    weightsOnDisk: true,
  });
  expect(listFiles()).toHaveLength(before + 1);
  const scaled = await openModel(model, { storage: "nf4" });
  expect(await weights.block(0)).not.toEqual(await scaled.weights.block(0));
});

test("a run learns the same with its base on disk", async () => {
  const data = join(scratch, "data.jsonl");
  const lines = readFileSync("fixtures/miniature/math-train.jsonl", "utf8").split("\n");
  writeFileSync(data, `${lines.slice(0, 6).join("\n")}\n`);
  const run = async (weightsOnDisk: boolean) => {
    const losses: number[] = [];
    await fineTune(
      {
        model,
        data,
        method: "qlora",
        batch_size: 3,
        max_steps: 3,
        validation: 0,
        weights_on_disk: weightsOnDisk,
        out: join(scratch, `run-${weightsOnDisk}`),
      },
      { onStep: ({ loss }) => losses.push(loss) },
    );
    return losses;
  };
  expect(await run(true)).toEqual(await run(false));
});

test("a file that was cut off is refused by name", async () => {
  for (const path of listFiles()) truncateSync(path, statSync(path).size - 100);
  await expect(openModel(model, { storage: "nf4", weightsOnDisk: true })).rejects.toThrow(
    /blocks\/[0-9a-f]{64}\.safetensors.*truncated/,
  );
});
