/**
 * Which records of one epoch have come already (RFC 6347 section 4.1.2.6). Wide, as WireGuard's,
 * because whole bursts overtake each other.
 *
 * @module
 */

/** How far behind the newest record an older one may come. */
export const replayWindowLength = 8_192;

/** Twice the window, so that the words ahead of it can be cleared whole; a power of two. */
const wordCount = 2 * replayWindowLength / 32;

/** A ring of bits, one a sequence number. Sequence numbers have 48 bits and never wrap. */
export class ReplayWindow {
  readonly #words = new Uint32Array(wordCount);
  #highest = -1;

  /** Whether a record with this number may be new. Changes nothing. */
  check(sequence: number): boolean {
    if (sequence > this.#highest) return true;
    if (this.#highest - sequence >= replayWindowLength) return false;
    return ((this.#words[wordOf(sequence)] ?? 0) & bitOf(sequence)) === 0;
  }

  /**
   * "The receive window is updated only if the MAC verification succeeds." To be called with what
   * `check` allowed and the key then proved.
   */
  update(sequence: number): void {
    if (sequence > this.#highest) this.#advance(sequence);
    const word = wordOf(sequence);
    this.#words[word] = (this.#words[word] ?? 0) | bitOf(sequence);
  }

  #advance(sequence: number): void {
    const last = Math.floor(sequence / 32);
    const first = Math.max(Math.floor(this.#highest / 32) + 1, last - wordCount + 1);
    for (let word = first; word <= last; word++) this.#words[word & (wordCount - 1)] = 0;
    this.#highest = sequence;
  }
}

// The bit operators take a number modulo 2^32, which is right here for numbers of any size.

function wordOf(sequence: number): number {
  return Math.floor(sequence / 32) & (wordCount - 1);
}

function bitOf(sequence: number): number {
  return 1 << (sequence & 31);
}
