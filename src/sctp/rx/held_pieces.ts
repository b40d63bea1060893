/**
 * Pieces of user messages that wait for others: for the rest of their message, or for the turn of
 * it. Knows where their bytes lie and how much they are, not which belong together.
 */
import type { Instant } from "../../sans_io.ts";
import type { DataFields } from "../packet/data_chunk.ts";
import { dataFlags } from "../packet/data_chunk.ts";
import { type PayloadStore, type PieceHandle, placeLengthOf } from "../payload_store.ts";

/** What a piece counts beyond its user data against the receive window, in bytes. */
const pieceOverhead = 64;
/** What a piece counts at least: about the memory that one of few bytes takes up. */
const minPieceCost = 512;
/** No piece takes up more than so many times what it counts. */
const maxPlacePerCost = 4;

/** What a piece says of itself. */
export type PieceHeader = Pick<
  DataFields,
  "flags" | "tsn" | "streamId" | "messageNumber" | "ppid" | "fragmentNumber"
>;

/**
 * A piece that is held. Pieces of one message that follow each other without a gap are a run: a
 * chain by `next`, named by its first piece.
 */
export class Piece implements PieceHeader {
  readonly flags: number;
  readonly tsn: number;
  readonly streamId: number;
  readonly messageNumber: number;
  readonly ppid: number;
  readonly fragmentNumber: number;
  readonly handle: PieceHandle;
  /** Of its user data. */
  readonly length: number;
  next: Piece | undefined;
  /** Of the first piece of a run: its last. */
  last: Piece;
  /** Of the first piece of a run: the user data of all. */
  runLength: number;

  constructor(fields: DataFields, handle: PieceHandle) {
    this.flags = fields.flags;
    this.tsn = fields.tsn;
    this.streamId = fields.streamId;
    this.messageNumber = fields.messageNumber;
    this.ppid = fields.ppid;
    this.fragmentNumber = fields.fragmentNumber;
    this.handle = handle;
    this.length = fields.payloadEnd - fields.payloadStart;
    this.next = undefined;
    this.last = this;
    this.runLength = this.length;
  }
}

/** Whether a piece or a message does without order. */
export function isUnordered(piece: PieceHeader): boolean {
  return (piece.flags & dataFlags.unordered) !== 0;
}

/** Whether a piece is the first of its message. */
export function isBeginning(piece: PieceHeader): boolean {
  return (piece.flags & dataFlags.beginning) !== 0;
}

/** Whether a piece is the last of its message. */
export function isEnding(piece: PieceHeader): boolean {
  return (piece.flags & dataFlags.ending) !== 0;
}

/** Whether a run is all of its message. */
export function isComplete(run: Piece): boolean {
  return isBeginning(run) && isEnding(run.last);
}

/** Adds what follows a run without a gap, itself a run. */
export function appendRun(run: Piece, following: Piece): void {
  run.last.next = following;
  run.last = following.last;
  run.runLength += following.runLength;
}

/** What a piece with so much user data counts against the receive window, in bytes. */
export function pieceCost(length: number): number {
  const least = Math.max(minPieceCost, placeLengthOf(length) / maxPlacePerCost);
  return Math.max(length + pieceOverhead, least);
}

/** Holds pieces and frees them. */
export class HeldPieces {
  readonly #store: PayloadStore;
  #heldLength = 0;

  constructor(store: PayloadStore) {
    this.#store = store;
  }

  /** What all that is held counts, in bytes: user data and overhead. */
  get heldLength(): number {
    return this.#heldLength;
  }

  /** Holds a copy of a piece, as a run of its own. */
  hold(fields: DataFields, bytes: Uint8Array): Piece {
    const handle = this.#store.hold(bytes, fields.payloadStart, fields.payloadEnd);
    const piece = new Piece(fields, handle);
    this.#heldLength += pieceCost(piece.length);
    return piece;
  }

  /** Frees all pieces of a run. */
  free(run: Piece, now: Instant): void {
    for (let piece: Piece | undefined = run; piece !== undefined; piece = piece.next) {
      this.#store.free(piece.handle, now);
      this.#heldLength -= pieceCost(piece.length);
    }
  }
}
