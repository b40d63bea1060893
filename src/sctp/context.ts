/** What the parts of an association share: who the peer is, how far it has come, and its end. */
import type { Instant } from "../sans_io.ts";
import type { AssociationConfig, AssociationEndCode, AssociationState } from "./association.ts";
import type { Capabilities, OfferedCapabilities } from "./capabilities.ts";
import { Heartbeat } from "./heartbeat.ts";
import { writeAbort } from "./packet/abort_chunk.ts";
import { protocolViolation } from "./packet/error_cause.ts";
import { packetHeaderLength } from "./packet/packet_header.ts";
import type { InitFields } from "./packet/init_chunk.ts";
import { createOwnInit, offered } from "./own_init.ts";
import { Outbox } from "./outbox.ts";
import { PathMtu } from "./path_mtu.ts";
import { Request, type RequestOptions } from "./request.ts";
import { Receiver } from "./rx/receiver.ts";
import { add32, isAfter32 } from "./serial.ts";
import { StreamReset } from "./stream_reset.ts";
import { BbrCongestionControl } from "./tx/bbr_congestion_control.ts";
import { RetransmissionTimeout } from "./tx/retransmission_timeout.ts";
import { Transmitter } from "./tx/transmitter.ts";

const defaultMaxMessageLength = 262_144;
/** RFC 9260 section 16: HB.interval. */
const defaultHeartbeatInterval = 30_000;
/** What an Ethernet frame takes behind IPv4, UDP and DTLS. */
const defaultMaxPacketLength = 1_432;
/**
 * RFC 9260 section 16 has 1 s, 1 s and 60 s: for acknowledgements delayed by 500 ms, and hosts that
 * stay away. Peers of data channels delay theirs by 200 ms at most, and paths come back: what stood
 * still during an outage goes on within the longest of these.
 */
const timeoutOptions = { initial: 500, min: 300, max: 2_500 } as const;
/** RFC 9260 section 16: Association.Max.Retrans. */
const maxErrorCount = 10;
/** RFC 9260 section 16: Max.Init.Retransmits. */
const maxRequestRetransmissions = 8;

/** What was agreed on with a peer, and what serves it. */
export interface Peer {
  readonly tag: number;
  readonly capabilities: Capabilities;
  readonly receiver: Receiver;
  readonly reset: StreamReset;
}

/** What an INIT, an INIT ACK or a cookie tells of a peer. */
export interface PeerDescription {
  readonly tag: number;
  readonly initialTsn: number;
  /** Its receive window, in bytes. */
  readonly window: number;
  readonly capabilities: Capabilities;
}

/** The state of one association. */
export class Context {
  readonly config: AssociationConfig;
  readonly offered: OfferedCapabilities;
  /** What the peer is told, or was. */
  readonly ownInit: InitFields;
  readonly timeout = new RetransmissionTimeout(timeoutOptions);
  readonly transmitter: Transmitter;
  readonly heartbeat: Heartbeat;
  readonly pathMtu: PathMtu;
  readonly outbox = new Outbox();
  state: AssociationState = "closed";
  peer: Peer | undefined;
  /** What waits for an answer: T1 or T2 runs for it. */
  request: Request | undefined;
  #errorCount = 0;
  #isReachable = true;
  #lastErrorAt: Instant = -Infinity;
  #maxPacketLength: number;

  constructor(config: AssociationConfig) {
    const { random, store } = config;
    this.config = config;
    this.offered = offered(config);
    this.ownInit = config.ownInit ?? createOwnInit(config);
    this.#maxPacketLength = config.maxPacketLength ?? defaultMaxPacketLength;
    this.pathMtu = new PathMtu(random);
    const interval = config.heartbeatInterval ?? defaultHeartbeatInterval;
    this.heartbeat = new Heartbeat({ interval, random });
    const { packetLength } = this.pathMtu;
    this.transmitter = new Transmitter({
      store,
      initialTsn: this.ownInit.initialTsn,
      timeout: this.timeout,
      congestionControl: config.congestionControl?.(packetLength) ??
        new BbrCongestionControl(packetLength),
      onBufferedAmountLow: (streamId) => {
        if (!this.isEnded) config.handler.handleBufferedAmountLow(streamId);
      },
      initialMessageNumber: config.initialMessageNumber,
    });
    this.applyPacketLength();
  }

  get localTag(): number {
    return this.ownInit.initiateTag;
  }

  /** Whether it is over. */
  get isEnded(): boolean {
    return this.state === "ended";
  }

  /** Whether messages may be queued. */
  get isOpen(): boolean {
    return this.state === "closed" || this.state === "cookie-wait" ||
      this.state === "cookie-echoed" || this.state === "established";
  }

  /** Whether what is queued or was lost may still be sent, and data be acknowledged. */
  get isTransferring(): boolean {
    return this.state === "established" || this.state === "shutdown-pending" ||
      this.state === "shutdown-sent" || this.state === "shutdown-received";
  }

  /** Begins to speak with a peer; another that was spoken with is forgotten. */
  adoptPeer({ tag, initialTsn, window, capabilities }: PeerDescription, now: Instant): void {
    this.peer?.receiver.destroy(now);
    const { config: { handler, store, initialMessageNumber, maxMessageLength } } = this;
    const { isInterleaved, isPartialReliability } = capabilities;
    const receiver = new Receiver({
      store,
      initialTsn,
      isInterleaved,
      windowLength: this.ownInit.advertisedReceiverWindowCredit,
      maxMessageLength: maxMessageLength ?? defaultMaxMessageLength,
      deliver: (streamId, ppid, bytes, start, end) => {
        if (!this.isEnded) handler.handleMessage(streamId, ppid, bytes, start, end);
      },
      initialMessageNumber,
    });
    this.transmitter.configure({ peerWindow: window, isInterleaved, isPartialReliability });
    this.applyPacketLength();
    this.peer = { tag, capabilities, receiver, reset: this.#createReset(receiver, initialTsn) };
  }

  /** Data may pass from now on. */
  establish(now: Instant): void {
    this.state = "established";
    this.request = undefined;
    this.#errorCount = 0;
    this.heartbeat.start(now);
    this.setPath(this.#maxPacketLength, now);
    this.config.handler.handleUp();
  }

  /** The path may take packets of this length, in bytes. */
  setPath(maxPacketLength: number, now: Instant): void {
    this.#maxPacketLength = maxPacketLength;
    if (!this.isTransferring) return;
    this.transmitter.handlePathChange();
    this.pathMtu.start(maxPacketLength, now);
    this.applyPacketLength();
  }

  /** The length of packets has changed. */
  applyPacketLength(): void {
    const { packetLength, shorterLength } = this.pathMtu;
    this.transmitter.setChunkSpace(
      packetLength - packetHeaderLength,
      shorterLength - packetHeaderLength,
    );
  }

  /** Shortens packets where the path swallows those that are as long as they may be. */
  checkForBlackHole(now: Instant): void {
    if (this.transmitter.isBlackHole(now) && this.pathMtu.handleBlackHole(now)) {
      this.applyPacketLength();
    }
  }

  /** Sends a chunk until it is answered. */
  startRequest(
    { chunk, name }: Pick<RequestOptions, "chunk" | "name">,
    now: Instant,
  ): void {
    this.request = new Request({
      chunk,
      name,
      maxRetransmissions: maxRequestRetransmissions,
      timeout: this.timeout.timeout,
      maxTimeout: timeoutOptions.max,
    }, now);
  }

  /**
   * Whether the peer is heard at all, as those below know it. While it is not, what stays unanswered
   * says nothing of the peer: errors are not counted.
   */
  setReachable(isReachable: boolean, now: Instant): void {
    if (isReachable === this.#isReachable) return;
    this.#isReachable = isReachable;
    this.clearErrors();
    if (isReachable) this.retry(now);
  }

  /** What was sent may have gone nowhere: it is sent anew, and what the path takes is found anew. */
  retry(now: Instant): void {
    if (!this.isTransferring) return;
    this.transmitter.retry(now);
    this.heartbeat.hasten(now);
    this.setPath(this.#maxPacketLength, now);
  }

  /** The peer has shown that it is there: RFC 9260, section 8.1. */
  clearErrors(): void {
    this.#errorCount = 0;
  }

  /**
   * Something was not answered; too often, and the peer is gone (RFC 9260, section 8.1). Data,
   * heartbeats and resets that are not answered at once are signs of one silence.
   */
  countError(what: string, now: Instant): void {
    if (!this.#isReachable || now < this.#lastErrorAt + this.timeout.timeout / 2) return;
    this.#lastErrorAt = now;
    if (++this.#errorCount > maxErrorCount) this.end("timeout", what, now);
  }

  /** The peer broke the protocol: it is told, and that is the end. */
  refuse(problem: string, now: Instant): void {
    this.abort(protocolViolation(problem));
    this.end("protocol", `the peer broke the protocol: ${problem}`, now);
  }

  /** Tells the peer that it is over, and why. */
  abort(cause: Uint8Array): void {
    if (this.peer !== undefined) {
      this.outbox.reply(this.peer.tag, writeAbort([cause], false));
    }
  }

  /** It is over. */
  end(code: AssociationEndCode, reason: string, now: Instant): void {
    if (this.isEnded) return;
    this.state = "ended";
    this.request = undefined;
    this.outbox.clear();
    this.heartbeat.stop();
    this.pathMtu.stop();
    this.transmitter.destroy(now);
    this.peer?.receiver.destroy(now);
    this.config.handler.handleClosed(code, reason);
  }

  #createReset(receiver: Receiver, peerInitialTsn: number): StreamReset {
    const { queue } = this.transmitter;
    const { handler } = this.config;
    return new StreamReset({
      localInitialTsn: this.ownInit.initialTsn,
      peerInitialTsn,
      context: {
        takeResets: (maxCount) => queue.takeResets(maxCount),
        lastAssignedTsn: () => add32(this.transmitter.nextTsn, -1),
        isAcknowledged: (tsn) => !isAfter32(tsn, this.transmitter.cumulativeTsn),
        finishReset: (streamIds, isPerformed) => {
          for (const streamId of streamIds) queue.finishReset(streamId, isPerformed);
          handler.handleOutgoingReset(streamIds);
        },
        prepareResets: (streamIds) => {
          const known = streamIds.filter((streamId) => queue.isKnown(streamId));
          for (const streamId of known) queue.prepareReset(streamId);
          return known.length > 0;
        },
        hasReceivedAllTo: (tsn) => receiver.hasReceivedAllTo(tsn),
        resetIncoming: (streamIds, now) => {
          receiver.resetStreams(streamIds, now);
          handler.handleIncomingReset(streamIds);
        },
        send: (chunk) => this.outbox.add(chunk),
      },
    });
  }
}
