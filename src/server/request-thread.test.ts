import { afterEach, expect, test } from "vitest";
import { openFolderTokenizer } from "../core/tokenization/hugging-face.ts";
import { openSourceFolder } from "../node/files/byte-source.ts";
import type { RequestLimits, RequestThread } from "./request-thread.ts";

// The thread runs built files (npm test builds them first).
const built: typeof import("./request-thread.ts") = await import(
  new URL("../../dist/server/request-thread.js", import.meta.url).href
);

const options = { id: "small", adapters: [], maxTexts: 1_000_000, path: "fixtures/embedded-model" };
const { signal } = new AbortController();
const short = Buffer.from(JSON.stringify({ model: "small", prompt: "one" }));
/** Takes many seconds to encode. */
const long = Buffer.from(JSON.stringify({ model: "small", prompt: Array(500_000).fill("one") }));
/** A field without effect whose parts take a hundred megabytes. */
const large = Buffer.from(
  JSON.stringify({ model: "small", prompt: "one", metadata: Array(600_000).fill({}) }),
);

let thread: RequestThread;
const start = (limits?: RequestLimits) => {
  thread = built.startRequestThread(options, limits);
};
afterEach(() => thread.stop());

test("requests that come before the tokenizer is open wait, and each gets its own answer", async () => {
  start();
  const bodies = ["one", "two", "three"].map((prompt) =>
    Buffer.from(JSON.stringify({ model: "small", prompt, echo: true })),
  );
  const prepared = await Promise.all(bodies.map((body) => thread.prepare("completion", body, signal)));
  expect(prepared.map(({ prompts }) => prompts[0]!.echo)).toEqual(["one", "two", "three"]);
});

test.each([
  ["time", long, { milliseconds: 1000, megabytes: 1000 }, "takes more than 1000 ms"],
  ["memory", large, { milliseconds: 60_000, megabytes: 30 }, "needs more memory"],
])(
  "a request that takes too much %s is refused, and the next one is answered",
  async (_name, body, limits, reason) => {
    start(limits);
    await thread.prepare("completion", short, signal);
    const refused = thread.prepare("completion", body, signal);
    const next = thread.prepare("completion", short, signal);
    await expect(refused).rejects.toThrow(reason);
    await expect(refused).rejects.toMatchObject({ name: "ApiError", status: 400 });
    expect((await next).prompts).toHaveLength(1);
  },
);

test("a request whose client went away while it waited is left out", async () => {
  start();
  const controller = new AbortController();
  const [first, second] = [
    thread.prepare("completion", short, signal),
    thread.prepare("completion", short, controller.signal),
  ];
  controller.abort();
  await first;
  await expect(second).rejects.toMatchObject({ name: "AbortError" });
});

test("chats are in the given template and day, and those of an adapter in its own", async () => {
  thread = built.startRequestThread({
    ...options,
    adapters: ["math"],
    templates: { math: "{{ messages[0].content }}?" },
    chat: { chatTemplate: "{{ strftime_now('%d %B %Y') }}", date: "2025-01-31" },
  });
  const { decode } = await openFolderTokenizer(openSourceFolder(options.path));
  const ask = async (model: string) => {
    const body = JSON.stringify({ model, messages: [{ role: "user", content: "Why" }] });
    const { prompts } = await thread.prepare("chat", Buffer.from(body), signal);
    return decode(prompts[0]!.ids, { skipSpecialTokens: true });
  };
  expect(await ask("small")).toBe("31 January 2025");
  expect(await ask("math")).toBe("Why?");
});

test("a tokenizer that cannot be opened fails what waits and what comes", async () => {
  thread = built.startRequestThread({ ...options, path: "fixtures/formats" });
  const waiting = thread.prepare("completion", short, signal);
  await expect(thread.ready).rejects.toThrow("config.json");
  await expect(waiting).rejects.toThrow("config.json");
  await expect(thread.prepare("completion", short, signal)).rejects.toThrow("config.json");
});

test("an error keeps its status and its field", async () => {
  start();
  const refused = thread.prepare("completion", Buffer.from('{"model":"small"}'), signal);
  await expect(refused).rejects.toMatchObject({ status: 400, details: { param: "prompt" } });
});
