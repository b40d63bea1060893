/**
 * The receiving side of an association: what of the peer's data is taken, when it is acknowledged
 * and how much more may come. RFC 9260, section 6.2.
 */
import type { Instant } from "../../sans_io.ts";
import { createDataFields, dataFlags, parseData } from "../packet/data_chunk.ts";
import { parseForwardTsn } from "../packet/forward_tsn_chunk.ts";
import type { PayloadStore } from "../payload_store.ts";
import { add32, isAfter32 } from "../serial.ts";
import { type DeliverMessage, Reassembly, type ReassemblyDefect } from "./reassembly.ts";
import { ReceivedTsns } from "./received_tsns.ts";

/** What makes a receiver. */
export interface ReceiverOptions {
  readonly store: PayloadStore;
  /** The peer's first TSN. */
  readonly initialTsn: number;
  readonly isInterleaved: boolean;
  /** What may be held of the peer's data, and be unread, in bytes. */
  readonly windowLength: number;
  readonly maxMessageLength: number;
  readonly deliver: DeliverMessage;
  /** For tests: the first SSN and MID of every stream. */
  readonly initialMessageNumber?: number;
}

/** A single packet is acknowledged after so long, in ms. RFC 9260 section 6.2 allows 500. */
const ackDelay = 20;
/** RFC 9260 section 6.2: "an acknowledgement SHOULD be generated for at least every second packet". */
const packetsPerAck = 2;
/** A window that is smaller is told as none, so that nobody sends crumbs. Bytes. */
const minWindowLength = 2_048;

/** The receiving side. */
export class Receiver {
  readonly #tsns: ReceivedTsns;
  readonly #reassembly: Reassembly;
  readonly #fields = createDataFields();
  readonly #isInterleaved: boolean;
  readonly #windowLength: number;
  readonly #maxMessageLength: number;
  #unreadLength = 0;
  #advertisedWindow: number;
  /** Packets with data since the last SACK. */
  #packetCount = 0;
  #hasDataInPacket = false;
  #isSackDue = false;
  #sackAt: Instant | undefined;
  #droppedCount = 0;
  #receivedLength = 0;

  constructor(options: ReceiverOptions) {
    this.#isInterleaved = options.isInterleaved;
    this.#windowLength = options.windowLength;
    this.#advertisedWindow = options.windowLength;
    this.#maxMessageLength = options.maxMessageLength;
    this.#tsns = new ReceivedTsns(options.initialTsn);
    this.#reassembly = new Reassembly(options);
  }

  /** All up to and including this has come, or was given up. */
  get cumulativeTsn(): number {
    return this.#tsns.cumulativeTsn;
  }

  /** Chunks that were dropped: for want of room, or too far ahead. */
  get droppedCount(): number {
    return this.#droppedCount;
  }

  /** User data that has come, each piece counted once, in bytes. */
  get receivedLength(): number {
    return this.#receivedLength;
  }

  /** User data that is held, with its overhead, in bytes. */
  get heldLength(): number {
    return this.#reassembly.heldLength;
  }

  /** What may come, in bytes. */
  get window(): number {
    const window = this.#windowLength - this.#reassembly.heldLength - this.#unreadLength;
    return window < minWindowLength ? 0 : window;
  }

  /** Takes the DATA or I-DATA chunk in `bytes[start..end)`; tells why the association has to end. */
  handleData(
    bytes: Uint8Array,
    start: number,
    end: number,
    isInterleaved: boolean,
    now: Instant,
  ): ReassemblyDefect | undefined {
    const fields = this.#fields;
    if (isInterleaved !== this.#isInterleaved) return "data of a kind that was not agreed on";
    if (!parseData(bytes, start, end, isInterleaved, fields)) return "a data chunk too short";
    // RFC 9260 section 6.2: "if ... no user data ..., the endpoint MUST send an ABORT".
    if (fields.payloadStart === fields.payloadEnd) return "a data chunk without user data";
    this.#hasDataInPacket = true;
    if ((fields.flags & dataFlags.immediate) !== 0) this.#isSackDue = true;
    const { tsn } = fields;
    const verdict = this.#tsns.judge(tsn);
    if (verdict === "duplicate") {
      this.#tsns.noteDuplicate(tsn);
      this.#isSackDue = true;
      return undefined;
    }
    if (verdict === "beyond" || !this.#hasRoom(tsn, fields.payloadEnd - fields.payloadStart)) {
      this.#droppedCount++;
      this.#isSackDue = true;
      return undefined;
    }
    this.#tsns.add(tsn);
    this.#receivedLength += fields.payloadEnd - fields.payloadStart;
    return this.#reassembly.handleData(fields, bytes, now);
  }

  /** Takes a FORWARD TSN or I-FORWARD-TSN chunk (RFC 3758, section 3.6). */
  handleForwardTsn(
    bytes: Uint8Array,
    start: number,
    end: number,
    isInterleaved: boolean,
    now: Instant,
  ): ReassemblyDefect | undefined {
    if (isInterleaved !== this.#isInterleaved) return "a FORWARD TSN of a kind not agreed on";
    const forward = parseForwardTsn(bytes, start, end, isInterleaved);
    if (forward === undefined) return "a malformed FORWARD TSN";
    this.#isSackDue = true;
    const { newCumulativeTsn, skipped } = forward;
    if (!this.#tsns.forward(newCumulativeTsn)) return undefined;
    this.#reassembly.handleForwardTsn(newCumulativeTsn, skipped, now);
    return undefined;
  }

  /** A packet has been read to its end: whether it is acknowledged now, or a little later. */
  endPacket(now: Instant): void {
    if (!this.#hasDataInPacket) return;
    this.#hasDataInPacket = false;
    this.#packetCount++;
    // RFC 9260 section 6.7: while chunks are missing, every packet is acknowledged at once.
    if (this.#packetCount >= packetsPerAck || this.#tsns.hasGaps) this.#isSackDue = true;
    if (!this.#isSackDue) this.#sackAt ??= now + ackDelay;
  }

  /** Whether a SACK is to be sent, or `mayWait`, could as well be. */
  isSackDue(mayWait: boolean): boolean {
    return this.#isSackDue || (mayWait && this.#sackAt !== undefined);
  }

  /** Writes a SACK at `out[at..end)`; returns where it ends. */
  writeSack(out: Uint8Array, at: number, end: number): number {
    this.#advertisedWindow = this.window;
    this.#packetCount = 0;
    this.#isSackDue = false;
    this.#sackAt = undefined;
    return this.#tsns.writeSack(out, at, end, this.#advertisedWindow);
  }

  /** What the user holds of delivered messages; that it reads on may open the window. */
  setUnreadLength(length: number): void {
    this.#unreadLength = length;
    const opened = this.window - this.#advertisedWindow;
    // RFC 9260 section 6.2: the peer hears of a window that was narrow, and is wide again.
    if (this.#advertisedWindow < this.#windowLength / 2 && opened >= this.#windowLength / 4) {
      this.#isSackDue = true;
    }
  }

  handleTimeout(now: Instant): void {
    if (this.#sackAt !== undefined && this.#sackAt <= now) this.#isSackDue = true;
  }

  nextTimeout(): Instant | undefined {
    return this.#isSackDue ? undefined : this.#sackAt;
  }

  /** RFC 6525: whether all has come that the peer sent before its reset. */
  hasReceivedAllTo(tsn: number): boolean {
    return !isAfter32(tsn, this.#tsns.cumulativeTsn);
  }

  /** RFC 6525 section 5.2.2: the streams, or all, begin anew. */
  resetStreams(streamIds: readonly number[] | undefined, now: Instant): void {
    this.#reassembly.resetStreams(streamIds, now);
  }

  /** Frees everything. */
  destroy(now: Instant): void {
    this.#reassembly.destroy(now);
    this.#sackAt = undefined;
    this.#isSackDue = false;
  }

  /**
   * What fills the gap that others wait behind is taken even when there is no room: dropping it
   * would keep the room taken for good.
   */
  #hasRoom(tsn: number, length: number): boolean {
    const held = this.#reassembly.heldLength;
    const taken = held + this.#unreadLength;
    if (taken + length <= this.#windowLength) return true;
    const isNext = tsn === add32(this.#tsns.cumulativeTsn, 1);
    return isNext && held > 0 && taken <= this.#windowLength + this.#maxMessageLength;
  }
}
