import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeBfloat16, decodeFloat16, encodeFloat16 } from "./float16.ts";

const everyNumber = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);

test("every binary16 number survives the way to float32 and back", () => {
  const back = encodeFloat16(decodeFloat16(everyNumber));
  for (const bits of everyNumber) {
    const notANumber = (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0;
    // JavaScript does not keep the sign of a NaN.
    expect(notANumber ? back[bits]! & 0x7fff : back[bits]).toBe(notANumber ? 0x7e00 : bits);
  }
});

test("known values", () => {
  expect([...decodeFloat16(Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00))]).toEqual([
    1,
    -2,
    65_504,
    2 ** -24,
    Number.POSITIVE_INFINITY,
  ]);
  expect([...decodeBfloat16(Uint16Array.of(0x3f80, 0xc0a0))]).toEqual([1, -5]);
});

test("a float32 number becomes the nearest binary16 number, the even one of two", () => {
  const finite = [...everyNumber.subarray(0, 0x7c00)];
  const values = decodeFloat16(everyNumber);
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: finite.length - 2 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (low, share) => {
        const value = Math.fround(values[low]! + share * (values[low + 1]! - values[low]!));
        const toLow = value - values[low]!;
        const toHigh = values[low + 1]! - value;
        const expected = toLow < toHigh ? low : toLow > toHigh ? low + 1 : low % 2 === 0 ? low : low + 1;
        expect(encodeFloat16(Float32Array.of(value))[0]).toBe(expected);
      },
    ),
    { numRuns: 2000 },
  );
});
