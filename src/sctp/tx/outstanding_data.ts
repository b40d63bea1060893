/**
 * The chunks that have a TSN and are not acknowledged for good: what is in flight, what came out of
 * order, what is lost, what was given up. It keeps their user data until the cumulative TSN has
 * passed them, and knows nothing of windows and timers.
 *
 * A chunk is a row of columns (typed arrays), found by its TSN: nothing is made for a packet.
 */
import type { Instant } from "../../sans_io.ts";
import {
  dataFlags,
  dataHeaderLength,
  iDataHeaderLength,
  writeDataHeader,
  writeIDataHeader,
} from "../packet/data_chunk.ts";
import type { ForwardTsn, SkippedMessage } from "../packet/forward_tsn_chunk.ts";
import { gapEnd, gapStart, type SackFields } from "../packet/sack_chunk.ts";
import { copyBytes } from "../../copy_bytes.ts";
import type { PayloadStore } from "../payload_store.ts";
import { add32, distance32, isAfter32 } from "../serial.ts";
import type { DeliverySample } from "./congestion_control.ts";
import { createDeliveryColumns, type DeliveryColumns, DeliveryRate } from "./delivery_rate.ts";
import { LongLosses } from "./long_losses.ts";
import { type Fragment, unlimited } from "./send_queue.ts";

/** Chunks that may be outstanding at most: half of what a receiver of ours tells apart. */
export const maxOutstandingCount = 16_384;
const initialCapacity = 32;

/** What became of a chunk. */
const states = {
  inFlight: 0,
  /** By a gap ack block: it may still be revoked. */
  acked: 1,
  /** To be sent again. */
  lost: 2,
  /** RFC 3758: not to be sent again. */
  abandoned: 3,
} as const;

/** What a SACK changed. One object serves all. */
export interface SackOutcome {
  /** User data that was newly acknowledged, in bytes. */
  ackedLength: number;
  /** User data in flight before. */
  flightLength: number;
  /** Whether the cumulative TSN has advanced. */
  isAdvanced: boolean;
  /** The time since the newest newly acked chunk was sent, where that is unambiguous; else -1. */
  rtt: number;
}

/** The columns, grown together. */
interface Columns extends DeliveryColumns {
  readonly state: Uint8Array;
  readonly flags: Uint8Array;
  readonly isPieceEnd: Uint8Array;
  /** Whether it is counted among what was found lost. */
  readonly isCountedLost: Uint8Array;
  readonly sendCount: Uint16Array;
  readonly streamId: Uint16Array;
  readonly offset: Uint16Array;
  readonly length: Uint16Array;
  readonly maxRetransmissions: Uint16Array;
  readonly messageNumber: Uint32Array;
  readonly fragmentNumber: Uint32Array;
  readonly ppid: Uint32Array;
  readonly handle: Uint32Array;
  readonly expiresAt: Float64Array;
  /** Of a chunk in flight: the TSNs sent right before and after it that are in flight too. */
  readonly before: Uint32Array;
  readonly after: Uint32Array;
}

/** RFC 8985's view of the path, as of the last acknowledgements. */
interface Rack {
  /** Which of all delivered chunks was sent last: its place in the order of sending. */
  order: number;
  rtt: number;
  minRtt: number;
  highestAckedTsn: number;
  isReorderingSeen: boolean;
  /** How many quarters of the least RTT chunks may be out of order. */
  windowCount: number;
  /** The window was widened, and is not again before this TSN is acknowledged. */
  widenedUntil: number | undefined;
  /** Rounds of recovery for which a widened window is kept. */
  windowPersistence: number;
}

/** RFC 8985 section 6.2, step 4: a chunk is lost once three sent later have arrived. */
const duplicateThreshold = 3;
const windowPersistence = 16;
/** What fits the shortest packets of all; a SACK of so many gap blocks may lack others. */
const fullSackGapCount = 120;

/** Chunks by TSN. */
export class OutstandingData {
  /** What the last `handleSack` changed. */
  readonly outcome: SackOutcome = { ackedLength: 0, flightLength: 0, isAdvanced: false, rtt: -1 };
  readonly #store: PayloadStore;
  readonly #rack: Rack;
  #isInterleaved = false;
  #columns = createColumns(initialCapacity);
  #mask = initialCapacity - 1;
  /** How many chunks were outstanding at once since the last `trim`. */
  #peakCount = 0;
  /** A ring of bits, one a row: set for chunks that are acked by a gap ack block. */
  #ackedBits = createBits(initialCapacity);
  readonly #deliveryRate = new DeliveryRate();
  readonly #longLosses = new LongLosses();
  /** The user data of longer chunks makes long packets, in bytes. */
  #shortLength = Infinity;
  /** All up to and including this are acknowledged. */
  #cumulativeTsn: number;
  #nextTsn: number;
  /** The peer is told that all up to this are acknowledged or given up. */
  #advancedPeerAckPoint: number;
  #flightLength = 0;
  #inFlightCount = 0;
  #ackedCount = 0;
  #lostCount = 0;
  #abandonedCount = 0;
  /** Chunks in flight that were sent more than once. */
  #resentCount = 0;
  /** The chunks in flight that were sent first and last of all. */
  #firstSent = 0;
  #lastSent = 0;
  /** No chunk before this TSN is lost. */
  #lostHint: number;
  /** All that was ever found lost, in bytes. */
  #lostLength = 0;
  /** All that was ever sent, in bytes, and what of it was sent again. */
  #sentLength = 0;
  #resentLength = 0;
  #rackTimeout: Instant | undefined;
  /** The place in the order of sending behind which all goes by the path as it is. */
  #pathSince = 0;
  /** Whether the peer has ever taken back what it had acknowledged. */
  #hasRevoked = false;

  constructor(
    { store, initialTsn }: { readonly store: PayloadStore; readonly initialTsn: number },
  ) {
    this.#store = store;
    this.#nextTsn = initialTsn;
    this.#cumulativeTsn = add32(initialTsn, -1);
    this.#advancedPeerAckPoint = this.#cumulativeTsn;
    this.#lostHint = initialTsn;
    this.#rack = {
      order: 0,
      rtt: 0,
      minRtt: Infinity,
      highestAckedTsn: this.#cumulativeTsn,
      isReorderingSeen: false,
      windowCount: 1,
      widenedUntil: undefined,
      windowPersistence,
    };
  }

  /** What the last SACK tells of the path's speed. */
  get deliverySample(): DeliverySample {
    return this.#deliveryRate.sample;
  }

  /** User data that was ever delivered, in bytes. */
  get deliveredLength(): number {
    return this.#deliveryRate.deliveredLength;
  }

  /** User data that was ever found lost by what arrived after it, in bytes. */
  get lostLength(): number {
    return this.#lostLength;
  }

  /** User data that was ever sent, with what was sent again, in bytes. */
  get sentLength(): number {
    return this.#sentLength;
  }

  /** User data that was sent again, in bytes. */
  get resentLength(): number {
    return this.#resentLength;
  }

  get cumulativeTsn(): number {
    return this.#cumulativeTsn;
  }

  /** The TSN that the next new chunk gets. */
  get nextTsn(): number {
    return this.#nextTsn;
  }

  get advancedPeerAckPoint(): number {
    return this.#advancedPeerAckPoint;
  }

  /** User data in flight, in bytes. */
  get flightLength(): number {
    return this.#flightLength;
  }

  /** Whether anything is in flight: then T3-rtx runs. */
  get isInFlight(): boolean {
    return this.#inFlightCount > 0;
  }

  /** Whether chunks wait to be sent again. */
  get hasLost(): boolean {
    return this.#lostCount > 0;
  }

  /** When `detectLosses` has to look again, if nothing comes before. */
  get rackTimeout(): Instant | undefined {
    return this.#rackTimeout;
  }

  /** Whether nothing waits for an acknowledgement. */
  get isEmpty(): boolean {
    return this.#nextTsn === add32(this.#cumulativeTsn, 1);
  }

  /** Whether no more chunks may be added before some are acknowledged. */
  get isFull(): boolean {
    return distance32(this.#cumulativeTsn, this.#nextTsn) > maxOutstandingCount;
  }

  /** Whether the peer is to be told of chunks that were given up (RFC 3758). */
  get isForwardTsnDue(): boolean {
    return isAfter32(this.#advancedPeerAckPoint, this.#cumulativeTsn);
  }

  setInterleaved(isInterleaved: boolean): void {
    this.#isInterleaved = isInterleaved;
  }

  /** The length of a chunk's header, in bytes. */
  get headerLength(): number {
    return this.#isInterleaved ? iDataHeaderLength : dataHeaderLength;
  }

  /** Whether `tsn` is of a chunk that was sent; what a SACK acknowledges must be. */
  isSent(tsn: number): boolean {
    return distance32(tsn, this.#nextTsn) > 0;
  }

  /** Gives a fragment its TSN, as sent now. */
  add(fragment: Fragment, now: Instant): number {
    const tsn = this.#nextTsn;
    const count = distance32(this.#cumulativeTsn, tsn);
    if (count > this.#mask) this.#resize((this.#mask + 1) * 2);
    if (count > this.#peakCount) this.#peakCount = count;
    const row = tsn & this.#mask;
    const columns = this.#columns;
    columns.state[row] = states.inFlight;
    columns.flags[row] = fragment.flags;
    columns.isPieceEnd[row] = fragment.isPieceEnd ? 1 : 0;
    columns.isCountedLost[row] = 0;
    columns.sendCount[row] = 1;
    columns.streamId[row] = fragment.streamId;
    columns.offset[row] = fragment.offset;
    columns.length[row] = fragment.length;
    columns.maxRetransmissions[row] = fragment.maxRetransmissions;
    columns.messageNumber[row] = fragment.messageNumber;
    columns.fragmentNumber[row] = fragment.fragmentNumber;
    columns.ppid[row] = fragment.ppid;
    columns.handle[row] = fragment.handle;
    columns.expiresAt[row] = fragment.expiresAt;
    this.#setAcked(row, false);
    this.#nextTsn = add32(tsn, 1);
    this.#deliveryRate.handleSent(columns, row, this.#flightLength, now);
    this.#link(tsn, row);
    this.#flightLength += fragment.length;
    this.#sentLength += fragment.length;
    return tsn;
  }

  /** The length of a chunk with its header, without padding. */
  chunkLength(tsn: number): number {
    return this.headerLength + (this.#columns.length[tsn & this.#mask] ?? 0);
  }

  /** Writes a chunk at `out[at..)`, with padding; returns the end offset. */
  writeChunk(tsn: number, out: Uint8Array, at: number, isImmediate: boolean): number {
    const columns = this.#columns;
    const row = tsn & this.#mask;
    const length = columns.length[row] ?? 0;
    const flags = (columns.flags[row] ?? 0) | (isImmediate ? dataFlags.immediate : 0);
    const streamId = columns.streamId[row] ?? 0;
    const messageNumber = columns.messageNumber[row] ?? 0;
    const ppid = columns.ppid[row] ?? 0;
    if (this.#isInterleaved) {
      // RFC 8260 section 2.1: the first piece has the PPID, the others their FSN.
      const isFirst = (flags & dataFlags.beginning) !== 0;
      const last = isFirst ? ppid : columns.fragmentNumber[row] ?? 0;
      writeIDataHeader(out, at, flags, tsn, streamId, messageNumber, last, length);
    } else {
      writeDataHeader(out, at, flags, tsn, streamId, messageNumber, ppid, length);
    }
    const payloadAt = at + this.headerLength;
    const handle = columns.handle[row] ?? 0;
    const start = this.#store.offsetOf(handle) + (columns.offset[row] ?? 0);
    copyBytes(this.#store.bytesOf(handle), start, start + length, out, payloadAt);
    let end = payloadAt + length;
    while ((end - at) % 4 !== 0) out[end++] = 0;
    return end;
  }

  /** The earliest chunk to be sent again. */
  firstLost(): number | undefined {
    if (this.#lostCount === 0) return undefined;
    const { state } = this.#columns;
    let tsn = this.#lostHint;
    if (!isAfter32(tsn, this.#cumulativeTsn)) tsn = add32(this.#cumulativeTsn, 1);
    while (state[tsn & this.#mask] !== states.lost) tsn = add32(tsn, 1);
    this.#lostHint = tsn;
    return tsn;
  }

  /** The latest chunk in flight: what a tail loss probe sends. */
  lastInFlight(): number | undefined {
    if (this.#inFlightCount === 0) return undefined;
    for (let tsn = add32(this.#nextTsn, -1); isAfter32(tsn, this.#cumulativeTsn);) {
      if (this.#columns.state[tsn & this.#mask] === states.inFlight) return tsn;
      tsn = add32(tsn, -1);
    }
    return undefined;
  }

  /** A chunk is sent again, whether it was lost or is a probe. */
  resend(tsn: number, now: Instant): void {
    const columns = this.#columns;
    const row = tsn & this.#mask;
    if (columns.state[row] === states.lost) {
      this.#lostCount--;
    } else {
      this.#leaveFlight(row);
    }
    columns.sendCount[row] = Math.min(0xffff, (columns.sendCount[row] ?? 0) + 1);
    columns.state[row] = states.inFlight;
    this.#deliveryRate.handleSent(columns, row, this.#flightLength, now);
    this.#link(tsn, row);
    this.#resentCount++;
    const length = columns.length[row] ?? 0;
    this.#flightLength += length;
    this.#sentLength += length;
    this.#resentLength += length;
  }

  /** What is sent from now on goes another way: what is under way tells nothing of it. */
  forgetPath(): void {
    this.#pathSince = this.#deliveryRate.sentCount;
    this.#deliveryRate.distrust(this.#flightLength);
    Object.assign(this.#rack, {
      minRtt: Infinity,
      isReorderingSeen: false,
      windowCount: 1,
      rtt: 0,
    });
    this.#longLosses.reset();
  }

  /** Nothing waits to be sent, though more would be allowed. */
  limitDelivery(): void {
    this.#deliveryRate.limit(this.#flightLength);
  }

  /** Makes everything in flight lost: T3-rtx has expired (RFC 9260, section 6.3.3, E3). */
  loseAll(): void {
    while (this.#inFlightCount > 0) this.#lose(this.#firstSent);
  }

  /**
   * Takes a SACK that was found valid, whose TSNs were all sent, and whose cumulative TSN does not
   * go back; tells in `outcome` what it changed.
   */
  handleSack(bytes: Uint8Array, sack: SackFields, now: Instant): void {
    const { outcome } = this;
    outcome.ackedLength = 0;
    outcome.flightLength = this.#flightLength;
    outcome.rtt = -1;
    outcome.isAdvanced = isAfter32(sack.cumulativeTsnAck, this.#cumulativeTsn);
    this.#deliveryRate.begin();
    this.#advance(sack.cumulativeTsnAck, now);
    for (let gap = 0; gap < sack.gapCount; gap++) {
      const end = add32(sack.cumulativeTsnAck, gapEnd(bytes, sack, gap));
      let tsn = add32(sack.cumulativeTsnAck, gapStart(bytes, sack, gap));
      for (tsn = this.#nextByBit(tsn, end, false); !isAfter32(tsn, end);) {
        this.#ackGap(tsn, now);
        tsn = this.#nextByBit(add32(tsn, 1), end, false);
      }
    }
    // What tells nothing new may be older than what was taken before it.
    if (this.#ackedCount > 0 && outcome.ackedLength > 0) this.#revoke(bytes, sack);
    if (sack.gapCount >= fullSackGapCount) this.#deliveryRate.distrust(this.#flightLength);
    this.#deliveryRate.end(this.#rack.minRtt === Infinity ? 0 : this.#rack.minRtt, now);
  }

  /**
   * Gives back rows that were not needed since it was last called: now and then, as to make new ones
   * costs more than what they hold.
   */
  trim(): void {
    let capacity = initialCapacity;
    while (capacity <= this.#peakCount) capacity *= 2;
    if (capacity <= this.#mask) this.#resize(capacity);
    this.#peakCount = distance32(this.#cumulativeTsn, this.#nextTsn);
  }

  /**
   * RFC 8985 section 6.2, step 4: the peer got something twice. Within a round trip the window is
   * widened once, "RACK.reo_wnd_mult += 1", whatever else comes twice.
   */
  widenReorderingWindow(): void {
    const rack = this.#rack;
    const { widenedUntil } = rack;
    if (widenedUntil !== undefined && isAfter32(widenedUntil, this.#cumulativeTsn)) return;
    rack.widenedUntil = this.#nextTsn;
    rack.windowCount++;
    rack.windowPersistence = windowPersistence;
  }

  /** RFC 8985: a recovery has ended. */
  endRecovery(): void {
    if (--this.#rack.windowPersistence <= 0) this.#rack.windowCount = 1;
  }

  /**
   * RFC 8985 section 6.2, step 5: what was sent before something that has arrived, and longer ago
   * than reordering explains, is lost. Returns whether anything is newly lost. `rackTimeout` tells
   * afterwards when to look again.
   *
   * What is not sent again is waited for a round trip longer: nothing is gained by giving it up, and
   * a peer that was told so drops it when it comes after all.
   */
  detectLosses(isRecovering: boolean, srtt: number, now: Instant): boolean {
    this.#rackTimeout = undefined;
    if (this.#inFlightCount === 0 || (this.#ackedCount === 0 && this.#resentCount === 0)) {
      return false;
    }
    const { order: rackOrder, rtt } = this.#rack;
    const patience = rtt + this.#reorderingWindow(isRecovering, srtt);
    const { sentAt, order, after } = this.#columns;
    let isAnyLost = false;
    let tsn = this.#firstSent;
    // In the order of sending the first that may be late only ends the search.
    for (let left = this.#inFlightCount; left > 0; left--) {
      const row = tsn & this.#mask;
      if ((order[row] ?? 0) >= rackOrder) break;
      const lateAt = (sentAt[row] ?? 0) + patience;
      const lostAt = lateAt + (this.#isSpent(row) ? srtt : 0);
      const next = after[row] ?? 0;
      if (lostAt > now) {
        // What ends the search may hide others that are lost as soon as it is late.
        const lookAt = lateAt > now ? lateAt : lostAt;
        this.#rackTimeout = Math.min(this.#rackTimeout ?? Infinity, lookAt);
      }
      if (lateAt > now) break;
      if (lostAt <= now) {
        this.#countLost(row);
        this.noteLost(tsn, now);
        this.#lose(tsn);
        isAnyLost = true;
      }
      tsn = next;
    }
    return isAnyLost;
  }

  /** Whether a lost chunk's message is to be given up instead of being sent again (RFC 3758). */
  isExpired(tsn: number, now: Instant): boolean {
    const row = tsn & this.#mask;
    return (this.#columns.expiresAt[row] ?? Infinity) <= now || this.#isSpent(row);
  }

  /** Whether it was sent as often as it may be. */
  #isSpent(row: number): boolean {
    const { maxRetransmissions, sendCount } = this.#columns;
    const max = maxRetransmissions[row] ?? unlimited;
    return max !== unlimited && (sendCount[row] ?? 0) > max;
  }

  streamIdOf(tsn: number): number {
    return this.#columns.streamId[tsn & this.#mask] ?? 0;
  }

  /**
   * Gives up the message a chunk is of, as far as it was sent. Returns whether its end was among
   * what was sent; if not, `addAbandoned` has to stand for it.
   */
  abandonMessage(tsn: number): boolean {
    let isEnded = false;
    for (let one = this.#firstOfMessage(tsn); isAfter32(this.#nextTsn, one); one = add32(one, 1)) {
      if (!this.#isSameMessage(one, tsn)) {
        if (this.#isInterleaved) continue;
        break;
      }
      this.#abandon(one & this.#mask);
      isEnded = this.#has(one, dataFlags.ending);
      if (isEnded) break;
    }
    this.#advancePeerAckPoint();
    return isEnded;
  }

  /**
   * A TSN that is given up without ever being sent: the end of a message that was given up before
   * it was wholly sent. Else, were its sent part acknowledged, the receiver would keep that.
   */
  addAbandoned(tsn: number, now: Instant): void {
    const { streamId, messageNumber, flags } = this.#columns;
    const row = tsn & this.#mask;
    const end = this.add({
      flags: ((flags[row] ?? 0) & dataFlags.unordered) | dataFlags.ending,
      streamId: streamId[row] ?? 0,
      messageNumber: messageNumber[row] ?? 0,
      fragmentNumber: 0,
      ppid: 0,
      handle: 0,
      offset: 0,
      length: 0,
      isPieceEnd: false,
      maxRetransmissions: unlimited,
      expiresAt: Infinity,
    }, now);
    this.#abandon(end & this.#mask);
    this.#advancePeerAckPoint();
  }

  /**
   * What the peer is to skip: each stream's last message. Where that is more than so many, it goes
   * no further than they do: of the others it is told once it has acknowledged these.
   */
  givenUp(maxCount: number): ForwardTsn {
    const skipped = new Map<number, SkippedMessage>();
    const last = this.#advancedPeerAckPoint;
    const { flags, streamId: streamIds, messageNumber: messageNumbers, state } = this.#columns;
    let newCumulativeTsn = this.#cumulativeTsn;
    for (let tsn = add32(newCumulativeTsn, 1); !isAfter32(tsn, last); tsn = add32(tsn, 1)) {
      const row = tsn & this.#mask;
      const isUnordered = ((flags[row] ?? 0) & dataFlags.unordered) !== 0;
      // RFC 3758 section 3.2 names ordered streams only; RFC 8260 section 2.3.1 all.
      const isNamed = state[row] === states.abandoned && (!isUnordered || this.#isInterleaved);
      const streamId = streamIds[row] ?? 0;
      const messageNumber = messageNumbers[row] ?? 0;
      const key = streamId * 2 + (isUnordered ? 1 : 0);
      if (isNamed && !skipped.has(key) && skipped.size === maxCount) break;
      if (isNamed) skipped.set(key, { streamId, isUnordered, messageNumber });
      newCumulativeTsn = tsn;
    }
    return { newCumulativeTsn, skipped: [...skipped.values()] };
  }

  /** Frees everything. */
  destroy(now: Instant): void {
    this.#advance(add32(this.#nextTsn, -1), now);
    this.#columns = createColumns(initialCapacity);
    this.#mask = initialCapacity - 1;
    this.#ackedBits = createBits(initialCapacity);
  }

  #has(tsn: number, flag: number): boolean {
    return ((this.#columns.flags[tsn & this.#mask] ?? 0) & flag) !== 0;
  }

  /** Where to look for the pieces of a chunk's message: interleaved, others lie between them. */
  #firstOfMessage(tsn: number): number {
    let first = tsn;
    for (let one = tsn; !this.#has(first, dataFlags.beginning);) {
      one = add32(one, -1);
      if (!isAfter32(one, this.#cumulativeTsn)) break;
      if (this.#isSameMessage(one, tsn)) first = one;
      else if (!this.#isInterleaved) break;
    }
    return first;
  }

  #isSameMessage(tsn: number, other: number): boolean {
    if (!isAfter32(tsn, this.#cumulativeTsn) || !this.isSent(tsn)) return false;
    const { streamId, messageNumber, flags } = this.#columns;
    const [row, otherRow] = [tsn & this.#mask, other & this.#mask];
    const unordered = dataFlags.unordered;
    return streamId[row] === streamId[otherRow] && messageNumber[row] === messageNumber[otherRow] &&
      ((flags[row] ?? 0) & unordered) === ((flags[otherRow] ?? 0) & unordered);
  }

  /** Moves the cumulative TSN, and frees what it passes. */
  #advance(cumulativeTsn: number, now: Instant): void {
    const columns = this.#columns;
    while (isAfter32(cumulativeTsn, this.#cumulativeTsn)) {
      const tsn = add32(this.#cumulativeTsn, 1);
      const row = tsn & this.#mask;
      this.#leave(row, tsn, now);
      if (columns.isPieceEnd[row] === 1) this.#store.free(columns.handle[row] ?? 0, now);
      this.#cumulativeTsn = tsn;
    }
    if (isAfter32(this.#cumulativeTsn, this.#advancedPeerAckPoint)) {
      this.#advancedPeerAckPoint = this.#cumulativeTsn;
    }
    this.#advancePeerAckPoint();
  }

  /** Takes a chunk that is acknowledged for good out of the count it is in. */
  #leave(row: number, tsn: number, now: Instant): void {
    switch (this.#columns.state[row]) {
      case states.inFlight:
        this.#noteDelivered(row, tsn, now);
        this.#leaveFlight(row);
        return;
      case states.acked:
        this.#ackedCount--;
        return;
      case states.lost:
        this.#lostCount--;
        this.#noteFalselyLost(row, tsn, now);
        return;
      default:
        this.#abandonedCount--;
    }
  }

  #ackGap(tsn: number, now: Instant): void {
    const { state } = this.#columns;
    const row = tsn & this.#mask;
    if (state[row] === states.inFlight) {
      this.#noteDelivered(row, tsn, now);
      this.#leaveFlight(row);
    } else if (state[row] === states.lost) {
      this.#lostCount--;
      this.#noteFalselyLost(row, tsn, now);
    } else {
      return;
    }
    state[row] = states.acked;
    this.#setAcked(row, true);
    this.#ackedCount++;
  }

  /**
   * RFC 9260 section 6.2.1: what gap ack blocks no longer name "MUST be considered" not received,
   * and is to be sent again. We never revoke; others may.
   */
  #revoke(bytes: Uint8Array, sack: SackFields): void {
    let tsn = add32(sack.cumulativeTsnAck, 1);
    for (let gap = 0; gap <= sack.gapCount && this.#ackedCount > 0; gap++) {
      // Beyond the highest that was ever acknowledged nothing is; but there may be more gap blocks
      // than the SACK had room for.
      if (gap === sack.gapCount && gap >= fullSackGapCount) return;
      const last = gap < sack.gapCount
        ? add32(sack.cumulativeTsnAck, gapStart(bytes, sack, gap) - 1)
        : this.#rack.highestAckedTsn;
      for (tsn = this.#nextByBit(tsn, last, true); !isAfter32(tsn, last);) {
        const row = tsn & this.#mask;
        this.#setAcked(row, false);
        if (this.#columns.state[row] === states.acked) {
          this.#hasRevoked = true;
          this.#ackedCount--;
          this.#markLost(tsn);
        }
        tsn = this.#nextByBit(add32(tsn, 1), last, true);
      }
      if (gap < sack.gapCount) {
        tsn = add32(sack.cumulativeTsnAck, gapEnd(bytes, sack, gap) + 1);
      }
    }
  }

  /** A chunk in flight has arrived: what that says of the path. */
  #noteDelivered(row: number, tsn: number, now: Instant): void {
    const columns = this.#columns;
    const rack = this.#rack;
    const rtt = now - (columns.sentAt[row] ?? now);
    const isResent = (columns.sendCount[row] ?? 1) > 1;
    const length = columns.length[row] ?? 0;
    this.outcome.ackedLength += length;
    this.#noteLength(length);
    this.#deliveryRate.handleDelivered(columns, row, length, now);
    if ((columns.order[row] ?? 0) <= this.#pathSince) return;
    // RFC 9260 section 6.3.1, C5 (Karn's rule).
    if (!isResent) {
      this.outcome.rtt = rtt;
      if (rtt < rack.minRtt) rack.minRtt = rtt;
      if (isAfter32(rack.highestAckedTsn, tsn)) rack.isReorderingSeen = true;
    }
    if (isAfter32(tsn, rack.highestAckedTsn)) rack.highestAckedTsn = tsn;
    // RFC 8985 section 6.2, step 2: it may be the first transmission that has arrived.
    if (isResent && rtt < rack.minRtt) {
      if (this.#uncountLost(row)) rack.isReorderingSeen = true;
      return;
    }
    const order = columns.order[row] ?? 0;
    if (order > rack.order) {
      rack.order = order;
      rack.rtt = rtt;
    }
  }

  /** So long a chunk has arrived. */
  #noteLength(length: number): void {
    if (length > this.#shortLength) this.#longLosses.handleDelivered();
    else this.#longLosses.handleAlive();
  }

  /** What was taken for lost, and not sent again yet, has arrived after all. */
  #noteFalselyLost(row: number, tsn: number, now: Instant): void {
    const columns = this.#columns;
    if (isAfter32(tsn, this.#rack.highestAckedTsn)) this.#rack.highestAckedTsn = tsn;
    const length = columns.length[row] ?? 0;
    this.outcome.ackedLength += length;
    this.#uncountLost(row);
    this.#noteLength(length);
    this.#deliveryRate.handleDelivered(columns, row, length, now);
    if (columns.sendCount[row] === 1) this.#rack.isReorderingSeen = true;
  }

  /** A chunk did not arrive: what that says of packets as long as its own. */
  noteLost(tsn: number, now: Instant): void {
    const length = this.#columns.length[tsn & this.#mask] ?? 0;
    if (length > this.#shortLength) this.#longLosses.handleLost(now);
  }

  /** The path carries something. */
  noteAlive(): void {
    this.#longLosses.handleAlive();
  }

  /** Chunks with more user data count as long from now on, in bytes. */
  setShortLength(length: number): void {
    this.#shortLength = length;
    this.#longLosses.reset();
  }

  /** Whether the path swallows long packets, and carries others. */
  isBlackHole(timeout: number, now: Instant): boolean {
    return this.#longLosses.isBlackHole(timeout, now);
  }

  #countLost(row: number): void {
    const { isCountedLost, length } = this.#columns;
    if (isCountedLost[row] === 0) this.#lostLength += length[row] ?? 0;
    isCountedLost[row] = 1;
  }

  /** It has arrived as it was first sent. True where it was counted. */
  #uncountLost(row: number): boolean {
    const { isCountedLost, length } = this.#columns;
    if (isCountedLost[row] === 0) return false;
    isCountedLost[row] = 0;
    this.#lostLength -= length[row] ?? 0;
    return true;
  }

  /** RFC 8985 section 6.2, step 4. */
  #reorderingWindow(isRecovering: boolean, srtt: number): number {
    const { isReorderingSeen, minRtt, windowCount } = this.#rack;
    if (!isReorderingSeen && (isRecovering || this.#ackedCount >= duplicateThreshold)) return 0;
    return minRtt === Infinity ? srtt : Math.min((windowCount * minRtt) / 4, srtt);
  }

  /** Puts a chunk that enters flight at the end of the order of sending. */
  #link(tsn: number, row: number): void {
    const { before, after } = this.#columns;
    if (this.#inFlightCount++ === 0) this.#firstSent = tsn;
    else {
      before[row] = this.#lastSent;
      after[this.#lastSent & this.#mask] = tsn;
    }
    this.#lastSent = tsn;
  }

  #leaveFlight(row: number): void {
    const { before, after, length, sendCount } = this.#columns;
    const isFirst = (this.#firstSent & this.#mask) === row;
    const isLast = (this.#lastSent & this.#mask) === row;
    const [previous, next] = [before[row] ?? 0, after[row] ?? 0];
    if (isFirst) this.#firstSent = next;
    else after[previous & this.#mask] = next;
    if (isLast) this.#lastSent = previous;
    else before[next & this.#mask] = previous;
    this.#inFlightCount--;
    if ((sendCount[row] ?? 1) > 1) this.#resentCount--;
    this.#flightLength -= length[row] ?? 0;
  }

  #lose(tsn: number): void {
    this.#leaveFlight(tsn & this.#mask);
    this.#markLost(tsn);
  }

  #markLost(tsn: number): void {
    this.#columns.state[tsn & this.#mask] = states.lost;
    if (this.#lostCount++ === 0 || isAfter32(this.#lostHint, tsn)) this.#lostHint = tsn;
  }

  #setAcked(row: number, isAcked: boolean): void {
    const word = row >>> 5;
    const bits = this.#ackedBits[word] ?? 0;
    this.#ackedBits[word] = isAcked ? bits | (1 << (row & 31)) : bits & ~(1 << (row & 31));
  }

  /** The first TSN in `tsn..last` whose bit is set, or is not; else one after `last`. */
  #nextByBit(tsn: number, last: number, isAcked: boolean): number {
    const inverted = isAcked ? 0 : -1;
    while (!isAfter32(tsn, last)) {
      const row = tsn & this.#mask;
      const bits = ((this.#ackedBits[row >>> 5] ?? 0) ^ inverted) >>> (row & 31);
      if (bits !== 0) {
        const found = add32(tsn, 31 - Math.clz32(bits & -bits));
        return isAfter32(found, last) ? add32(last, 1) : found;
      }
      tsn = add32(tsn, 32 - (row & 31));
    }
    return tsn;
  }

  #abandon(row: number): void {
    switch (this.#columns.state[row]) {
      case states.abandoned:
        return;
      case states.inFlight:
        this.#leaveFlight(row);
        break;
      case states.lost:
        this.#lostCount--;
        break;
      default:
        this.#ackedCount--;
    }
    this.#columns.state[row] = states.abandoned;
    this.#abandonedCount++;
  }

  /**
   * RFC 3758 section 3.5, C1 to C2. Departs from it: what has arrived beyond a gap is passed over too,
   * as else the peer could be told of one loss a round trip; unless the peer takes back what it has
   * acknowledged, and it were to be sent again.
   */
  #advancePeerAckPoint(): void {
    if (this.#abandonedCount === 0) return;
    let passed = this.#advancedPeerAckPoint;
    for (let tsn = add32(passed, 1); tsn !== this.#nextTsn; tsn = add32(tsn, 1)) {
      const row = tsn & this.#mask;
      const state = this.#columns.state[row];
      if (state === states.abandoned) passed = tsn;
      else if (state !== states.acked || (this.#hasRevoked && !this.#isSpent(row))) break;
    }
    this.#advancedPeerAckPoint = passed;
  }

  #resize(capacity: number): void {
    const from = this.#columns;
    const to = createColumns(capacity);
    for (
      let tsn = add32(this.#cumulativeTsn, 1);
      isAfter32(this.#nextTsn, tsn);
      tsn = add32(tsn, 1)
    ) {
      const [row, newRow] = [tsn & this.#mask, tsn & (capacity - 1)];
      for (const name of columnNames) to[name][newRow] = from[name][row] ?? 0;
    }
    this.#columns = to;
    this.#mask = capacity - 1;
    this.#ackedBits = createBits(capacity);
    for (let row = 0; row < capacity; row++) {
      if (to.state[row] === states.acked) this.#setAcked(row, true);
    }
  }
}

const columnNames = Object.keys(createColumns(0)) as (keyof Columns)[];

function createColumns(capacity: number): Columns {
  return {
    state: new Uint8Array(capacity),
    flags: new Uint8Array(capacity),
    isPieceEnd: new Uint8Array(capacity),
    isCountedLost: new Uint8Array(capacity),
    sendCount: new Uint16Array(capacity),
    streamId: new Uint16Array(capacity),
    offset: new Uint16Array(capacity),
    length: new Uint16Array(capacity),
    maxRetransmissions: new Uint16Array(capacity),
    messageNumber: new Uint32Array(capacity),
    fragmentNumber: new Uint32Array(capacity),
    ppid: new Uint32Array(capacity),
    handle: new Uint32Array(capacity),
    expiresAt: new Float64Array(capacity),
    before: new Uint32Array(capacity),
    after: new Uint32Array(capacity),
    ...createDeliveryColumns(capacity),
  };
}

function createBits(capacity: number): Int32Array {
  return new Int32Array(Math.ceil(capacity / 32));
}
