/** Serves a model and an adapter for it, and asks both by OpenAI's client, as any program that knows OpenAI's API can. */

import OpenAI from "openai";
import { fineTune, serveModel } from "slimtune";

const model = "fixtures/embedded-model";
const { output } = await fineTune({
  model,
  data: "fixtures/miniature/commonsense-train.jsonl",
  learning_rate: 1e-2,
  max_steps: 15,
  validation: 0,
  out: "runs/examples/served",
});

// The engine runs in a process of its own, so this one goes on answering while texts are written.
const server = await serveModel({ model, adapters: { commonsense: output! }, port: 0 });
await server.ready;

const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none" });
for (const name of server.modelIds) {
  process.stdout.write(`${name}: `);
  const stream = await client.chat.completions.create({
    model: name,
    messages: [{ role: "user", content: "If Kate is sad, what does she do then?" }],
    max_tokens: 30,
    temperature: 0,
    stream: true,
  });
  for await (const { choices } of stream) process.stdout.write(choices[0]?.delta.content ?? "");
  process.stdout.write("\n");
}
await server.stop();
