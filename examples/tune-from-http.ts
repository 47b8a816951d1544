/**
 * Tunes a model from an HTTP handler, which tells how far it is as server-sent events.
 *
 * The handler is also one of Express: app.post("/tune", tune). While a step is computed, this process answers nobody else;
 * where others wait, start it in a process of its own.
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fineTune, InputError } from "slimtune";

async function tune(_request: IncomingMessage, response: ServerResponse): Promise<void> {
  const send = (event: string, data: object) =>
    response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  response.writeHead(200, { "content-type": "text/event-stream" });
  try {
    const { outcome, output } = await fineTune(
      {
        model: "fixtures/embedded-model",
        data: "fixtures/miniature/math-train.jsonl",
        learning_rate: 1e-2,
        max_steps: 10,
        validation: 20,
        out: "runs/examples/http",
      },
      {
        // Whoever goes away ends the run, with a checkpoint from which `slimtune resume` goes on.
        signal: gone.signal,
        onStep: ({ step, loss }, _progress, secondsLeft) => send("step", { step, loss, secondsLeft }),
        onEvaluation: ({ step, eval_loss }) => send("held-out", { step, loss: eval_loss }),
      },
    );
    send("done", { outcome, output });
  } catch (error) {
    // What is wrong with the options, the model or the data, in a sentence.
    send("error", { message: error instanceof InputError ? error.message : "The run failed." });
  }
  response.end();
}

const server = createServer(tune).listen(0);
const { port } = server.address() as AddressInfo;

const response = await fetch(`http://127.0.0.1:${port}/tune`, { method: "POST" });
for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
  for (const [, event, data] of chunk.matchAll(/event: (.*)\ndata: (.*)/g)) console.log(event, data);
}
server.close();
