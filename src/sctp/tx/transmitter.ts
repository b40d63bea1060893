/**
 * The sending side of an association: which chunk may be sent now, when one counts as lost, and the
 * timers that see to it that nothing outstanding is ever forgotten. RFC 9260, sections 6.1, 6.3 and
 * 7.2, with the loss detection of RFC 8985 (RACK-TLP) and the partial reliability of RFC 3758. How
 * much and how fast, its congestion control decides.
 */
import type { Instant } from "../../sans_io.ts";
import { writeForwardTsn } from "../packet/forward_tsn_chunk.ts";
import { gapEnd, type SackFields } from "../packet/sack_chunk.ts";
import { padded } from "../../network_order.ts";
import type { PayloadStore } from "../payload_store.ts";
import { add32, distance32, isAfter32 } from "../serial.ts";
import type { CongestionControl } from "./congestion_control.ts";
import { OutstandingData } from "./outstanding_data.ts";
import { Pacer } from "./pacer.ts";
import { PeakFlight } from "./peak_flight.ts";
import type { RetransmissionTimeout } from "./retransmission_timeout.ts";
import { SendQueue } from "./send_queue.ts";

/** What makes a transmitter. */
export interface TransmitterOptions {
  readonly store: PayloadStore;
  readonly initialTsn: number;
  readonly timeout: RetransmissionTimeout;
  readonly congestionControl: CongestionControl;
  readonly onBufferedAmountLow: (streamId: number) => void;
  readonly initialMessageNumber?: number;
}

/** Where chunks are to go. */
export interface PacketRoom {
  readonly end: number;
  /** Whether nothing precedes them in their packet. */
  readonly isPacketEmpty: boolean;
  readonly now: Instant;
}

/** What became of a SACK: taken, too old to say anything, or acknowledging what was never sent. */
export type SackVerdict = "taken" | "old" | "false";

/** A receiver waits so long for a second packet before it acknowledges one, in ms (RFC 8985). */
const probeAckDelay = 50;
/** Packets that may always be sent at once. */
const minBurstPackets = 10;
/** A SACK without gaps may travel with the data, in bytes. */
const sackAllowance = 16;
/** What a stream named in an I-FORWARD-TSN takes, in bytes: that it is the longer of the two. */
const skippedLength = 8;

const noGaps = { gapCount: 0, duplicateCount: 0, gapsStart: 0 } as const;
const noBytes = new Uint8Array(0);

/** The sending side. */
export class Transmitter {
  readonly queue: SendQueue;
  readonly #outstanding: OutstandingData;
  readonly #peakFlight: PeakFlight;
  readonly #timeout: RetransmissionTimeout;
  readonly #congestionControl: CongestionControl;
  readonly #pacer = new Pacer();
  #isInterleaved = false;
  #isPartialReliability = false;
  /** User data of a packet with one chunk and a SACK, in bytes. */
  #pieceLength = 0;
  /** The peer's receive window, as of its last word. */
  #peerWindow = 0;
  /** T3-rtx. */
  #retransmitAt: Instant | undefined;
  /** RFC 8985: the tail loss probe. */
  #probeAt: Instant | undefined;
  #isProbeDue = false;
  #hasProbed = false;
  /** RFC 9260 section 6.1: the peer's window is looked at again. */
  #windowProbeAt: Instant | undefined;
  #isWindowProbeDue = false;
  #hasHeardSinceTimeout = true;
  #forwardTsnAt: Instant = -Infinity;
  /** What the last FORWARD TSN was about, and how far it went: it names so many streams only. */
  #forwardedTsn: number | undefined;
  #toldTsn = 0;
  /** Losses up to this TSN are of one event. */
  #recoveryPoint: number | undefined;
  /** RFC 9260 section 7.2.4: the first packet of a recovery is sent whatever the window. */
  #isFastRetransmitDue = false;
  #burstLeft = 0;
  #lastSentAt: Instant = -Infinity;

  constructor(options: TransmitterOptions) {
    const { store, initialTsn, onBufferedAmountLow, initialMessageNumber } = options;
    this.queue = new SendQueue({ store, onBufferedAmountLow, initialMessageNumber });
    this.#outstanding = new OutstandingData({ store, initialTsn });
    this.#peakFlight = new PeakFlight(initialTsn);
    this.#timeout = options.timeout;
    this.#congestionControl = options.congestionControl;
  }

  /** What was agreed with the peer. */
  configure(
    { peerWindow, isInterleaved, isPartialReliability }: {
      readonly peerWindow: number;
      readonly isInterleaved: boolean;
      readonly isPartialReliability: boolean;
    },
  ): void {
    this.#peerWindow = peerWindow;
    this.#isInterleaved = isInterleaved;
    this.#isPartialReliability = isPartialReliability;
    this.queue.setInterleaved(isInterleaved);
    this.queue.setMaxBegunLength(peerWindow / 2);
    this.#outstanding.setInterleaved(isInterleaved);
  }

  /** The user data of a message that fits one packet. */
  get pieceLength(): number {
    return this.#pieceLength;
  }

  /** The length of its chunk, in bytes. */
  get fullChunkLength(): number {
    return this.#outstanding.headerLength + this.#pieceLength;
  }

  /**
   * So many bytes of a packet are for chunks; and of one that would come through where this is found
   * to be too long.
   */
  setChunkSpace(length: number, shorterLength: number): void {
    this.#pieceLength = (length - this.#outstanding.headerLength - sackAllowance) & ~3;
    this.#outstanding.setShortLength(shorterLength - this.#outstanding.headerLength);
    this.#congestionControl.setPieceLength(this.#pieceLength);
    this.#setPace();
  }

  get nextTsn(): number {
    return this.#outstanding.nextTsn;
  }

  /** All up to this is acknowledged. */
  get cumulativeTsn(): number {
    return this.#outstanding.cumulativeTsn;
  }

  /** Whether nothing is queued and nothing waits for an acknowledgement. */
  get isDone(): boolean {
    // Not `hasData`: what waits behind a stream's reset is still to be sent.
    return this.#outstanding.isEmpty && this.queue.bufferedLength === 0;
  }

  /** Figures for invariants and reports. Lengths are user data, in bytes. */
  get figures(): TransmitterFigures {
    const { flightLength, isInFlight, hasLost, sentLength, resentLength } = this.#outstanding;
    return {
      sentLength,
      resentLength,
      flightLength,
      isInFlight,
      hasLost,
      hasQueued: this.queue.hasData,
      queuedLength: this.queue.bufferedLength,
      cwndBytes: this.#congestionControl.cwndBytes,
      peerWindow: this.#peerWindow,
      canSend: this.canSend(),
      retransmitAt: this.#retransmitAt,
      timeout: this.#timeout.timeout,
      nextTimeout: this.nextTimeout(),
    };
  }

  /** Takes a SACK whose form was found valid. */
  handleSack(bytes: Uint8Array, sack: SackFields, now: Instant): SackVerdict {
    const outstanding = this.#outstanding;
    // RFC 9260 section 6.2.1: "If the Cumulative TSN Ack is less than the Cumulative TSN Ack Point,
    // then drop the SACK chunk."
    if (distance32(outstanding.cumulativeTsn, sack.cumulativeTsnAck) < 0) return "old";
    const lastGap = sack.gapCount === 0 ? 0 : gapEnd(bytes, sack, sack.gapCount - 1);
    if (!outstanding.isSent(add32(sack.cumulativeTsnAck, lastGap))) return "false";
    outstanding.handleSack(bytes, sack, now);
    const { isAdvanced, rtt } = outstanding.outcome;
    if (rtt >= 0) this.#timeout.observe(rtt);
    if (sack.duplicateCount > 0) outstanding.widenReorderingWindow();
    const wasClosed = this.#isWindowClosed;
    this.#peerWindow = sack.advertisedReceiverWindowCredit;
    if (wasClosed && !this.#isWindowClosed && !isAdvanced) this.#loseWindowProbe();
    this.#hasHeardSinceTimeout = true;
    if (this.#canPeerTake()) this.#stopWindowProbe();
    const wasInRecovery = this.#recoveryPoint !== undefined;
    this.#leaveRecovery();
    this.#detectLosses(now);
    this.#tellCongestionControl(wasInRecovery || this.#recoveryPoint !== undefined, now);
    this.#restartTimers(isAdvanced, now);
    this.#refillBurst();
    return "taken";
  }

  #tellCongestionControl(isRecovering: boolean, now: Instant): void {
    const outstanding = this.#outstanding;
    const { flightLength, deliveredLength, lostLength, deliverySample } = outstanding;
    const { ackedLength, isAdvanced, rtt } = outstanding.outcome;
    this.#congestionControl.handleAcknowledgement({
      ackedLength,
      peakFlightLength: this.#peakFlight.handleAcknowledged(outstanding),
      flightLength,
      isAdvanced,
      isRecovering,
      rtt,
      srtt: this.#timeout.srtt ?? -1,
      deliveredLength,
      lostLength,
      sample: deliverySample,
      now,
    });
    this.#setPace();
    this.#pacer.advance(now);
  }

  #setPace(): void {
    this.#pacer.setRate(this.#congestionControl.pacingRate ?? Infinity, this.#pieceLength);
  }

  /** A SHUTDOWN acknowledges as a SACK without gaps does, and says nothing of the window. */
  handleCumulativeTsnAck(cumulativeTsnAck: number, now: Instant): void {
    const advertisedReceiverWindowCredit = this.#peerWindow;
    const sack = { cumulativeTsnAck, advertisedReceiverWindowCredit, ...noGaps };
    this.handleSack(noBytes, sack, now);
  }

  /** Whether `writeChunks` would write something now. */
  canSend(): boolean {
    if (this.#isProbeDue) return true;
    if (this.#outstanding.hasLost) return this.#isFastRetransmitDue || this.#hasRoom();
    return this.queue.hasData && this.#maySendNew();
  }

  /**
   * Writes as many chunks as may be sent and fit `out[at..end)`; returns where they end. What was
   * cut when the path took more goes beyond `end`, where the packet is empty: below, it is
   * fragmented, or lost.
   */
  writeChunks(out: Uint8Array, at: number, { end, isPacketEmpty, now }: PacketRoom): number {
    const first = at;
    this.#pacer.advance(now);
    at = this.#writeLost(out, at, isPacketEmpty ? this.#oversizeEnd(out, at, end) : end, now);
    if (!this.#outstanding.hasLost) at = this.#writeNew(out, at, end, now);
    // RFC 8985 section 7.3: new data is as good a probe.
    if (at > first) this.#isProbeDue = false;
    if (this.#isProbeDue) at = this.#writeProbe(out, at, end, now);
    if (at > first) this.#noteSent(now);
    else this.#armWindowProbe(now);
    this.queue.tellLow();
    this.#noteLimit();
    return at;
  }

  /**
   * Writes chunks of new data to packets that are to be as long as each other: the first to
   * `out[at..)`, the next `stride` bytes behind it, and so on. Returns how many.
   */
  writeRun(
    out: Uint8Array,
    at: number,
    { chunkLength, stride, now }: {
      readonly chunkLength: number;
      readonly stride: number;
      readonly now: Instant;
    },
  ): number {
    if (this.#isProbeDue || this.#isWindowProbeDue || this.#outstanding.hasLost) return 0;
    const length = chunkLength - this.#outstanding.headerLength;
    const lastAt = out.length - chunkLength;
    let count = 0;
    while (at <= lastAt && this.#maySendNew()) {
      if (!this.queue.produceOfRun(length, this.#pieceLength)) break;
      this.#writeFragment(out, at, now);
      at += stride;
      count++;
    }
    if (count === 0) return 0;
    this.#noteSent(now);
    this.queue.tellLow();
    this.#noteLimit();
    return count;
  }

  /** Whether it is time for a FORWARD TSN (RFC 3758, section 3.5). */
  isForwardTsnDue(now: Instant): boolean {
    const { advancedPeerAckPoint, isForwardTsnDue } = this.#outstanding;
    // C3: it is sent whenever there is something new to tell; else again only once the last one is
    // overdue.
    const isNew = advancedPeerAckPoint !== this.#forwardedTsn;
    const isRestDue = this.#toldTsn !== this.#forwardedTsn &&
      !isAfter32(this.#toldTsn, this.#outstanding.cumulativeTsn);
    return isForwardTsnDue && (isNew || isRestDue || now >= this.#forwardTsnAt);
  }

  /** The FORWARD TSN chunk, when it is time for one. */
  takeForwardTsn(now: Instant): Uint8Array | undefined {
    if (!this.isForwardTsnDue(now)) return undefined;
    const outstanding = this.#outstanding;
    this.#forwardedTsn = outstanding.advancedPeerAckPoint;
    this.#forwardTsnAt = now + this.#timeout.timeout;
    const givenUp = outstanding.givenUp(this.#maxSkippedCount);
    this.#toldTsn = givenUp.newCumulativeTsn;
    return writeForwardTsn(givenUp, this.#isInterleaved);
  }

  /** Lets timers expire. True where T3-rtx did and the peer was silent: that counts as a failure. */
  handleTimeout(now: Instant): boolean {
    this.#pacer.advance(now);
    if (isDue(this.#windowProbeAt, now)) {
      this.#windowProbeAt = undefined;
      this.#isWindowProbeDue = true;
      this.#timeout.backOff();
      this.#refillBurst();
    }
    if (isDue(this.#retransmitAt, now)) return this.#handleRetransmissionTimeout();
    if (isDue(this.#probeAt, now)) {
      this.#probeAt = undefined;
      this.#isProbeDue = true;
      this.#hasProbed = true;
    }
    if (isDue(this.#outstanding.rackTimeout, now)) this.#detectLosses(now);
    return false;
  }

  /** What is sent from now on goes another way. */
  handlePathChange(): void {
    if (this.#outstanding.sentLength === 0) return;
    this.#outstanding.forgetPath();
    this.#congestionControl.handlePathChange();
    this.#setPace();
  }

  /** The peer has answered something that is no data. */
  handleHeard(): void {
    this.#outstanding.noteAlive();
  }

  /** Whether the path swallows packets as long as they are now. */
  isBlackHole(now: Instant): boolean {
    return this.#outstanding.isBlackHole(this.#timeout.timeout, now);
  }

  /** Has the timers that wait for an answer expire now: the question may not have arrived. */
  retry(now: Instant): void {
    if (this.#retransmitAt !== undefined) this.#retransmitAt = now;
    if (this.#windowProbeAt !== undefined) this.#windowProbeAt = now;
  }

  /** RTO was measured anew: T3-rtx waits no longer than that, as doubled as it was. */
  shortenTimer(now: Instant): void {
    if (this.#retransmitAt === undefined) return;
    this.#retransmitAt = Math.min(this.#retransmitAt, now + this.#timeout.timeout);
  }

  /** Gives back memory that was not needed since it was last called. */
  trim(): void {
    this.#outstanding.trim();
  }

  nextTimeout(): Instant | undefined {
    const { rackTimeout, isForwardTsnDue } = this.#outstanding;
    const next = Math.min(
      this.#retransmitAt ?? Infinity,
      this.#probeAt ?? Infinity,
      this.#windowProbeAt ?? Infinity,
      rackTimeout ?? Infinity,
      this.#isPaced ? this.#pacer.readyAt : Infinity,
      isForwardTsnDue && this.#forwardTsnAt > -Infinity ? this.#forwardTsnAt : Infinity,
    );
    return next === Infinity ? undefined : next;
  }

  /** Frees everything. */
  destroy(now: Instant): void {
    this.queue.destroy(now);
    this.#outstanding.destroy(now);
    this.#retransmitAt = undefined;
    this.#probeAt = undefined;
    this.#windowProbeAt = undefined;
  }

  /** RFC 3758 section 3.5: streams that a FORWARD TSN may name, and fit a packet. */
  get #maxSkippedCount(): number {
    return Math.floor(this.#pieceLength / skippedLength);
  }

  /** RFC 9260 section 6.1, B: "if it has cwnd or more bytes of data outstanding", nothing new. */
  #hasRoom(): boolean {
    const { flightLength } = this.#outstanding;
    return flightLength === 0 || (this.#isWindowOpen && this.#burstLeft > 0 && this.#pacer.isReady);
  }

  get #isWindowOpen(): boolean {
    return this.#outstanding.flightLength < this.#congestionControl.cwndBytes;
  }

  /** Whether something would be sent, were it not too early for it. */
  get #isPaced(): boolean {
    if (this.#pacer.isReady || !this.#outstanding.isInFlight || !this.#isWindowOpen) return false;
    if (this.#outstanding.hasLost) return true;
    return this.queue.hasData && !this.#outstanding.isFull && this.#canPeerTake();
  }

  /** Neither the window nor the pace keeps more from being sent: the sample is of the sender. */
  #noteLimit(): void {
    if (!this.#pacer.isReady || !this.#isWindowOpen || this.#outstanding.hasLost) return;
    if (this.#burstLeft > 0 && !this.canSend()) this.#outstanding.limitDelivery();
  }

  #maySendNew(): boolean {
    if (this.#outstanding.isFull) return false;
    return this.#isWindowProbeDue || (this.#canPeerTake() && this.#hasRoom());
  }

  /** RFC 9260 section 6.1, A: what is sent must fit the peer's window. */
  #canPeerTake(): boolean {
    return this.#peerWindow - this.#outstanding.flightLength >= Math.min(
      this.#pieceLength,
      this.queue.bufferedLength,
    );
  }

  /** Section 6.1, A: with nothing in flight one chunk may be sent, to learn whether it opens. */
  #armWindowProbe(now: Instant): void {
    const { isInFlight, hasLost } = this.#outstanding;
    if (isInFlight || hasLost || !this.queue.hasData || this.#canPeerTake()) return;
    this.#windowProbeAt ??= now + this.#timeout.timeout;
  }

  get #isWindowClosed(): boolean {
    return this.#peerWindow < this.#pieceLength;
  }

  /** The window is open again: what looked at it found it closed, and was dropped. */
  #loseWindowProbe(): void {
    if (this.#outstanding.flightLength <= this.#pieceLength) this.#outstanding.loseAll();
  }

  #stopWindowProbe(): void {
    this.#windowProbeAt = undefined;
    this.#isWindowProbeDue = false;
  }

  #startFromIdle(now: Instant): void {
    const idleTime = now - this.#lastSentAt;
    if (idleTime < this.#timeout.timeout) return;
    if (idleTime < Infinity) {
      this.#congestionControl.handleIdle(idleTime, this.#timeout.timeout);
    }
    this.#setPace();
    this.#pacer.restart();
    this.#refillBurst();
  }

  /**
   * RFC 9260 section 6.1, D limits bursts to four packets. Ours grow with the window; what is paced
   * has no need of a limit.
   */
  #refillBurst(): void {
    if ((this.#congestionControl.pacingRate ?? Infinity) < Infinity) {
      this.#burstLeft = Infinity;
      return;
    }
    this.#burstLeft = Math.max(
      minBurstPackets * this.#pieceLength,
      this.#congestionControl.cwndBytes / 2,
    );
  }

  #spend(length: number): void {
    this.#burstLeft -= length;
    this.#pacer.spend(length);
  }

  /** Where a packet ends that begins with what is to be sent first, and is longer than others. */
  #oversizeEnd(out: Uint8Array, at: number, end: number): number {
    const tsn = this.#outstanding.firstLost();
    if (tsn === undefined) return end;
    const needed = at + padded(this.#outstanding.chunkLength(tsn));
    return needed <= out.length ? Math.max(end, needed) : end;
  }

  #writeLost(out: Uint8Array, at: number, end: number, now: Instant): number {
    const outstanding = this.#outstanding;
    for (let tsn = outstanding.firstLost(); tsn !== undefined; tsn = outstanding.firstLost()) {
      if (this.#isPartialReliability && outstanding.isExpired(tsn, now)) {
        this.#abandon(tsn, now);
        continue;
      }
      if (at + padded(outstanding.chunkLength(tsn)) > end) break;
      if (!this.#isFastRetransmitDue && !this.#hasRoom()) break;
      const isFirst = tsn === add32(outstanding.cumulativeTsn, 1);
      outstanding.resend(tsn, now);
      at = outstanding.writeChunk(tsn, out, at, false);
      this.#isFastRetransmitDue = false;
      this.#spend(outstanding.chunkLength(tsn) - outstanding.headerLength);
      // RFC 9260 section 6.3.2, R3 and 7.2.4: the timer is of the earliest chunk.
      if (isFirst) this.#retransmitAt = undefined;
      this.#armTimers(now);
    }
    return at;
  }

  #writeNew(out: Uint8Array, at: number, end: number, now: Instant): number {
    const outstanding = this.#outstanding;
    const { queue } = this;
    if (queue.hasData && !outstanding.isInFlight) this.#startFromIdle(now);
    while (queue.hasData && this.#maySendNew()) {
      const available = end - at - outstanding.headerLength;
      if (available < 1 || !queue.produce(available, this.#pieceLength, now)) break;
      at = this.#writeFragment(out, at, now);
    }
    return at;
  }

  /** Sends what the queue has cut. */
  #writeFragment(out: Uint8Array, at: number, now: Instant): number {
    const { fragment } = this.queue;
    const tsn = this.#outstanding.add(fragment, now);
    const end = this.#outstanding.writeChunk(tsn, out, at, this.#isWindowProbeDue);
    this.#spend(fragment.length);
    this.#hasProbed = false;
    this.#stopWindowProbe();
    this.#armTimers(now);
    return end;
  }

  #noteSent(now: Instant): void {
    this.#lastSentAt = now;
    this.#peakFlight.handleSent(this.#outstanding.flightLength);
  }

  /**
   * RFC 8985 section 7.3: the last chunk again, when there is nothing new. What must not be sent again
   * is given up: a FORWARD TSN is answered as a probe is.
   */
  #writeProbe(out: Uint8Array, at: number, end: number, now: Instant): number {
    this.#isProbeDue = false;
    let tsn = this.#outstanding.lastInFlight();
    while (tsn !== undefined && this.#isPartialReliability) {
      if (!this.#outstanding.isExpired(tsn, now)) break;
      this.#outstanding.noteLost(tsn, now);
      this.#abandon(tsn, now);
      tsn = this.#outstanding.lastInFlight();
    }
    if (tsn === undefined || at + padded(this.#outstanding.chunkLength(tsn)) > end) return at;
    this.#outstanding.resend(tsn, now);
    return this.#outstanding.writeChunk(tsn, out, at, true);
  }

  #abandon(tsn: number, now: Instant): void {
    const outstanding = this.#outstanding;
    const streamId = outstanding.streamIdOf(tsn);
    const isEnded = outstanding.abandonMessage(tsn);
    if (!isEnded) {
      this.queue.discardRest(streamId, now);
      outstanding.addAbandoned(tsn, now);
    }
    this.#forwardTsnAt = now;
    if (!outstanding.isInFlight) this.#stopTimers();
  }

  #detectLosses(now: Instant): void {
    const srtt = this.#timeout.srtt ?? this.#timeout.timeout;
    const isRecovering = this.#recoveryPoint !== undefined;
    if (!this.#outstanding.detectLosses(isRecovering, srtt, now)) return;
    this.#probeAt = undefined;
    this.#isProbeDue = false;
    if (!this.#outstanding.isInFlight) this.#retransmitAt = undefined;
    if (isRecovering) return;
    // RFC 9260 section 7.2.4: the window is reduced once for all that was lost with it.
    this.#recoveryPoint = add32(this.#outstanding.nextTsn, -1);
    this.#isFastRetransmitDue = true;
    this.#congestionControl.handleLoss();
  }

  #leaveRecovery(): void {
    const point = this.#recoveryPoint;
    if (point === undefined || isAfter32(point, this.#outstanding.cumulativeTsn)) return;
    this.#recoveryPoint = undefined;
    this.#isFastRetransmitDue = false;
    this.#outstanding.endRecovery();
  }

  /** RFC 9260 section 6.3.3. */
  #handleRetransmissionTimeout(): boolean {
    this.#stopTimers();
    this.#outstanding.loseAll();
    this.#congestionControl.handleTimeout();
    this.#setPace();
    this.#timeout.backOff();
    this.#recoveryPoint = undefined;
    this.#isFastRetransmitDue = true;
    this.#hasProbed = true;
    this.#refillBurst();
    // Section 6.1, A: who answers with a closed window is alive.
    const isFailure = !this.#hasHeardSinceTimeout || !this.#isWindowClosed;
    this.#hasHeardSinceTimeout = false;
    return isFailure;
  }

  /** After a SACK: RFC 9260 section 6.3.2, R2 and R3. */
  #restartTimers(isAdvanced: boolean, now: Instant): void {
    if (!this.#outstanding.isInFlight) return this.#stopTimers();
    if (!isAdvanced) return;
    this.#hasProbed = false;
    this.#isProbeDue = false;
    this.#retransmitAt = undefined;
    this.#armTimers(now);
  }

  #stopTimers(): void {
    this.#retransmitAt = undefined;
    this.#probeAt = undefined;
    this.#isProbeDue = false;
  }

  /** Section 6.3.2, R1: whenever something is in flight T3-rtx runs. */
  #armTimers(now: Instant): void {
    this.#retransmitAt ??= now + this.#timeout.timeout;
    const { srtt } = this.#timeout;
    // RFC 8985 section 7.2: one probe a tail, and none while losses are repaired.
    if (srtt === undefined || this.#hasProbed || this.#recoveryPoint !== undefined) {
      this.#probeAt = undefined;
      return;
    }
    const isAlone = this.#outstanding.flightLength <= this.#pieceLength;
    const probeAt = now + 2 * srtt + (isAlone ? probeAckDelay : 2);
    this.#probeAt = probeAt < this.#retransmitAt ? probeAt : undefined;
  }
}

/** What a transmitter tells of itself. */
export interface TransmitterFigures {
  /** All that was ever sent, with what was sent again. */
  readonly sentLength: number;
  /** What was sent again. */
  readonly resentLength: number;
  readonly flightLength: number;
  readonly isInFlight: boolean;
  readonly hasLost: boolean;
  readonly hasQueued: boolean;
  readonly queuedLength: number;
  readonly cwndBytes: number;
  readonly peerWindow: number;
  /** Whether something may be sent now: never, once all that is allowed was sent. */
  readonly canSend: boolean;
  readonly retransmitAt: Instant | undefined;
  /** RTO, in ms. */
  readonly timeout: number;
  readonly nextTimeout: Instant | undefined;
}

function isDue(at: Instant | undefined, now: Instant): boolean {
  return at !== undefined && at <= now;
}
