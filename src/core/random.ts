/** @file Seeded random numbers: a seed and counters name a stream, so that any draw can be repeated on its own. */

export interface Random {
  /** A whole number of 32 random bits. */
  nextUint32(): number;
  /** A number in [0, 1) of 32 random bits. */
  uniform(): number;
  /** A number from the standard normal distribution. */
  normal(): number;
  /** A whole number in [0, n), each equally likely; n at most 2^32. */
  below(n: number): number;
}

/**
 * The stream of random numbers named by `seed` and any `counters` (whole numbers), such as an epoch or a step.
 * Streams of different names are unrelated. The generator is xoshiro128** (Blackman and Vigna 2018), its state
 * filled by MurmurHash3's finalizer.
 */
export function createRandom(seed: number, ...counters: readonly number[]): Random {
  let hash = 0;
  const absorb = (value: number) => {
    hash = mixBits((hash ^ value) + 0x9e3779b9);
  };
  for (const value of [seed, ...counters]) {
    absorb(value | 0);
    absorb(Math.floor(value / 2 ** 32));
  }
  const state = new Uint32Array(4);
  for (let i = 0; i < 4; i++) {
    absorb(i);
    state[i] = hash;
  }

  return randomFrom(createXoshiro128(state));
}

/** Draws of all kinds from a generator of 32 random bits. */
export function randomFrom(nextUint32: () => number): Random {
  const uniform = () => nextUint32() / 2 ** 32;
  return {
    nextUint32,
    uniform,
    // Box and Muller 1958; 1 - u keeps the logarithm finite.
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    below(n) {
      // Draws beyond the last whole multiple of n are repeated, so that no value is favoured.
      const limit = 2 ** 32 - (2 ** 32 % n);
      let value = nextUint32();
      while (value >= limit) value = nextUint32();
      return value % n;
    },
  };
}

/** xoshiro128** 1.1: draws of 32 random bits. `state` is four numbers, not all 0, which the draws change. */
export function createXoshiro128(state: Uint32Array): () => number {
  return () => {
    const s1 = state[1]!;
    const product = Math.imul(s1, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    state[2]! ^= state[0]!;
    state[3]! ^= s1;
    state[1]! ^= state[2]!;
    state[0]! ^= state[3]!;
    state[2]! ^= s1 << 9;
    const s3 = state[3]!;
    state[3] = (s3 << 11) | (s3 >>> 21);
    return result;
  };
}

/** MurmurHash3's 32-bit finalizer. */
export function mixBits(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
