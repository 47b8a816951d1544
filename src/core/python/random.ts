/** @file Random numbers of Python's `random.Random`, so that few-shot draws are those of lm-evaluation-harness. */

export interface PythonRandom {
  /** A whole number of `bits` random bits, 1 to 32. */
  getrandbits(bits: number): number;
  /** A whole number in [0, n), each equally likely; n from 1 to 2^32 - 1. */
  randbelow(n: number): number;
  /** `count` different elements, in the order of their selection; `count` at most their number. */
  sample<T>(population: readonly T[], count: number): T[];
  /** Brings the elements into a random order, in place. */
  shuffle<T>(elements: T[]): void;
}

/** The generator that `random.Random(seed)` is, for a whole number from 0 to 2^53 - 1. */
export function createPythonRandom(seed: number): PythonRandom {
  const nextUint32 = drawFrom(seedByArray(seedWords(seed)));
  const getrandbits = (bits: number) => nextUint32() >>> (32 - bits);
  const randbelow = (n: number) => {
    const bits = 32 - Math.clz32(n);
    let value = getrandbits(bits);
    while (value >= n) value = getrandbits(bits);
    return value;
  };
  return {
    getrandbits,
    randbelow,
    sample(population, count) {
      const size = population.length;
      if (count > size)
        throw new RangeError(`A sample of ${count} is larger than the population of ${size}.`);
      // CPython's choice between two ways of drawing, which draw differently, by the memory that they take.
      const setSize = 21 + (count > 5 ? 4 ** Math.ceil(Math.log(count * 3) / Math.log(4)) : 0);
      if (size > setSize) {
        const selected = new Set<number>();
        while (selected.size < count) selected.add(randbelow(size));
        return Array.from(selected, (index) => population[index]!);
      }
      const pool = [...population];
      return Array.from({ length: count }, (_, i) => {
        const index = randbelow(size - i);
        const element = pool[index]!;
        pool[index] = pool[size - i - 1]!;
        return element;
      });
    },
    shuffle(elements) {
      for (let i = elements.length - 1; i > 0; i--) {
        const j = randbelow(i + 1);
        [elements[i], elements[j]] = [elements[j]!, elements[i]!];
      }
    },
  };
}

/** A seed's 32-bit words, lowest first. */
function seedWords(seed: number): number[] {
  const high = Math.floor(seed / 2 ** 32);
  return high > 0 ? [seed >>> 0, high] : [seed >>> 0];
}

const stateSize = 624;
const shiftSize = 397;

/** MT19937 with `init_genrand`, as PyTorch seeds it on the CPU: draws of 32 random bits. @param seed taken modulo 2^32 */
export function createMersenneTwister(seed: number): () => number {
  return drawFrom(seedByNumber(seed));
}

/** `init_genrand` of MT19937 (Matsumoto and Nishimura 1998, mt19937ar.c of 2002). */
function seedByNumber(seed: number): Uint32Array {
  const state = new Uint32Array(stateSize);
  state[0] = seed % 2 ** 32;
  for (let i = 1; i < stateSize; i++) state[i] = Math.imul(1812433253, mixed(state, i)) + i;
  return state;
}

/** What the word before `index` gives to it. */
function mixed(state: Uint32Array, index: number): number {
  const previous = state[index - 1]!;
  return previous ^ (previous >>> 30);
}

/** `init_by_array` of the same. */
function seedByArray(key: readonly number[]): Uint32Array {
  const state = seedByNumber(19650218);
  let i = 1;
  const advance = () => {
    if (++i < stateSize) return;
    state[0] = state[stateSize - 1]!;
    i = 1;
  };
  for (let k = 0; k < Math.max(stateSize, key.length); k++) {
    const j = k % key.length;
    state[i] = (state[i]! ^ Math.imul(mixed(state, i), 1664525)) + key[j]! + j;
    advance();
  }
  for (let k = 1; k < stateSize; k++) {
    state[i] = (state[i]! ^ Math.imul(mixed(state, i), 1566083941)) - i;
    advance();
  }
  state[0] = 0x80000000;
  return state;
}

function drawFrom(state: Uint32Array): () => number {
  function generate(): void {
    for (let k = 0; k < stateSize; k++) {
      const y = (state[k]! & 0x80000000) | (state[(k + 1) % stateSize]! & 0x7fffffff);
      state[k] = state[(k + shiftSize) % stateSize]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
  }

  let position = stateSize;
  return () => {
    if (position === stateSize) {
      generate();
      position = 0;
    }
    let y = state[position++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}
