/** @file Decoders: how the texts of tokens become one text. */

import { fromByteCharacters } from "./byte-alphabet.ts";
import { readCharacter, readChoice, readCount, readList, readText, refuseType } from "./options.ts";
import { compilePattern, replaceMatches } from "./pattern.ts";
import { prependSchemes } from "./pre-tokenizer.ts";

/** A decoder as tokenizer.json describes it. */
export interface Decoder {
  readonly type: string;
  readonly [option: string]: unknown;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

export type DecodeTokens = (tokens: readonly string[]) => readonly string[];

/**
 * The decoder as a function; the text is what it gives, joined.
 *
 * Source: https://github.com/huggingface/tokenizers/tree/v0.23.1/tokenizers/src/decoders
 *
 * @throws Error if it is of a type, or has an option, that is not supported.
 */
export function createDecoder(config: Decoder): DecodeTokens {
  switch (config.type) {
    case "Sequence": {
      const steps = readList(config, "decoders").map((step) => createDecoder(step as Decoder));
      return (tokens) => steps.reduce((decoded, step) => step(decoded), tokens);
    }
    case "ByteLevel":
      return (tokens) => [
        utf8.decode(Uint8Array.from(tokens.flatMap((token) => [...fromByteCharacters(token)]))),
      ];
    case "ByteFallback":
      return decodeByteTokens;
    case "Fuse":
      return (tokens) => [tokens.join("")];
    case "Replace": {
      const pattern = compilePattern(config.pattern);
      const content = readText(config, "content");
      return (tokens) => tokens.map((token) => replaceMatches(token, pattern, content));
    }
    case "Strip": {
      const content = readCharacter(config, "content");
      const [start, stop] = [readCount(config, "start"), readCount(config, "stop")];
      return (tokens) => tokens.map((token) => strip(token, content, start, stop));
    }
    case "Metaspace": {
      const mark = readCharacter(config, "replacement");
      const scheme = readChoice(config, "prepend_scheme", prependSchemes, "always");
      return (tokens) =>
        tokens.map((token, i) => token.replaceAll(mark, i === 0 && scheme !== "never" ? "" : " "));
    }
    default:
      return refuseType("decoder", config);
  }
}

/** A token without up to `start` of the character before it and `stop` behind it. */
function strip(token: string, content: string, start: number, stop: number): string {
  const characters = Array.from(token);
  let from = 0;
  while (from < start && characters[from] === content) from++;
  let to = characters.length;
  while (to > from && characters.length - to < stop && characters[to - 1] === content) to--;
  return characters.slice(from, to).join("");
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Turns each run of byte tokens (`<0x0A>`) into its text, or if it is not valid UTF-8 into one replacement character per byte. */
function decodeByteTokens(tokens: readonly string[]): string[] {
  const texts: string[] = [];
  let run: number[] = [];
  const endRun = () => {
    if (run.length > 0) texts.push(decodeRun(run));
    run = [];
  };
  for (const token of tokens) {
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
    if (byte !== undefined) {
      run.push(Number.parseInt(byte, 16));
    } else {
      endRun();
      texts.push(token);
    }
  }
  endRun();
  return texts;
}

function decodeRun(run: readonly number[]): string {
  try {
    return strictUtf8.decode(Uint8Array.from(run));
  } catch {
    return "\ufffd".repeat(run.length);
  }
}
