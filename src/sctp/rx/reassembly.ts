/**
 * From pieces to messages (RFC 9260, sections 6.5, 6.6 and 6.9; RFC 8260, section 2). Knows which
 * pieces are held; which TSNs have come, and what window is left, is known by others.
 */
import type { Instant } from "../../sans_io.ts";
import { type DataFields, dataFlags } from "../packet/data_chunk.ts";
import type { SkippedMessage } from "../packet/forward_tsn_chunk.ts";
import { maxPieceLength, type PayloadStore } from "../payload_store.ts";
import { missesGivenUp } from "./given_up.ts";
import { HeldPieces, isComplete, isUnordered, type Piece } from "./held_pieces.ts";
import { MessageBuffer } from "./message_buffer.ts";
import { MessageOrder } from "./message_order.ts";
import { dataOrder, iDataOrder, type ReassemblyDefect } from "./piece_order.ts";
import { PieceRuns } from "./piece_runs.ts";

export type { ReassemblyDefect } from "./piece_order.ts";

/**
 * `bytes[start..end)` is a whole message, lent until this returns. It must not throw, nor call
 * anything of the `Reassembly` but `heldLength`, which still counts the message if it was held.
 */
export type DeliverMessage = (
  streamId: number,
  ppid: number,
  bytes: Uint8Array,
  start: number,
  end: number,
) => void;

/** What a `Reassembly` is made of. */
export interface ReassemblyOptions {
  readonly store: PayloadStore;
  readonly deliver: DeliverMessage;
  /** Pieces come in I-DATA chunks, not in DATA chunks. */
  readonly isInterleaved: boolean;
  /** In bytes; a longer message is a defect. */
  readonly maxMessageLength: number;
  /** SSN or MID that streams start with before they are reset; for tests. */
  readonly initialMessageNumber?: number;
}

const wholeFlags = dataFlags.beginning | dataFlags.ending;

/**
 * Puts messages together and delivers them, the ordered ones of a stream in order. Holds no more
 * than it is given: to bound that is up to the caller.
 */
export class Reassembly {
  readonly #store: PayloadStore;
  readonly #deliver: DeliverMessage;
  readonly #isInterleaved: boolean;
  readonly #maxMessageLength: number;
  readonly #pieces: HeldPieces;
  readonly #runs: PieceRuns;
  readonly #order: MessageOrder;
  readonly #buffer = new MessageBuffer();

  constructor(options: ReassemblyOptions) {
    this.#store = options.store;
    this.#deliver = options.deliver;
    this.#isInterleaved = options.isInterleaved;
    this.#maxMessageLength = options.maxMessageLength;
    this.#pieces = new HeldPieces(options.store);
    this.#runs = new PieceRuns(options.isInterleaved ? iDataOrder : dataOrder);
    this.#order = new MessageOrder(options.isInterleaved, options.initialMessageNumber ?? 0);
  }

  /**
   * What is held, in bytes: user data, and for each piece an overhead. It counts against the
   * receive window.
   */
  get heldLength(): number {
    return this.#pieces.heldLength;
  }

  /**
   * Takes a piece whose TSN is new; its user data lies in `bytes` and is lent. Delivers all that is
   * now complete and in order. With a defect, nothing more is to be handed in.
   */
  handleData(fields: DataFields, bytes: Uint8Array, now: Instant): ReassemblyDefect | undefined {
    const { flags, streamId, messageNumber } = fields;
    const isWhole = (flags & wholeFlags) === wholeFlags;
    const isOrdered = (flags & dataFlags.unordered) === 0;
    const turn = isOrdered ? this.#order.turnOf(streamId, messageNumber) : 0;
    // Of a message that was delivered, or what was on its way of one that the peer has given up.
    if (turn < 0 || (!isOrdered && !isWhole && this.#isGivenUp(fields))) return undefined;
    const defect = this.#judge(fields, isWhole, turn);
    if (defect !== undefined) return defect;
    if (!isWhole || turn > 0) return this.#hold(fields, bytes, turn, now);
    const { ppid, payloadStart, payloadEnd } = fields;
    if (isOrdered) this.#order.passOver(streamId, messageNumber);
    this.#deliver(streamId, ppid, bytes, payloadStart, payloadEnd);
    if (isOrdered && this.#order.hasWaiting) this.#deliverWaiting(streamId, now);
    return undefined;
  }

  /**
   * Lets streams go on after what the peer has given up (RFC 3758, section 3.6; RFC 8260, section
   * 2.3.1): frees pieces of it, and delivers what waited for it.
   */
  handleForwardTsn(
    newCumulativeTsn: number,
    skipped: readonly SkippedMessage[],
    now: Instant,
  ): void {
    if (!this.#runs.isEmpty) this.#freeGivenUp(newCumulativeTsn, skipped, now);
    for (const { streamId, isUnordered, messageNumber } of skipped) {
      if (!isUnordered) this.#skip(streamId, messageNumber, now);
      else if (this.#isInterleaved) this.#order.giveUpUnordered(streamId, messageNumber);
    }
  }

  /**
   * Resets incoming streams, or all (RFC 6525, section 5.2.2): the next message of each has number
   * 0, and what is held of them is freed.
   */
  resetStreams(streamIds: readonly number[] | undefined, now: Instant): void {
    if (streamIds === undefined) {
      this.#freeAll(this.#runs.takeAll(), now);
      this.#freeAll(this.#order.resetAll(), now);
    }
    for (const streamId of streamIds ?? []) {
      this.#freeAll(this.#runs.takeStream(streamId), now);
      this.#freeAll(this.#order.reset(streamId), now);
    }
  }

  /** Frees everything. */
  destroy(now: Instant): void {
    this.resetStreams(undefined, now);
    this.#buffer.release();
  }

  /** Of an unordered fragment: the SSN of a DATA chunk would say nothing of its message. */
  #isGivenUp(fields: DataFields): boolean {
    return this.#isInterleaved &&
      this.#order.isUnorderedGivenUp(fields.streamId, fields.messageNumber);
  }

  #judge(fields: DataFields, isWhole: boolean, turn: number): ReassemblyDefect | undefined {
    const length = fields.payloadEnd - fields.payloadStart;
    if (length > maxPieceLength || length > this.#maxMessageLength) {
      return `TSN ${fields.tsn} carries ${length} bytes`;
    }
    if (turn > 0 && this.#order.isWaiting(fields.streamId, fields.messageNumber)) {
      return `message ${fields.messageNumber} of stream ${fields.streamId} comes twice`;
    }
    return isWhole && this.#runs.isEmpty ? undefined : this.#runs.judge(fields);
  }

  #hold(
    fields: DataFields,
    bytes: Uint8Array,
    turn: number,
    now: Instant,
  ): ReassemblyDefect | undefined {
    const piece = this.#pieces.hold(fields, bytes);
    const isWhole = isComplete(piece);
    const run = isWhole ? piece : this.#runs.add(piece);
    if (run.runLength > this.#maxMessageLength) {
      return `the message that TSN ${fields.tsn} is part of is too long`;
    }
    if (!isComplete(run)) return undefined;
    if (!isWhole) this.#runs.remove(run);
    if (turn > 0) this.#order.wait(run);
    else this.#deliverInTurn(run, now);
    return undefined;
  }

  #deliverInTurn(message: Piece, now: Instant): void {
    if (isUnordered(message)) {
      this.#deliverHeld(message, now);
      return;
    }
    const { streamId, messageNumber } = message;
    this.#order.passOver(streamId, messageNumber);
    this.#deliverHeld(message, now);
    if (this.#order.hasWaiting) this.#deliverWaiting(streamId, now);
  }

  #deliverWaiting(streamId: number, now: Instant): void {
    for (;;) {
      const message = this.#order.takeNext(streamId);
      if (message === undefined) return;
      this.#deliverHeld(message, now);
    }
  }

  #freeGivenUp(newCumulativeTsn: number, skipped: readonly SkippedMessage[], now: Instant): void {
    if (!this.#isInterleaved) {
      const missing = this.#runs.takeFirst((run) => missesGivenUp(run, newCumulativeTsn));
      this.#freeAll(missing, now);
    }
    for (const { streamId, isUnordered, messageNumber } of skipped) {
      // The SSN of an unordered DATA chunk says nothing of its message.
      if (isUnordered && !this.#isInterleaved) continue;
      const from = this.#order.firstUpTo(messageNumber);
      const range = { streamId, isUnordered, from, to: messageNumber };
      this.#freeAll(this.#runs.takeMessages(range), now);
    }
  }

  #skip(streamId: number, messageNumber: number, now: Instant): void {
    if (this.#order.turnOf(streamId, messageNumber) < 0) return;
    // What came whole waits for nothing any more: "The receiver of the FWD-TSN's can use the
    // Stream-N and Stream Sequence-N fields to enable delivery of any stranded TSN's that remain on
    // the stream re-ordering queues" (RFC 3758, section 3.2).
    const stranded = this.#order.takeUpTo(streamId, messageNumber);
    this.#order.passOver(streamId, messageNumber);
    for (const message of stranded) this.#deliverHeld(message, now);
    this.#deliverWaiting(streamId, now);
  }

  #freeAll(runs: readonly Piece[], now: Instant): void {
    for (const run of runs) this.#pieces.free(run, now);
  }

  /** Delivers a message that is held, and frees it. */
  #deliverHeld(message: Piece, now: Instant): void {
    const { streamId, ppid, runLength } = message;
    if (message.next === undefined) {
      const start = this.#store.offsetOf(message.handle);
      const bytes = this.#store.bytesOf(message.handle);
      this.#deliver(streamId, ppid, bytes, start, start + runLength);
    } else {
      this.#deliver(streamId, ppid, this.#buffer.gather(message, this.#store), 0, runLength);
      this.#buffer.trim();
    }
    this.#pieces.free(message, now);
  }
}
