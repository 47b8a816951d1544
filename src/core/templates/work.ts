/** @file The work that rendering a template may take, in characters made or read, which bounds its time and memory. */

/**
 * About a second, and 64 MB. A conversation of a hundred messages takes a hundredth. What is given to the template
 * may be read and copied some times more.
 */
const baseUnits = 2 ** 25;
const unitsPerInput = 16;

/** What a part of a template costs that is evaluated, and an element of a list, with the values they make. */
const unitsPerNode = 64;
export const unitsPerElement = 32;
const unitsPerVisit = 16;

/** Characters of a text that are compared with another's in the time of one unit. */
const comparedPerUnit = 32;

/**
 * Counts the work of one rendering. Templates come from strangers, so everything that they can have done is paid for,
 * by the longest it can take and the most it can hold, before it is done.
 */
export class Work {
  #left = baseUnits;

  /** @throws Error if the work is more than a template may take. */
  spend(units: number): void {
    this.#left -= units;
    // Also of NaN.
    if (!(this.#left >= 0)) throw new Error("it takes more time or memory than a template may");
  }

  spendNode(): void {
    this.spend(unitsPerNode);
  }

  /** For looking at a value within another. */
  spendVisit(): void {
    this.spend(unitsPerVisit);
  }

  spendElements(count: number): void {
    this.spend(unitsPerElement * count);
  }

  /** For finding all places of a part in a text. */
  spendSearch(text: string, part: string): void {
    this.spend(part.length > text.length ? 1 : text.length * (1 + part.length / comparedPerUnit));
  }

  /** A text that was just made. */
  text(value: string): string {
    this.spend(value.length);
    return value;
  }

  /** A list that was just made. */
  list<T>(elements: T[]): T[] {
    this.spendElements(elements.length);
    return elements;
  }

  /** A text that is to be taken apart. */
  readCharacters(text: string): string {
    this.spendElements(text.length);
    return text;
  }

  /** For what a function that the template is given makes of a text. */
  spendCall(text: string): void {
    this.spend(unitsPerElement * text.length);
  }

  /** Counts the size of what the template is given. */
  take(units: number): void {
    this.#left += unitsPerInput * units;
  }
}
