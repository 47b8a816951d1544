/** @file Probes for the answer while it is being worked out (Dynasor-CoT, Fu et al. 2025; the rule of its cot.py). */

import type { Strategy } from "../strategy.ts";
import { begunText, type Written } from "../writer.ts";
import { asSolution } from "./prompted.ts";

/** How many probes in a row have to agree, and after how many tokens each is made. */
export const dynasorSettings = {
  mild: { probes: 8, chunk: 64 },
  low: { probes: 5, chunk: 64 },
  mid: { probes: 3, chunk: 64 },
  high: { probes: 2, chunk: 64 },
  crazy: { probes: 2, chunk: 32 },
} as const;

export type DynasorSetting = keyof typeof dynasorSettings;

const probe = "... Oh, I suddenly got the answer to the whole problem, **Final Answer**\n\n\\[ \\boxed{";
const probing = { maxTokens: 20, temperature: 0.6, topP: 0.95 };
const conclusion = "... Oh, I have got the answer to the whole problem\n**Final Answer:**\n\\[\n \\boxed{";

/**
 * After every chunk of tokens the answer is asked for by a probe, which is thrown away; once the last k answers are the same and
 * none was given in doubt, it is the answer.
 *
 * @param wholeWords whether doubts are whole words only, so that "know" is no "no". Dynasor looks for letters anywhere.
 */
export function dynasor(name: string, setting: DynasorSetting, wholeWords: boolean): Strategy {
  const { probes: needed, chunk } = dynasorSettings[setting];
  return {
    name,
    needs: ["continue"],
    async solve(question, tools) {
      const messages = tools.prompt(question);
      const begun: Written[] = [];
      const probes: Probe[] = [];
      for (let left = tools.settings.maxTokens; left > 0; left -= chunk) {
        const part = await tools.write({ messages, begun, maxTokens: Math.min(chunk, left) });
        begun.push(part);
        if (part.reason === "stop") break;
        const { text } = await tools.write({ messages, begun: [...begun, probe], ...probing });
        probes.push({ text, answer: untilUnpairedBrace(text) });
        if (!mayStop(probes, needed, tools.equal, wholeWords)) continue;
        const answer = probes.at(-1)!.answer;
        const closing = `${part.openThoughts ?? ""}${conclusion}${answer}}\n\\]`;
        return {
          answer,
          text: begunText(begun) + closing,
          details: { probes: probes.length, stopped: true },
        };
      }
      const solution = asSolution({ text: begunText(begun), reason: begun.at(-1)!.reason }, tools);
      return { ...solution, details: { probes: probes.length, stopped: false } };
    },
  };
}

/** What a probe brought. */
export interface Probe {
  readonly text: string;
  /** Empty if there is none. */
  readonly answer: string;
}

const doubts = ["wait", "hold", "but", "okay", "no", "hmm"];

/** Whether the last `needed` probes gave the same answer, none of them empty or in doubt. */
export function mayStop(
  probes: readonly Probe[],
  needed: number,
  equal: (a: string, b: string) => boolean,
  wholeWords: boolean,
): boolean {
  const last = probes.slice(-needed);
  const [first] = last;
  return (
    last.length === needed &&
    last.every(({ answer }) => answer !== "" && equal(answer, first!.answer)) &&
    !last.some(({ text }) => isInDoubt(text, wholeWords))
  );
}

function isInDoubt(text: string, wholeWords: boolean): boolean {
  const lower = text.toLowerCase();
  const words = new Set(lower.match(/\p{L}+/gu));
  return doubts.some((doubt) => (wholeWords ? words.has(doubt) : lower.includes(doubt)));
}

/** The text up to the first closing brace that none opens; empty if there is no such brace. */
export function untilUnpairedBrace(text: string): string {
  let depth = 0;
  for (const [i, character] of [...text].entries()) {
    if (character === "{") depth++;
    if (character === "}" && --depth < 0) return [...text].slice(0, i).join("").trim();
  }
  return "";
}
