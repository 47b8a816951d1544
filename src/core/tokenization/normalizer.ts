/** @file Normalizers: what is done to a text before it is cut into words. */

import { readFlag, readList, readText, refuseType } from "./options.ts";
import { compilePattern, replaceMatches } from "./pattern.ts";

/** A normalizer as tokenizer.json describes it. */
export interface Normalizer {
  readonly type: string;
  readonly [option: string]: unknown;
}

export type Normalize = (text: string) => string;

/**
 * The normalizer as a function.
 *
 * Source: https://github.com/huggingface/tokenizers/tree/v0.23.1/tokenizers/src/normalizers
 *
 * @throws Error if it is of a type, or has an option, that is not supported.
 */
export function createNormalizer(config: Normalizer): Normalize {
  const { type } = config;
  switch (type) {
    case "Sequence": {
      const steps = readList(config, "normalizers").map((step) => createNormalizer(step as Normalizer));
      return (text) => steps.reduce((normalized, step) => step(normalized), text);
    }
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD":
      return (text) => text.normalize(type);
    case "Lowercase":
      // Letter by letter, so that a sigma at the end of a word becomes no other than those within.
      return (text) => Array.from(text, (letter) => letter.toLowerCase()).join("");
    case "StripAccents":
      return (text) => text.replace(/\p{M}/gu, "");
    case "Strip": {
      const left = readFlag(config, "strip_left", false) ? /^\p{White_Space}+/u : /^/;
      const right = readFlag(config, "strip_right", false) ? /(?<!\p{White_Space})\p{White_Space}+$/u : /$/;
      return (text) => text.replace(left, "").replace(right, "");
    }
    case "Prepend": {
      const prefix = readText(config, "prepend");
      return (text) => (text === "" ? "" : prefix + text);
    }
    case "Replace": {
      const pattern = compilePattern(config.pattern);
      const content = readText(config, "content");
      return (text) => replaceMatches(text, pattern, content);
    }
    default:
      return refuseType("normalizer", config);
  }
}

/** Whether a normalized text begins with what the text began with, in whatever form. */
export function keepsBeginning({ type, normalizers }: Normalizer): boolean {
  if (type === "Sequence") return (normalizers as readonly Normalizer[]).every(keepsBeginning);
  return /^NFK?[CD]$|^Lowercase$/.test(type);
}
