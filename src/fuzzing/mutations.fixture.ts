/** @file For tests: files as a stranger, a bad disk or a careless editor would change them. */

import type { Random } from "../core/random.ts";

/** Numbers at which sizes, signs and products go wrong. */
const integers = [
  0n,
  1n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 60n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

const byteMutations: readonly ((bytes: Buffer, random: Random) => Buffer)[] = [
  function flipBit(bytes, random) {
    const at = random.below(bytes.length);
    bytes[at]! ^= 1 << random.below(8);
    return bytes;
  },
  function cutOff(bytes, random) {
    return bytes.subarray(0, random.below(bytes.length));
  },
  function overwriteByte(bytes, random) {
    bytes[random.below(bytes.length)] = random.below(256);
    return bytes;
  },
  function overwriteWithInteger(bytes, random) {
    const width = random.below(2) === 0 ? 4 : 8;
    const number = Buffer.alloc(8);
    number.writeBigUInt64LE(integers[random.below(integers.length)]!);
    number.copy(bytes, random.below(bytes.length), 0, width);
    return bytes;
  },
  function spliceInDigits(bytes, random) {
    const at = random.below(bytes.length);
    const digits = Buffer.from(String(integers[random.below(integers.length)]));
    return Buffer.concat([bytes.subarray(0, at), digits, bytes.subarray(at)]);
  },
  function repeatPiece(bytes, random) {
    const start = random.below(bytes.length);
    const end = start + random.below(Math.min(200, bytes.length - start));
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)]);
  },
];

/** A file with one to three changes of its bytes. */
export function mutateBytes(seed: Buffer, random: Random): Buffer {
  let bytes: Buffer = Buffer.from(seed);
  for (let i = 0; i <= random.below(3) && bytes.length > 0; i++) {
    // Half of the time within the first bytes, where the counts are.
    const head = random.below(2) === 0 ? Math.min(bytes.length, 400) : bytes.length;
    const mutation = byteMutations[random.below(byteMutations.length)]!;
    bytes = Buffer.concat([mutation(bytes.subarray(0, head), random), bytes.subarray(head)]);
  }
  return bytes;
}

/** Values that stand where another was expected. */
const strangers: readonly unknown[] = [
  null,
  true,
  false,
  "",
  0,
  -1,
  0.5,
  1e308,
  -(2 ** 53),
  2 ** 31,
  "a".repeat(10_000),
  "\ud83d",
  "\u0000\u001b[2J",
  "((a+)+)+$",
  "{{ messages }}{% for i in range(99999) %}",
  [],
  {},
  [[[[[[]]]]]],
  ["a", 1, null],
  { a: { b: { c: 1 } } },
];

/** The text of a JSON value in which one value is another, is gone, or stands under another name. */
export function mutateJson(seed: unknown, random: Random): string {
  const copy = structuredClone({ root: seed }) as Record<string, unknown>;
  const places = listPlaces(copy);
  const [holder, key] = places[random.below(places.length)]!;
  switch (random.below(4)) {
    case 0:
      if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else delete holder[key];
      break;
    case 1:
      if (!Array.isArray(holder)) {
        holder[`${key}_`] = holder[key];
        delete holder[key];
        break;
      }
      holder.push(holder[Number(key)]);
      break;
    default:
      (holder as Record<string, unknown>)[key] = strangers[random.below(strangers.length)];
  }
  return JSON.stringify(copy.root ?? null);
}

type Holder = Record<string, unknown> | unknown[];

/** Every value below an object, as what holds it and under which key. */
function listPlaces(holder: Holder): [Holder, string][] {
  return Object.entries(holder).flatMap(([key, value]) => [
    [holder, key] as [Holder, string],
    ...(typeof value === "object" && value !== null ? listPlaces(value as Holder) : []),
  ]);
}

const deep = 100_000;

/** Texts that are no file of any kind, and small ones that would be large if they were believed. */
export const attacks: readonly (string | Buffer)[] = [
  "",
  "\n",
  "null",
  "[]",
  "{}",
  '"text"',
  "[".repeat(deep),
  "[".repeat(deep) + "]".repeat(deep),
  `${'{"a":'.repeat(deep / 2)}1${"}".repeat(deep / 2)}`,
  "9".repeat(deep),
  `"${"\\".repeat(deep)}`,
  "\ufeff{}",
  Buffer.from("{}", "utf16le"),
  Buffer.alloc(1000),
  Buffer.from([0xff, 0xfe, 0xfd]),
  "- ".repeat(deep),
  "{a: ".repeat(deep / 10),
  // Each line names the one before it nine times.
  Array.from({ length: 12 }, (_, i) => `a${i}: &a${i} [${`*a${i - 1},`.repeat(i === 0 ? 0 : 9)}x]`).join(
    "\n",
  ),
  "a: &a [*a]",
  "a: !!js/function 'function () {}'",
  "'unclosed",
  `${"x,".repeat(deep / 10)}\n1`,
  `"${"a".repeat(deep)}`,
];
