/**
 * Pumps one link: the one owner of its path, its clock and its timer, with DTLS, SCTP and data
 * channels above, none of which waits or sends by itself. What comes is opened in place and handed
 * up; what is to be sent is written, sealed in place and sent in batches of equal records.
 */
import type { Instant } from "../sans_io.ts";
import { DataChannels } from "../datachannel/data_channels.ts";
import type { DataChannel } from "../datachannel/data_channel.ts";
import { type DtlsConfig, DtlsEndpoint, type DtlsEvent } from "../dtls/dtls_endpoint.ts";
import {
  Association,
  type AssociationConfig,
  type AssociationEndCode,
} from "../sctp/association.ts";
import { maxSegmentCount } from "../socket/datagram.ts";
import type { LinkHealth, LinkPath } from "./link.ts";
import type { Path } from "./path.ts";

/** Why a link ended, as far as the parts know. */
export type DriverEnd =
  | { readonly by: "path"; readonly reason: string }
  | { readonly by: "dtls"; readonly event: Extract<DtlsEvent, { type: "ended" }> }
  | { readonly by: "sctp"; readonly code: AssociationEndCode; readonly reason: string }
  | { readonly by: "silence" };

/** What the driver tells the link. */
export interface DriverHandler {
  /** The other node is authenticated, and channels can be opened. */
  handleUp(path: LinkPath): void;
  /** Its path has changed. */
  handleMoved(path: LinkPath): void;
  /** The other node is heard no more, or again. */
  handleHealth(health: LinkHealth): void;
  handleChannel(channel: DataChannel): void;
  /** A channel is closed in both directions. */
  handleReleased(channel: DataChannel): void;
  /** The datagrams that came together were taken. */
  handleBatchEnd(): void;
  /** It is over. Called once, and not for `close`. */
  handleEnded(end: DriverEnd): void;
}

/** Memory that all links of a process send from and receive with, as each uses it at once. */
export interface Workbench {
  /** Where packets are written and sealed. */
  readonly out: Uint8Array;
  /** Where the payloads of a datagram's records lie. */
  readonly spans: Uint32Array;
}

/** What makes a driver. */
export interface DriverConfig {
  readonly path: Path;
  readonly handler: DriverHandler;
  readonly workbench: Workbench;
  readonly dtls: DtlsConfig;
  readonly association: Omit<AssociationConfig, "handler">;
  readonly maxChannelCount: number;
  /** The other node's `max-message-size`, in bytes; 0 for any. */
  readonly peerMaxMessageLength: number;
  /** The longest SCTP packet that this path might take, in bytes. */
  readonly maxPacketLength: (path: LinkPath) => number;
  readonly patience: Patience;
}

/** What it means that nothing authentic was heard for so long, in ms. */
export interface Patience {
  readonly silentAfter: number;
  readonly unreachableAfter: number;
  /** The link ends. */
  readonly endsAfter: number;
}

/** The AEAD's tag, for which there must be room behind every packet, in bytes. */
const tagLength = 16;
/** The longest SCTP packet that fits Ethernet, over IPv4, in bytes. */
const ethernetPacketLength = 1_432;
/** RFC 6347 section 4.2.4.1 allows less than a second where the round trip is known to be less. */
const handshakeTimeout = 30_000;

/** Drives one link from its path's opening to its end. */
export class LinkDriver {
  readonly #config: DriverConfig;
  readonly #path: Path;
  readonly #handler: DriverHandler;
  readonly #out: Uint8Array;
  /** `out` without the room for the last tag. */
  readonly #packetRoom: Uint8Array;
  readonly #association: Association;
  readonly #channels: DataChannels;
  #dtls: DtlsEndpoint | undefined;
  #selected: LinkPath | undefined;
  #isConnected = false;
  #isUp = false;
  #isEnding = false;
  #finished: Promise<void> = Promise.resolve();
  #isPumping = false;
  #isPumpScheduled = false;
  #lastHeardAt: Instant = 0;
  #health: LinkHealth = "heard";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt: Instant = Infinity;
  /** When the datagrams came that are being taken. */
  #now: Instant = 0;
  #batchBytes: Uint8Array | undefined;

  constructor(config: DriverConfig) {
    const { path, handler, workbench } = config;
    this.#config = config;
    this.#path = path;
    this.#handler = handler;
    this.#out = workbench.out;
    this.#packetRoom = workbench.out.subarray(0, workbench.out.length - tagLength);
    this.#association = new Association({
      ...config.association,
      handler: this.#associationHandler(),
    });
    this.#channels = new DataChannels({
      association: this.#association,
      handler: {
        handleChannel: (channel) => handler.handleChannel(channel),
        handleReleased: (channel) => handler.handleReleased(channel),
      },
      role: config.dtls.role,
      maxChannelCount: config.maxChannelCount,
      peerMaxMessageLength: config.peerMaxMessageLength,
    });
    path.handler = {
      handleOpen: (selected) => this.#handleOpen(selected),
      handleMoved: (selected) => this.#handleMoved(selected),
      handleDatagrams: (bytes, start, end, segmentLength) =>
        this.#handleDatagrams(bytes, start, end, segmentLength),
      handleFailed: (reason) => this.#end({ by: "path", reason }),
    };
  }

  /** The data channels; `schedule` is to be called after anything was sent on one. */
  get channels(): DataChannels {
    return this.#channels;
  }

  get association(): Association {
    return this.#association;
  }

  /** Where the datagrams lie that are being taken: until `handleBatchEnd`. */
  get batchBytes(): Uint8Array | undefined {
    return this.#batchBytes;
  }

  /** The user data of the packets that go out by one call, in bytes. */
  get burstLength(): number {
    const { maxPieceLength, fullPacketLength } = this.#association;
    const recordLength = fullPacketLength + (this.#dtls?.recordOverhead() ?? 0);
    const count = Math.min(maxSegmentCount, Math.floor(this.#out.length / recordLength));
    return Math.max(1, count) * maxPieceLength;
  }

  /** How long nothing authentic was heard, in ms; 0 before the link is up. */
  get silence(): number {
    return this.#isUp ? Math.max(0, performance.now() - this.#lastHeardAt) : 0;
  }

  /** Has what was asked for sent, together with what else is asked for meanwhile. */
  schedule(): void {
    if (this.#isPumpScheduled || this.#isPumping || this.#isEnding) return;
    this.#isPumpScheduled = true;
    queueMicrotask(this.#runScheduled);
  }

  /**
   * Ends it, and tells the other node; its channels are closed when this returns. Resolves when all is
   * freed, also where it had ended before.
   */
  close(reason: string): Promise<void> {
    if (this.#isEnding) return this.#finished;
    this.#isEnding = true;
    this.#channels.handleAssociationClosed();
    this.#association.abort(reason, performance.now());
    return this.#finished = this.#finish();
  }

  readonly #runScheduled = (): void => {
    this.#isPumpScheduled = false;
    this.#pump(performance.now());
  };

  /** Messages and resets come only while a datagram is taken. */
  #associationHandler(): AssociationConfig["handler"] {
    return {
      handleUp: () => this.#handleAssociated(),
      handleMessage: (streamId, ppid, bytes, start, end) =>
        this.#channels.handleMessage(streamId, ppid, bytes, start, end, this.#now),
      handleBufferedAmountLow: (streamId) => this.#channels.handleBufferedAmountLow(streamId),
      handleIncomingReset: (streamIds) => this.#channels.handleIncomingReset(streamIds, this.#now),
      handleOutgoingReset: (streamIds) => this.#channels.handleOutgoingReset(streamIds, this.#now),
      handleClosed: (code, reason) => this.#end({ by: "sctp", code, reason }),
    };
  }

  #handleOpen(selected: LinkPath): void {
    this.#selected = selected;
    this.#startDtls();
    this.#pump(performance.now());
  }

  #handleMoved(selected: LinkPath): void {
    if (this.#isEnding) return;
    this.#selected = selected;
    if (!this.#isUp) return;
    const now = performance.now();
    this.#applyPath(selected, now);
    if (this.#health !== "heard") this.#association.retry(now);
    this.#handler.handleMoved(selected);
    this.schedule();
  }

  /**
   * RFC 8449: the other node may take shorter records than the path does. Who tells no limit may read
   * datagrams of Ethernet's length only, and is not even to be probed with longer ones: Chromium's
   * DTLS ends at one, and aiortc falls behind by what it leaves unread.
   */
  #applyPath(selected: LinkPath, now: Instant): void {
    const dtls = this.#dtls;
    const maxRecord = dtls?.hasPeerToldLimit() === true
      ? dtls.maxPayloadLength()
      : ethernetPacketLength;
    const length = Math.min(this.#config.maxPacketLength(selected), maxRecord);
    this.#association.setPath(length, now);
  }

  /** The other node may know of the path before this one does: its first flight is not lost. */
  #startDtls(): DtlsEndpoint {
    this.#dtls ??= new DtlsEndpoint({ handshakeTimeout, ...this.#config.dtls }, performance.now());
    return this.#dtls;
  }

  #handleDatagrams(bytes: Uint8Array, start: number, end: number, segmentLength: number): void {
    if (this.#isEnding) return;
    this.#now = performance.now();
    const dtls = this.#startDtls();
    this.#batchBytes = bytes;
    for (let at = start; at < end && !this.#isEnding; at += segmentLength) {
      this.#takeDatagram(dtls, bytes, at, Math.min(at + segmentLength, end));
    }
    this.#batchBytes = undefined;
    this.#handler.handleBatchEnd();
    // Others that came with it are taken first.
    this.schedule();
  }

  #takeDatagram(dtls: DtlsEndpoint, bytes: Uint8Array, start: number, end: number): void {
    const now = this.#now;
    const { spans } = this.#config.workbench;
    const count = dtls.open(bytes, start, end, spans, now);
    // What follows the last of a handshake may have come with it.
    if (!this.#isConnected) this.#takeDtlsEvents(dtls, now);
    if (count > 0) this.#handleHeard(now);
    for (let span = 0; span < 2 * count && !this.#isEnding; span += 2) {
      this.#association.handlePacket(bytes, spans[span] ?? 0, spans[span + 1] ?? 0, now);
    }
  }

  readonly #handleTimer = (): void => {
    this.#timer = undefined;
    this.#timerAt = Infinity;
    const now = this.#now = performance.now();
    this.#dtls?.handleTimeout(now);
    this.#association.handleTimeout(now);
    if (this.#isUp) this.#judgeSilence(now);
    this.#pump(now);
  };

  #handleHeard(now: Instant): void {
    this.#lastHeardAt = now;
    if (this.#health !== "heard") this.#setHealth("heard", now);
  }

  #judgeSilence(now: Instant): void {
    const { silentAfter, unreachableAfter, endsAfter } = this.#config.patience;
    const silence = now - this.#lastHeardAt;
    if (silence >= endsAfter) return this.#end({ by: "silence" });
    if (silence >= unreachableAfter) this.#setHealth("unreachable", now);
    else if (silence >= silentAfter) this.#setHealth("silent", now);
  }

  #setHealth(health: LinkHealth, now: Instant): void {
    if (health === this.#health) return;
    this.#health = health;
    this.#association.setReachable(health === "heard", now);
    this.#handler.handleHealth(health);
  }

  /** When the silence, if it lasts, means something else. */
  #nextJudgementAt(): Instant {
    if (!this.#isUp) return Infinity;
    const { silentAfter, unreachableAfter, endsAfter } = this.#config.patience;
    const durations = { heard: silentAfter, silent: unreachableAfter, unreachable: endsAfter };
    return this.#lastHeardAt + durations[this.#health];
  }

  #handleAssociated(): void {
    const selected = this.#selected;
    if (selected === undefined) return;
    this.#isUp = true;
    this.#applyPath(selected, performance.now());
    this.#handler.handleUp(selected);
  }

  /** Takes events and sends all that is to be sent, until nothing is left; then sets the timer. */
  #pump(now: Instant): void {
    const dtls = this.#dtls;
    if (this.#isEnding || this.#isPumping || dtls === undefined) return;
    this.#isPumping = true;
    try {
      this.#takeDtlsEvents(dtls, now);
      if (this.#selected !== undefined) {
        this.#sendHandshake(dtls, now);
        if (this.#isConnected) { while (this.#sendBatch(dtls, now)); }
      }
    } finally {
      this.#isPumping = false;
    }
    if (!this.#isEnding) this.#setTimer(now);
  }

  #takeDtlsEvents(dtls: DtlsEndpoint, now: Instant): void {
    for (let event = dtls.pollEvent(); event !== undefined; event = dtls.pollEvent()) {
      if (event.type === "connected") {
        this.#isConnected = true;
        this.#lastHeardAt = now;
        this.#association.connect(now);
      } else if (event.type === "ended") {
        this.#sendHandshake(dtls, now);
        this.#end({ by: "dtls", event });
      }
    }
  }

  #sendHandshake(dtls: DtlsEndpoint, now: Instant): void {
    for (;;) {
      const transmit = dtls.pollTransmit(this.#out, now);
      if (transmit === undefined) return;
      this.#path.send(this.#out, 0, transmit.length, transmit.segmentSize);
    }
  }

  /** Sends one run of records of equal length, the last of which may be shorter; false for none. */
  #sendBatch(dtls: DtlsEndpoint, now: Instant): boolean {
    const out = this.#packetRoom;
    const offset = dtls.payloadOffset();
    const overhead = dtls.recordOverhead();
    let stride = 0;
    let end = 0;
    for (;;) {
      // A packet that might not fit goes first in the next batch.
      if (end > 0 && end + stride > out.length) break;
      const length = this.#association.writePacket(out, end + offset, now);
      if (length === 0) break;
      const record = length + overhead;
      const { isOversize } = this.#association;
      if (isOversize || (end > 0 && record > stride)) {
        // Longer than the others: those go before it, and it alone.
        if (end > 0) this.#sealAndSend(dtls, 0, end, stride);
        this.#sealAndSend(dtls, end, end + record, record, isOversize);
        return true;
      }
      if (stride === 0) stride = record;
      end += record;
      if (record < stride) break;
      const run = { length, stride, now };
      end += stride * this.#association.writeRun(out, end + offset, run);
    }
    if (end === 0) return false;
    this.#sealAndSend(dtls, 0, end, stride);
    return true;
  }

  #sealAndSend(
    dtls: DtlsEndpoint,
    start: number,
    end: number,
    stride: number,
    mayFragment = false,
  ): void {
    const count = dtls.seal(this.#out, start, end, stride);
    const sealedEnd = Math.min(end, start + count * stride);
    if (sealedEnd > start) this.#path.send(this.#out, start, sealedEnd, stride, mayFragment);
  }

  /** A timer that is too early is harmless, and cheaper than one set anew for every packet. */
  #setTimer(now: Instant): void {
    const due = Math.min(
      this.#dtls?.nextTimeout() ?? Infinity,
      this.#isConnected ? this.#association.nextTimeout() ?? Infinity : Infinity,
      this.#nextJudgementAt(),
    );
    if (due >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = due;
    this.#timer = due === Infinity
      ? undefined
      : setTimeout(this.#handleTimer, Math.max(0, due - now));
  }

  #end(end: DriverEnd): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#channels.handleAssociationClosed();
    this.#association.abort("the link has ended", performance.now());
    this.#finished = this.#finish();
    this.#handler.handleEnded(end);
  }

  /** Says farewell, as far as there is a way, and frees everything. */
  async #finish(): Promise<void> {
    clearTimeout(this.#timer);
    // This may be asked for in the midst of a batch.
    await Promise.resolve();
    const dtls = this.#dtls;
    if (dtls !== undefined && this.#selected !== undefined) {
      const now = performance.now();
      if (this.#isConnected) { while (this.#sendBatch(dtls, now)); }
      dtls.close();
      this.#sendHandshake(dtls, now);
    }
    await this.#path.close();
  }
}
