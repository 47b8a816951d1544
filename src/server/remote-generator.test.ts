import { EventEmitter } from "node:events";
import { beforeEach, expect, test, vi } from "vitest";
import type { Piece } from "../core/decoding/generator.ts";
import { InputError } from "../core/errors.ts";
import { openFolderTokenizer } from "../core/tokenization/hugging-face.ts";
import { openSourceFolder } from "../node/files/byte-source.ts";
import { createFakeGenerator, type FakeGenerator } from "./fake-generator.fixture.ts";
import {
  connectGenerator,
  EngineLostError,
  type FromEngine,
  hostGenerator,
  type Port,
  type RemoteGenerator,
  type ToEngine,
} from "./remote-generator.ts";

const tokenizer = await openFolderTokenizer(openSourceFolder("fixtures/embedded-model"));
const promptIds = tokenizer.encode("the quick fox");
const request = { promptIds, maxNewTokens: 50, logprobs: 1 };

let host: FakeGenerator;
let remote: RemoteGenerator;
let sent: ToEngine[];
const onShutdown = vi.fn();

beforeEach(() => {
  host = createFakeGenerator(tokenizer);
  sent = [];
  const [toEngine, fromEngine] = [new EventEmitter(), new EventEmitter()];
  /** As between processes: copies, later. */
  const pass = (line: EventEmitter, message: unknown) => {
    const copy = structuredClone(message);
    setImmediate(() => line.emit("message", copy));
  };
  const here: Port<ToEngine, FromEngine> = {
    send(message) {
      sent.push(message);
      pass(toEngine, message);
    },
    listen: (listener) => void fromEngine.on("message", listener),
  };
  const there: Port<FromEngine, ToEngine> = {
    send: (message) => pass(fromEngine, message),
    listen: (listener) => void toEngine.on("message", listener),
  };
  remote = connectGenerator(here);
  hostGenerator(there, host, onShutdown);
});

test("gives what the other process's generator gives, to each request its own", async () => {
  const requests = Array.from({ length: 200 }, (_, i) => ({ ...request, promptIds: [100 + i, 300 + i] }));
  const expected = await Promise.all(requests.map((one) => host.generate(one)));
  const pieces: Piece[][] = requests.map(() => []);
  const answers = await Promise.all(
    requests.map((one, i) => remote.generate(one, { onPiece: (piece) => pieces[i]!.push(piece) })),
  );
  expect(answers).toEqual(expected);
  expect(pieces.map((own) => own.map(({ text }) => text).join(""))).toEqual(expected.map(({ text }) => text));
});

test("pieces are only sent to those who want them", async () => {
  const generate = vi.spyOn(host, "generate");
  await remote.generate(request);
  expect(generate.mock.calls[0]![1]).not.toHaveProperty("onPiece");
});

test("an aborted request fails at once, and ends in the other process", async () => {
  host.pause = 5;
  const controller = new AbortController();
  const answer = remote.generate(request, { signal: controller.signal });
  await vi.waitFor(() => expect(host.running).toBe(1), { interval: 1 });
  const reason = new Error("gone");
  controller.abort(reason);
  await expect(answer).rejects.toBe(reason);
  await vi.waitFor(() => expect(host).toMatchObject({ running: 0, aborted: 1 }));

  await expect(remote.generate(request, { signal: controller.signal })).rejects.toBe(reason);
  expect(sent.map(({ type }) => type)).toEqual(["submit", "cancel"]);
});

test("a signal that is aborted after the answer changes nothing", async () => {
  const controller = new AbortController();
  await remote.generate(request, { signal: controller.signal });
  controller.abort();
  expect(sent.map(({ type }) => type)).toEqual(["submit"]);
});

test("errors keep their message, and whether the input was at fault", async () => {
  vi.spyOn(host, "generate")
    .mockRejectedValueOnce(new InputError("Too long."))
    .mockRejectedValueOnce(new Error("No."));
  await expect(remote.generate(request)).rejects.toEqual(new InputError("Too long."));
  const error = await remote.generate(request).catch((error) => error);
  expect(error).toEqual(new Error("No."));
  expect(error).not.toBeInstanceOf(InputError);
});

test("when the other process is lost, requests under way and later ones fail", async () => {
  const lost = new EngineLostError("It is gone.");
  const answer = remote.generate(request);
  remote.lose(lost);
  await expect(answer).rejects.toBe(lost);
  await expect(remote.generate(request)).rejects.toBe(lost);
});
