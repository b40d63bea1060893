/** Random changes to texts that were valid, the same for the same seed. */

/** Numbers that look random (mulberry32). */
export class SeededRandom {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed;
  }

  /** 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 * limit);
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }
}

const insertions = [
  ..."\u0000\n\r\t :;,.[]{}\"'\\/%+-=*#@_aZ09\u001b\u00e9\u2028\ud800\udc00\uffff",
  "\r\n",
  "::",
  "0x",
  "%00",
  "a=",
  "-1",
  "1e9",
  "99999999999999999999",
  "NaN",
  "__proto__",
  "\u001b[200~",
  "x".repeat(300),
];

type Mutation = (text: string, random: SeededRandom, samples: readonly string[]) => string;

const mutations: readonly Mutation[] = [
  /** Changes one bit. */
  (text, random) => {
    const at = random.below(text.length);
    const code = (text.charCodeAt(at) || 0) ^ (1 << random.below(8));
    return text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1);
  },
  /** Cuts the end off. */
  (text, random) => text.slice(0, random.below(text.length + 1)),
  /** Cuts a piece out. */
  (text, random) => {
    const at = random.below(text.length + 1);
    return text.slice(0, at) + text.slice(at + random.below(20));
  },
  /** Says a piece twice. */
  (text, random) => {
    const at = random.below(text.length + 1);
    const piece = text.slice(at, at + 1 + random.below(40));
    return text.slice(0, at) + piece.repeat(1 + random.below(3)) + text.slice(at);
  },
  /** Goes on with another sample. */
  (text, random, samples) => {
    const other = samples[random.below(samples.length)] ?? "";
    return text.slice(0, random.below(text.length + 1)) +
      other.slice(random.below(other.length + 1));
  },
  /** Puts something in. */
  (text, random) => {
    const at = random.below(text.length + 1);
    return text.slice(0, at) + random.pick(insertions) + text.slice(at);
  },
  /** Lies about a number. */
  (text, random) => {
    const numbers = [...text.matchAll(/\d+/g)];
    const number = numbers[random.below(numbers.length)];
    if (number === undefined) return text;
    const lie = random.pick(["0", "1", "65536", "-1", "4294967296", "1e400", `${number[0]}0`]);
    return text.slice(0, number.index) + lie + text.slice(number.index + number[0].length);
  },
];

/** One of the samples, changed in one to four places. */
export function mutate(samples: readonly string[], random: SeededRandom): string {
  let text = samples[random.below(samples.length)] ?? "";
  for (let left = 1 + random.below(4); left > 0; left--) {
    text = random.pick(mutations)(text, random, samples);
  }
  return text;
}
