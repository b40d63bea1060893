/**
 * Which TSNs have come (RFC 9260, sections 6.2 and 6.7), and the SACK that says so. Knows numbers
 * only: neither what the pieces carry, nor when a SACK is due.
 */
import {
  sackHeaderLength,
  writeDuplicate,
  writeGap,
  writeSackHeader,
} from "../packet/sack_chunk.ts";
import { add32, distance32, isAfter32 } from "../serial.ts";

/**
 * - `"new"`: to be taken.
 * - `"duplicate"`: has come before, or was given up by the peer.
 * - `"beyond"`: further ahead than the window; to be dropped and not acknowledged.
 */
export type TsnVerdict = "new" | "duplicate" | "beyond";

/** How far ahead of the cumulative TSN a TSN is taken; a power of two. */
export const tsnWindowLength = 32_768;

const wordCount = tsnWindowLength / 32;

/**
 * How far a FORWARD TSN may move the cumulative TSN: further than any sender has TSNs outstanding,
 * also those that were dropped here as "beyond".
 */
const maxForwardDistance = 2 ** 20;

/** How many duplicates are kept for the next SACK: more would tell the peer nothing new. */
const maxDuplicateCount = 20;

/** A gap block and a duplicate take the same room in a SACK, in bytes. */
const sackEntryLength = 4;

/**
 * Bitmaps without a bit set, kept to be taken again: with loss, gaps come and go all the time. They
 * hold nothing of an association, so that all share them.
 */
const spareBitmaps: Uint32Array[] = [];
const maxSpareCount = 8;

/** The TSNs received: all up to one, and a bitmap of those ahead of it while there are gaps. */
export class ReceivedTsns {
  #cumulativeTsn: number;
  /** Beyond the cumulative TSN only where there are gaps, and then a TSN that has come. */
  #highestTsn: number;
  /**
   * A ring of bits, one a TSN; set for TSNs that have come after the cumulative one, and clear
   * elsewhere. There only while there are gaps.
   */
  #words: Uint32Array | undefined;
  readonly #duplicates: number[] = [];

  /** Starts with nothing received; `initialTsn` is the first that the peer will send. */
  constructor(initialTsn: number) {
    this.#cumulativeTsn = add32(initialTsn, -1);
    this.#highestTsn = this.#cumulativeTsn;
  }

  /** All up to and including this have come, or were given up by the peer. */
  get cumulativeTsn(): number {
    return this.#cumulativeTsn;
  }

  /** The last of all that have come; the cumulative TSN where there are no gaps. */
  get highestTsn(): number {
    return this.#highestTsn;
  }

  /** Whether TSNs before the highest are missing. */
  get hasGaps(): boolean {
    return this.#words !== undefined;
  }

  /** Whether the next SACK will report duplicates. */
  get hasDuplicates(): boolean {
    return this.#duplicates.length > 0;
  }

  /** Judges a TSN; changes nothing. */
  judge(tsn: number): TsnVerdict {
    const offset = distance32(this.#cumulativeTsn, tsn);
    if (offset <= 0) return "duplicate";
    if (offset > tsnWindowLength) return "beyond";
    const words = this.#words;
    return words !== undefined && isSet(words, tsn) ? "duplicate" : "new";
  }

  /** Takes a TSN that was judged new. */
  add(tsn: number): void {
    const words = this.#words;
    if (tsn !== add32(this.#cumulativeTsn, 1)) {
      this.#addBehindGap(tsn);
    } else if (words === undefined) {
      this.#cumulativeTsn = this.#highestTsn = tsn;
    } else {
      this.#cumulativeTsn = tsn;
      this.#advance(words);
    }
  }

  /** Keeps a TSN that was judged a duplicate, to be reported by the next SACK. */
  noteDuplicate(tsn: number): void {
    if (this.#duplicates.length < maxDuplicateCount) this.#duplicates.push(tsn);
  }

  /**
   * Counts all up to and including a TSN as come, as the peer has given them up (RFC 3758, section
   * 3.6). False where that moves nothing forward, or further than could be.
   */
  forward(newCumulativeTsn: number): boolean {
    const distance = distance32(this.#cumulativeTsn, newCumulativeTsn);
    // "if the "New Cumulative TSN" value carried in the arrived FORWARD TSN chunk is found to be
    // behind or at the current cumulative TSN point, the data receiver MUST treat this FORWARD TSN
    // as out-of-date and MUST NOT update its Cumulative TSN."
    if (distance <= 0 || distance > maxForwardDistance) return false;
    const words = this.#words;
    if (words !== undefined) this.#clear(words, Math.min(distance, tsnWindowLength));
    this.#cumulativeTsn = newCumulativeTsn;
    if (!isAfter32(this.#highestTsn, newCumulativeTsn)) this.#highestTsn = newCumulativeTsn;
    // "and then MUST further advance its cumulative TSN point locally if possible"
    if (words !== undefined) this.#advance(words);
    return true;
  }

  /**
   * Writes a whole SACK chunk at `out[at..end)`, with as many gap blocks as fit and then as many
   * duplicates; returns where it ends. The duplicates are forgotten: "The duplicate count is
   * reinitialized to zero after sending each SACK" (RFC 9260, section 3.3.4).
   */
  writeSack(out: Uint8Array, at: number, end: number, receiverWindow: number): number {
    const first = at + sackHeaderLength;
    const words = this.#words;
    const gapsEnd = words === undefined ? first : this.#writeGaps(words, out, first, end);
    const sackEnd = this.#writeDuplicates(out, gapsEnd, end);
    const gapCount = (gapsEnd - first) / sackEntryLength;
    const duplicateCount = (sackEnd - gapsEnd) / sackEntryLength;
    writeSackHeader(out, at, this.#cumulativeTsn, receiverWindow, gapCount, duplicateCount);
    return sackEnd;
  }

  #addBehindGap(tsn: number): void {
    this.#words ??= spareBitmaps.pop() ?? new Uint32Array(wordCount);
    const word = wordOf(tsn);
    this.#words[word] = (this.#words[word] ?? 0) | (1 << (tsn & 31));
    if (isAfter32(tsn, this.#highestTsn)) this.#highestTsn = tsn;
  }

  /** Moves the cumulative TSN over those behind it that have come; their bits are cleared. */
  #advance(words: Uint32Array): void {
    const length = distance32(this.#cumulativeTsn, this.#highestTsn);
    const come = this.#firstOffset(words, 1, length, false) - 1;
    this.#clear(words, come);
    this.#cumulativeTsn = add32(this.#cumulativeTsn, come);
    if (come === length) this.#releaseWords(words);
  }

  /** Clears the bits of the first so many TSNs after the cumulative one. */
  #clear(words: Uint32Array, length: number): void {
    let tsn = add32(this.#cumulativeTsn, 1);
    for (let left = length; left > 0;) {
      const bit = tsn & 31;
      const count = Math.min(32 - bit, left);
      const word = wordOf(tsn);
      words[word] = (words[word] ?? 0) & ~(lowBits(count) << bit);
      tsn += count;
      left -= count;
    }
  }

  #releaseWords(words: Uint32Array): void {
    this.#words = undefined;
    if (spareBitmaps.length < maxSpareCount) spareBitmaps.push(words);
  }

  /** The first offset in `from..length` whose TSN has come, or has not; else `length + 1`. */
  #firstOffset(words: Uint32Array, from: number, length: number, hasCome: boolean): number {
    const inverted = hasCome ? 0 : -1;
    let offset = from;
    while (offset <= length) {
      const tsn = this.#cumulativeTsn + offset;
      const bits = ((words[wordOf(tsn)] ?? 0) ^ inverted) >>> (tsn & 31);
      if (bits !== 0) return Math.min(offset + lowestBit(bits), length + 1);
      offset += 32 - (tsn & 31);
    }
    return length + 1;
  }

  #writeGaps(words: Uint32Array, out: Uint8Array, first: number, end: number): number {
    const length = distance32(this.#cumulativeTsn, this.#highestTsn);
    let at = first;
    let start = this.#firstOffset(words, 1, length, true);
    while (start <= length && at + sackEntryLength <= end) {
      const missing = this.#firstOffset(words, start, length, false);
      writeGap(out, at, start, missing - 1);
      at += sackEntryLength;
      start = this.#firstOffset(words, missing, length, true);
    }
    return at;
  }

  #writeDuplicates(out: Uint8Array, first: number, end: number): number {
    if (this.#duplicates.length === 0) return first;
    let at = first;
    for (const tsn of this.#duplicates) {
      if (at + sackEntryLength > end) break;
      writeDuplicate(out, at, tsn);
      at += sackEntryLength;
    }
    this.#duplicates.length = 0;
    return at;
  }
}

// The bit operators take a number modulo 2^32, which is right here for TSNs that have run past it.

function wordOf(tsn: number): number {
  return (tsn & (tsnWindowLength - 1)) >>> 5;
}

function isSet(words: Uint32Array, tsn: number): boolean {
  return (((words[wordOf(tsn)] ?? 0) >>> (tsn & 31)) & 1) !== 0;
}

/** The number of the lowest bit that is set. */
function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

/** A word with the lowest so many bits set, 1 to 32. */
function lowBits(count: number): number {
  return -1 >>> (32 - count);
}
