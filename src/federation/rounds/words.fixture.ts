/** @file For tests: a federation that writes words. Each member writes its name behind what a round began with, and the server what all wrote. */

import { InputError } from "../../core/errors.ts";
import type { MemberPart, ServerPart } from "./framework.ts";

export const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
export const bytes = (content: string) => new TextEncoder().encode(content);

export const serverPart = (changes: Partial<ServerPart> = {}): ServerPart => ({
  task: { framework: "words" },
  longestUpdate: 1000,
  needsAll: false,
  begin: async () => bytes("."),
  async check(update) {
    if (!/^[.\w()]+$/.test(text(update))) throw new InputError("The update is no word.");
  },
  async aggregate(_, begins, contributions) {
    const words = await Promise.all(contributions.map(async ({ load }) => text(await load())));
    return { ends: bytes(`${text(begins)}(${words.join("")})`), figures: { words: words.length } };
  },
  ...changes,
});

export const memberPart = (client: string, changes: Partial<MemberPart> = {}): MemberPart => ({
  examples: client.length,
  longestBeginning: 10_000,
  update: async ({ round }, begins) => ({
    update: bytes(`${client}${round}${text(begins).length}`),
    figures: { loss: round },
  }),
  forget: () => {},
  ...changes,
});
