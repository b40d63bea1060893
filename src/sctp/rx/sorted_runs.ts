/**
 * Runs of pieces in an order. They lie in blocks, so that to put one in or take one out moves few
 * others, however many there are: the peer says where each stands.
 */
import type { Piece, PieceHeader } from "./held_pieces.ts";

/** Negative where `one` stands before `other`, 0 where it has the same place. */
export type ComparePieces = (one: PieceHeader, other: PieceHeader) => number;

/** A block that grows longer is split. */
const maxBlockLength = 256;

/** A sorted list. */
export class SortedRuns {
  readonly #compare: ComparePieces;
  /** None is empty. */
  readonly #blocks: Piece[][] = [];

  constructor(compare: ComparePieces) {
    this.#compare = compare;
  }

  /** Whether there are none. */
  get isEmpty(): boolean {
    return this.#blocks.length === 0;
  }

  /** The one that stands before all others. */
  get first(): Piece | undefined {
    return this.#blocks[0]?.[0];
  }

  /** The last that stands before a place or at it. */
  lastUpTo(place: PieceHeader): Piece | undefined {
    const block = this.#blocks[this.#blockNumberOf(place)];
    return block?.[this.#countUpTo(block, place) - 1];
  }

  /** The first that stands behind a place. */
  firstAfter(place: PieceHeader): Piece | undefined {
    const number = this.#blockNumberOf(place);
    const block = this.#blocks[number];
    return block?.[this.#countUpTo(block, place)] ?? this.#blocks[number + 1]?.[0];
  }

  /** Puts a run in. */
  add(run: Piece): void {
    const number = this.#blockNumberOf(run);
    const block = this.#blocks[number];
    if (block === undefined) {
      this.#blocks.push([run]);
      return;
    }
    const index = this.#countUpTo(block, run);
    if (index === block.length) block.push(run);
    else block.splice(index, 0, run);
    if (block.length <= maxBlockLength) return;
    this.#blocks.splice(number + 1, 0, block.splice(maxBlockLength / 2));
  }

  /** Takes a run out. */
  remove(run: Piece): void {
    const number = this.#blockNumberOf(run);
    const block = this.#blocks[number];
    const index = block === undefined ? -1 : this.#countUpTo(block, run) - 1;
    if (block?.[index] === run) this.#removeAt(number, index);
    else this.#seekAndRemove(run);
  }

  /** Takes out those that stand behind a place, up to another and with it, in order. */
  takeBetween(after: PieceHeader, upTo: PieceHeader): Piece[] {
    const taken: Piece[] = [];
    for (;;) {
      const run = this.firstAfter(after);
      if (run === undefined || this.#compare(run, upTo) > 0) return taken;
      this.remove(run);
      taken.push(run);
    }
  }

  /** Takes out all, in order. */
  takeAll(): Piece[] {
    return this.#blocks.splice(0).flat();
  }

  /** Where two have the same place, or the order of TSNs has come full circle. */
  #seekAndRemove(run: Piece): void {
    const number = this.#blocks.findIndex((block) => block.includes(run));
    if (number >= 0) this.#removeAt(number, this.#blocks[number]?.indexOf(run) ?? 0);
  }

  #removeAt(number: number, index: number): void {
    const block = this.#blocks[number] as Piece[];
    if (index === block.length - 1) block.pop();
    else block.splice(index, 1);
    if (block.length === 0) this.#blocks.splice(number, 1);
  }

  /** The last block that begins before a place or at it, else the first. */
  #blockNumberOf(place: PieceHeader): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      const first = this.#blocks[middle]?.[0];
      if (first !== undefined && this.#compare(first, place) <= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** How many of a block stand before a place or at it. */
  #countUpTo(block: readonly Piece[], place: PieceHeader): number {
    let low = 0;
    let high = block.length;
    // Most pieces go on with the last run.
    let middle = high - 1;
    while (low < high) {
      const run = block[middle];
      if (run !== undefined && this.#compare(run, place) <= 0) low = middle + 1;
      else high = middle;
      middle = (low + high) >>> 1;
    }
    return low;
  }
}
