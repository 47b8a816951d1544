/** @file Pre-tokenizers: the rules by which text is cut into words before byte-pair merging. */

/** A pre-tokenizer as tokenizer.json describes it. */
export interface PreTokenizer {
  readonly type: string;
  readonly [option: string]: unknown;
}

/** GPT-2's words, which are also those of "ByteLevel" with `use_regex`. */
export const gpt2Words = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/** Cuts text into the matches of `pattern` and what lies between them. */
export function splitBy(pattern: string): PreTokenizer {
  return { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
}

/** Writes text in the 256 characters that stand for bytes, and before that, on demand, cuts it into GPT-2's words. */
export function byteLevel({ useRegex }: { readonly useRegex: boolean }): PreTokenizer {
  return { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: useRegex };
}

/**
 * An equal pre-tokenizer of parts that the library treats as the reference does. Its "ByteLevel" takes U+0085 for a
 * letter and U+FEFF for a space, and its "Digits" knows ASCII digits only; its "Split" has neither fault.
 */
export function withReferenceClasses(preTokenizer: PreTokenizer): PreTokenizer {
  const { type, pretokenizers } = preTokenizer;
  if (type === "Sequence" && Array.isArray(pretokenizers)) {
    return { ...preTokenizer, pretokenizers: pretokenizers.map(withReferenceClasses) };
  }
  if (type === "Digits")
    return splitBy(preTokenizer.individual_digits ? String.raw`\p{N}` : String.raw`\p{N}+`);
  // A prefix space comes before the words are cut, so that form cannot be taken apart.
  if (type === "ByteLevel" && preTokenizer.use_regex !== false && preTokenizer.add_prefix_space === false) {
    return { type: "Sequence", pretokenizers: [splitBy(gpt2Words), { ...preTokenizer, use_regex: false }] };
  }
  return preTokenizer;
}
