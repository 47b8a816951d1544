/** @file A text of which only the beginning and the end are kept where it is long. */

/**
 * Collects a text in memory that its limit bounds. A longer one is its first and its last half, with "..." between them, as TATA
 * cuts the output of programs (arXiv 2502.12022, released code: 200 + "..." + 200).
 */
export class BoundedText {
  readonly #half: number;
  readonly #limit: number;
  #head = "";
  #tail = "";
  #length = 0;

  /** @param limit UTF-16 code units, at least 2 */
  constructor(limit: number) {
    this.#limit = limit;
    this.#half = Math.floor(limit / 2);
  }

  append(text: string): void {
    const room = this.#half - this.#head.length;
    this.#head += text.slice(0, room);
    this.#tail += text.slice(room);
    this.#length += text.length;
    if (this.#tail.length > 2 * this.#limit) this.#tail = this.#tail.slice(-this.#limit);
  }

  toString(): string {
    if (this.#length <= this.#limit) return this.#head + this.#tail;
    // Half of a surrogate pair is no character.
    const head = this.#head.replace(/[\ud800-\udbff]$/, "");
    const tail = this.#tail.slice(-this.#half).replace(/^[\udc00-\udfff]/, "");
    return `${head}...${tail}`;
  }
}

/** A text cut as a {@link BoundedText} is. */
export function cutText(text: string, limit: number): string {
  const bounded = new BoundedText(limit);
  bounded.append(text);
  return bounded.toString();
}
