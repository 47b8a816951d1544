// Compares the probabilities that llama.cpp gives with the GGUF files of families.py with the golden logits.
//
//     npm install --no-save node-llama-cpp@3.22.1
//     node reference/families-llama-cpp.mjs fixtures/reference/families
//
// llama.cpp keeps keys and values in float16, and it leaves out the window of Phi 3, which phi3-1 has.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { getLlama } from "node-llama-cpp";

const root = process.argv[2];
const llama = await getLlama({ gpu: false, build: "never", logLevel: "error" });
for (const name of readdirSync(root)) {
  const modelPath = join(root, name, "model.gguf");
  if (!existsSync(modelPath)) continue;
  const { input_ids, logits } = readTensors(join(root, name, "golden.safetensors"));
  const [rows, length, vocabulary] = logits.shape;
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({ contextSize: 256, threads: 1, flashAttention: false });
  const sequence = context.getSequence();
  // All tokens stay in the distribution.
  const options = { temperature: 1, topK: vocabulary, topP: 1, minP: 0 };
  let difference = 0;
  for (let row = 0; row < rows; row++) {
    await sequence.clearHistory();
    const tokens = input_ids.values.slice(row * length, (row + 1) * length);
    const answers = await sequence.controlledEvaluate(
      tokens.map((token) => [token, { generateNext: { probabilities: true, options } }]),
    );
    for (const [place, { next }] of answers.entries()) {
      const start = (row * length + place) * vocabulary;
      const expected = softmax(logits.values.slice(start, start + vocabulary));
      for (const [token, p] of next.probabilities)
        difference = Math.max(difference, Math.abs(p - expected[token]));
    }
  }
  console.log(`${name}: probabilities differ by ${difference.toExponential(1)}`);
  await context.dispose();
  await model.dispose();
}
await llama.dispose();

function readTensors(path) {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, start));
  delete header.__metadata__;
  const entries = Object.entries(header).map(
    ([
      name,
      {
        dtype,
        shape,
        data_offsets: [from, to],
      },
    ]) => {
      const { buffer } = new Uint8Array(bytes.subarray(start + from, start + to));
      const values = dtype === "I64" ? new BigInt64Array(buffer) : new Float32Array(buffer);
      return [name, { shape, values: Array.from(values, Number) }];
    },
  );
  return Object.fromEntries(entries);
}

function softmax(values) {
  const largest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}
