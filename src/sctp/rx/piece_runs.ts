/**
 * The pieces of all messages that are not complete, as runs in their order: a message that comes in
 * order is one run that grows, and each gap within one makes a run more.
 */
import { appendRun, type Piece, type PieceHeader } from "./held_pieces.ts";
import type { PieceOrder, ReassemblyDefect } from "./piece_order.ts";

/** Runs of pieces, sorted. */
export class PieceRuns {
  readonly #order: PieceOrder;
  readonly #runs: Piece[] = [];

  constructor(order: PieceOrder) {
    this.#order = order;
  }

  /** Whether no message is incomplete. */
  get isEmpty(): boolean {
    return this.#runs.length === 0;
  }

  /** What is wrong with a piece, by itself or beside those that are here. Changes nothing. */
  judge(piece: PieceHeader): ReassemblyDefect | undefined {
    const index = this.#countUpTo(piece);
    const before = this.#runs[index - 1];
    const after = this.#runs[index];
    return this.#order.defectOf(piece) ??
      (before && this.#order.defectBetween(before.last, piece)) ??
      (after && this.#order.defectBetween(piece, after));
  }

  /** Adds a piece without a defect; returns the run that it is now part of. */
  add(piece: Piece): Piece {
    let index = this.#countUpTo(piece);
    const before = this.#runs[index - 1];
    const isContinued = before !== undefined && this.#order.continues(before.last, piece);
    if (isContinued) {
      appendRun(before, piece);
      index--;
    } else {
      this.#insert(index, piece);
    }
    const run = isContinued ? before : piece;
    const after = this.#runs[index + 1];
    if (after !== undefined && this.#order.continues(run.last, after)) {
      appendRun(run, after);
      this.#runs.splice(index + 1, 1);
    }
    return run;
  }

  /** Takes a run out. */
  remove(run: Piece): void {
    if (this.#runs.at(-1) === run) {
      this.#runs.pop();
      return;
    }
    const index = this.#countUpTo(run) - 1;
    this.#runs.splice(this.#runs[index] === run ? index : this.#runs.indexOf(run), 1);
  }

  /** Takes out all runs that a test holds for, and hands each over. */
  removeWhere(isRemoved: (run: Piece) => boolean, handOver: (run: Piece) => void): void {
    let kept = 0;
    for (const run of this.#runs) {
      if (isRemoved(run)) handOver(run);
      else this.#runs[kept++] = run;
    }
    this.#runs.length = kept;
  }

  #insert(index: number, run: Piece): void {
    if (index === this.#runs.length) this.#runs.push(run);
    else this.#runs.splice(index, 0, run);
  }

  /** How many runs begin before a piece or with it. */
  #countUpTo(piece: PieceHeader): number {
    let low = 0;
    let high = this.#runs.length;
    // Most pieces go on with the last run.
    let middle = high - 1;
    while (low < high) {
      const run = this.#runs[middle];
      if (run !== undefined && this.#order.compare(run, piece) <= 0) low = middle + 1;
      else high = middle;
      middle = (low + high) >>> 1;
    }
    return low;
  }
}
