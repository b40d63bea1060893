/**
 * The pieces of all messages that are not complete, as runs in their order: a message that comes in
 * order is one run that grows, and each gap within one makes a run more.
 */
import { appendRun, type Piece, type PieceHeader } from "./held_pieces.ts";
import { allMessages, type MessageRange, takeMessages } from "./message_range.ts";
import type { PieceOrder, ReassemblyDefect } from "./piece_order.ts";
import { SortedRuns } from "./sorted_runs.ts";

/** Runs of pieces, sorted. */
export class PieceRuns {
  readonly #order: PieceOrder;
  readonly #runs: SortedRuns;
  /** The same runs by message, where the order of the pieces is another. */
  readonly #runsByMessage: SortedRuns | undefined;

  constructor(order: PieceOrder) {
    this.#order = order;
    this.#runs = new SortedRuns(order.compare);
    const isByMessage = order.compareByMessage === order.compare;
    this.#runsByMessage = isByMessage ? undefined : new SortedRuns(order.compareByMessage);
  }

  /** Whether no message is incomplete. */
  get isEmpty(): boolean {
    return this.#runs.isEmpty;
  }

  /** What is wrong with a piece, by itself or beside those that are here. Changes nothing. */
  judge(piece: PieceHeader): ReassemblyDefect | undefined {
    const before = this.#runs.lastUpTo(piece);
    const after = this.#runs.firstAfter(piece);
    return this.#order.defectOf(piece) ??
      (before && this.#order.defectBetween(before.last, piece)) ??
      (after && this.#order.defectBetween(piece, after));
  }

  /** Adds a piece without a defect; returns the run that it is now part of. */
  add(piece: Piece): Piece {
    const before = this.#runs.lastUpTo(piece);
    const after = this.#runs.firstAfter(piece);
    const isContinued = before !== undefined && this.#order.continues(before.last, piece);
    const run = isContinued ? before : piece;
    if (isContinued) appendRun(before, piece);
    if (after !== undefined && this.#order.continues(run.last, after)) {
      this.remove(after);
      appendRun(run, after);
    }
    if (!isContinued) this.#insert(run);
    return run;
  }

  /** Takes a run out. */
  remove(run: Piece): void {
    this.#runs.remove(run);
    this.#runsByMessage?.remove(run);
  }

  /** Takes out runs from the first on, as long as a test holds for them. */
  takeFirst(isTaken: (run: Piece) => boolean): Piece[] {
    const taken: Piece[] = [];
    for (let run = this.#runs.first; run !== undefined && isTaken(run); run = this.#runs.first) {
      this.remove(run);
      taken.push(run);
    }
    return taken;
  }

  /** Takes out the runs of some messages. */
  takeMessages(range: MessageRange): Piece[] {
    if (this.#runsByMessage === undefined) return takeMessages(this.#runs, range);
    const taken = takeMessages(this.#runsByMessage, range);
    for (const run of taken) this.#runs.remove(run);
    return taken;
  }

  /** Takes out the runs of a stream. */
  takeStream(streamId: number): Piece[] {
    return [false, true].flatMap((isUnordered) =>
      this.takeMessages(allMessages(streamId, isUnordered))
    );
  }

  /** Takes out all runs. */
  takeAll(): Piece[] {
    this.#runsByMessage?.takeAll();
    return this.#runs.takeAll();
  }

  #insert(run: Piece): void {
    this.#runs.add(run);
    this.#runsByMessage?.add(run);
  }
}
