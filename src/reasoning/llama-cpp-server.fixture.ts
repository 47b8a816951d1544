/** @file A server of another make: a GGUF file behind node-llama-cpp, with OpenAI's two endpoints; greedy, one text at a time. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";
import { type Llama, openLlamaChat } from "../node/export/llama-cpp.fixture.ts";

const requestSchema = z.object({
  max_tokens: z.number(),
  temperature: z.literal(0),
  stop: z.array(z.string()).default([]),
  prompt: z.string().optional(),
  messages: z
    .array(z.object({ role: z.enum(["system", "user", "assistant"]), content: z.string() }))
    .optional(),
});

export interface LlamaCppServer {
  readonly baseURL: string;
  close(): Promise<void>;
}

/** Serves at a free port. Chats that end with the assistant's turn are refused: there is no going on with it. */
export async function serveByLlamaCpp(llama: Llama, modelPath: string): Promise<LlamaCppServer> {
  const model = await llama.loadModel({ modelPath });
  const chat = await openLlamaChat(model);
  const context = await model.createContext({ contextSize: 1024, threads: 1 });
  const sequence = context.getSequence();
  const tokenize = (text: string, special = false) => model.tokenize(text, special);

  const encodeMessages = (messages: NonNullable<z.output<typeof requestSchema>["messages"]>) => {
    const chatHistory = messages.map(({ role, content }) =>
      role === "assistant" ? { type: "model" as const, response: [content] } : { type: role, text: content },
    );
    const state = chat.generateContextState({
      chatHistory: [...chatHistory, { type: "model", response: [] }],
    });
    return state.contextText.tokenize(tokenize);
  };

  const write = async (body: unknown) => {
    const { prompt, messages, stop, max_tokens } = requestSchema.parse(body);
    if (messages?.at(-1)?.role === "assistant") return undefined;
    const promptIds = messages ? encodeMessages(messages) : tokenize(prompt!, true);
    await sequence.clearHistory();
    const ids: number[] = [];
    let text = "";
    let written = 0;
    let finish_reason = "length";
    for await (const token of sequence.evaluate(promptIds, { temperature: 0, yieldEogToken: true })) {
      written++;
      if (!model.isEogToken(token)) text = model.detokenize([...ids, token]);
      ids.push(token);
      const end = Math.min(...stop.map((each) => text.indexOf(each)).filter((place) => place >= 0));
      if (Number.isFinite(end)) text = text.slice(0, end);
      if (Number.isFinite(end) || model.isEogToken(token)) finish_reason = "stop";
      if (finish_reason === "stop" || written === max_tokens) break;
    }
    const usage = { prompt_tokens: promptIds.length, completion_tokens: written };
    const choice = { ...(messages ? { message: { content: text } } : { text }), finish_reason };
    return { choices: [choice], usage };
  };

  let last: Promise<unknown> = Promise.resolve();
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const writing = last.then(() => write(JSON.parse(text)));
    last = writing.catch(() => {});
    const [status, body] = await writing.then(
      (answer) =>
        answer ? [200, answer] : [400, { error: { message: "the last turn is the assistant's" } }],
      (error: Error) => [500, { error: { message: error.message } }],
    );
    response.writeHead(status as number, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    baseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    async close() {
      server.close().closeAllConnections();
      await context.dispose();
      await model.dispose();
    },
  };
}
