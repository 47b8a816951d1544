/** @file Decoding of byte tokens (`<0x0A>`) as the reference does it. */

/** A decoder of `@huggingface/tokenizers`, whose type declarations Node's module resolution does not find. */
export interface LibraryDecoder {
  readonly config: { readonly type: string };
  /** The parts of a "Sequence". */
  readonly decoders?: readonly LibraryDecoder[];
  decode_chain(tokens: string[]): string[];
}

/**
 * Lets a decoder turn each run of byte tokens into its text, or into one replacement character per byte if it is not
 * valid UTF-8. The library itself decodes the valid parts of a run and drops byte order marks.
 */
export function useReferenceByteFallback(decoder: LibraryDecoder | null): void {
  if (decoder?.config.type === "ByteFallback") decoder.decode_chain = decodeByteTokens;
  for (const part of decoder?.decoders ?? []) useReferenceByteFallback(part);
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeByteTokens(tokens: string[]): string[] {
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

function decodeRun(bytes: readonly number[]): string {
  try {
    return utf8.decode(Uint8Array.from(bytes));
  } catch {
    return "\ufffd".repeat(bytes.length);
  }
}
