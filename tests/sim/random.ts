/**
 * Seeded random numbers for the simulated network: the same seed gives the same numbers on every
 * machine. Not cryptographic: a few outputs tell all that follow.
 */

/** Where the four words of the state start from; any four numbers that differ would do. */
const HASH_BASES = [0x811c9dc5, 0x9e3779b9, 0x85ebca6b, 0xc2b2ae35] as const;

const FNV_PRIME = 0x01000193;

/**
 * xoshiro128** 1.1 (Blackman and Vigna), 32 bits a draw, period 2^128 - 1. Its state is a hash of the
 * seed and of the names on the way from it, so that streams with different names are independent,
 * and drawing from one moves no other.
 */
export class Random {
  readonly #path: string;
  #s0: number;
  #s1: number;
  #s2: number;
  #s3: number;

  constructor(seed: number | string) {
    this.#path = String(seed);
    this.#s0 = hashText(this.#path, HASH_BASES[0]);
    this.#s1 = hashText(this.#path, HASH_BASES[1]);
    this.#s2 = hashText(this.#path, HASH_BASES[2]);
    this.#s3 = hashText(this.#path, HASH_BASES[3]) | 1; // all zeros would stay zeros
  }

  /** The generator at a given state, to compare with published sequences. */
  static fromState(state: readonly [number, number, number, number]): Random {
    const random = new Random("");
    [random.#s0, random.#s1, random.#s2, random.#s3] = state;
    return random;
  }

  /** A stream of its own. It depends on this one's seed and the name, not on what was drawn. */
  fork(name: string): Random {
    return new Random(`${this.#path}/${name}`);
  }

  /** 0 to 2^32 - 1. */
  next32(): number {
    const scrambled = Math.imul(this.#s1, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9);
    const shifted = this.#s1 << 9;
    this.#s2 ^= this.#s0;
    this.#s3 ^= this.#s1;
    this.#s1 ^= this.#s2;
    this.#s0 ^= this.#s3;
    this.#s2 ^= shifted;
    this.#s3 = (this.#s3 << 11) | (this.#s3 >>> 21);
    return result >>> 0;
  }

  /** From 0 to below 1, in steps of 2^-32. */
  fraction(): number {
    return this.next32() / 2 ** 32;
  }

  /** True with this probability: never at 0, always at 1. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** 0 to `limit` - 1; the limit is at most 2^32. */
  below(limit: number): number {
    return Math.floor(this.fraction() * limit);
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.below(choices.length)] ?? choices[0];
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at++) bytes[at] = this.next32() >>> 24;
    return bytes;
  }
}

/** FNV-1a over the UTF-16 units, then MurmurHash3's finalizer, since FNV leaves high bits poor. */
function hashText(text: string, basis: number): number {
  let hash: number = basis;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
