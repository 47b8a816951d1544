/** @file A generator for tests: it repeats the prompt, a token at a time, up to a token that is a stop string. */

import { setTimeout } from "node:timers/promises";
import type { GeneratedToken, Generator } from "../core/decoding/generator.ts";
import type { Tokenizer } from "../core/tokenization/tokenizer.ts";

export interface FakeGenerator extends Generator {
  /** Milliseconds before each token. */
  pause: number;
  /** Requests under way. */
  running: number;
  /** Requests that were aborted. */
  aborted: number;
}

export function createFakeGenerator(tokenizer: Tokenizer): FakeGenerator {
  const likely = { id: 5, text: tokenizer.decode([5]), logprob: Math.log(0.25) };
  const fake: FakeGenerator = {
    pause: 0,
    running: 0,
    aborted: 0,
    async generate({ promptIds, maxNewTokens, logprobs, stop = [] }, { signal, onPiece } = {}) {
      fake.running++;
      try {
        const ids = promptIds.filter((id) => !tokenizer.isSpecial(id));
        const end = stop.length === 0 ? -1 : ids.findIndex((id) => stop.includes(tokenizer.decode([id])));
        const written = ids.slice(0, Math.min(maxNewTokens, end < 0 ? ids.length : end));
        const tokens: GeneratedToken[] = [];
        let text = "";
        for (const [i, id] of written.entries()) {
          await setTimeout(fake.pause);
          signal?.throwIfAborted();
          const whole = tokenizer.decode(written.slice(0, i + 1));
          const token = {
            id,
            text: tokenizer.decode([id]),
            logprob: Math.log(0.5),
            top: [likely].slice(0, logprobs),
          };
          if (logprobs !== undefined) tokens.push(token);
          onPiece?.({ text: whole.slice(text.length), tokens: logprobs === undefined ? [] : [token] });
          text = whole;
        }
        const complete = written.length < maxNewTokens;
        return {
          text,
          finishReason: complete ? "stop" : "length",
          stopString: complete && end >= 0 ? tokenizer.decode([ids[end]!]) : null,
          computedPromptTokens: promptIds.length,
          completionTokens: written.length + (complete ? 1 : 0),
          ids: written,
          tokens,
        };
      } catch (error) {
        if (signal?.aborted) fake.aborted++;
        throw error;
      } finally {
        fake.running--;
      }
    },
    async close() {},
  };
  return fake;
}
