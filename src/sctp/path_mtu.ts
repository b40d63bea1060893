/**
 * The longest packet that the path takes, found by trying: RFC 8899, with the probes of RFC 8261
 * section 5 (HEARTBEAT and PAD). Lengths are of SCTP packets, in bytes.
 */
import type { Instant } from "../sans_io.ts";
import { parseHeartbeatInfo, writeHeartbeat } from "./packet/heartbeat_chunk.ts";
import { readUint32, writeUint32 } from "../network_order.ts";

/** An IPv6 packet of 1280 bytes, less IP, UDP and DTLS: what WebRTC takes for granted. */
export const basePacketLength = 1_188;
/** Where even that does not come through: an IPv4 packet of 576 bytes. */
const minPacketLength = 500;
/**
 * Lengths worth trying: the base, Ethernet behind tunnels, PPPoE and VPNs, Ethernet itself over IPv6
 * and IPv4, jumbo frames, and what a DTLS record can hold.
 */
const knownLengths = [
  basePacketLength,
  1_300,
  1_340,
  1_380,
  1_404,
  1_412,
  1_424,
  1_432,
  4_000,
  8_000,
  8_900,
  16_000,
  16_340,
] as const;

/** RFC 8899 section 5.1.2: MAX_PROBES. */
const maxProbeCount = 3;
/** RFC 8899 section 5.1.1: PMTU_RAISE_TIMER, in ms. */
const raiseInterval = 600_000;
/** After the path was found to take less than it did, in ms; it grows. */
const firstRetryInterval = 5_000;
/** So many timeouts in a row are taken for a black hole. */
const blackHoleTimeouts = 2;

/** What tells a probe's info from that of a heartbeat. */
const kind = 0x504d5455;
const nonceLength = 8;
const infoLength = 4 + nonceLength;

interface Probe {
  readonly length: number;
  readonly nonce: Uint8Array;
  readonly expiresAt: Instant;
}

/** Finds the longest packet. */
export class PathMtu {
  readonly #random: (length: number) => Uint8Array;
  #candidates: readonly number[] = [];
  #packetLength = basePacketLength;
  /** Of the candidates: the shortest that is not worth trying now. */
  #refused = 0;
  #tryCount = 0;
  #probe: Probe | undefined;
  #probeAt: Instant | undefined;
  #timeoutCount = 0;
  #retryInterval = firstRetryInterval;

  constructor(random: (length: number) => Uint8Array) {
    this.#random = random;
  }

  /** No packet is longer, but probes. */
  get packetLength(): number {
    return this.#packetLength;
  }

  /** What packets are cut to where they are found to be too long; their own length at the least. */
  get shorterLength(): number {
    const shorter = this.#packetLength > basePacketLength ? basePacketLength : minPacketLength;
    return Math.min(shorter, this.#packetLength);
  }

  /** Begins to try, up to `maxLength`: the association is up, or its path has changed. */
  start(maxLength: number, now: Instant): void {
    const last = maxLength & ~3;
    this.#candidates = [...knownLengths.filter((length) => length < last), last];
    this.#packetLength = Math.min(basePacketLength, last);
    this.#timeoutCount = 0;
    this.#retryInterval = firstRetryInterval;
    this.#search(now);
  }

  stop(): void {
    this.#probe = undefined;
    this.#probeAt = undefined;
  }

  nextTimeout(): Instant | undefined {
    return this.#probe?.expiresAt ?? this.#probeAt;
  }

  /** A probe that was not answered in time, or a time to try again. */
  handleTimeout(now: Instant): void {
    if (this.#probe !== undefined && this.#probe.expiresAt <= now) this.#handleLostProbe(now);
  }

  /** The probe that is due: its HEARTBEAT, and how long the packet with it has to be. */
  take(
    now: Instant,
    timeout: number,
  ): { readonly heartbeat: Uint8Array; readonly length: number } | undefined {
    if (this.#probeAt === undefined || this.#probeAt > now || this.#probe !== undefined) {
      return undefined;
    }
    this.#probeAt = undefined;
    if (this.#refused === 0) this.#search(now);
    const length = this.#nextCandidate();
    if (length === undefined) return undefined;
    const nonce = this.#random(nonceLength);
    this.#probe = { length, nonce, expiresAt: now + timeout };
    const info = new Uint8Array(infoLength);
    writeUint32(info, 0, kind);
    info.set(nonce, 4);
    return { heartbeat: writeHeartbeat(info), length };
  }

  /** True where a HEARTBEAT ACK answers the probe: `packetLength` has grown. */
  handleAck(bytes: Uint8Array, start: number, end: number, now: Instant): boolean {
    const info = parseHeartbeatInfo(bytes, start, end);
    const probe = this.#probe;
    if (probe === undefined || info?.length !== infoLength) return false;
    if (readUint32(info, 0) !== kind) return false;
    if (!probe.nonce.every((byte, n) => byte === info[4 + n])) return false;
    this.#probe = undefined;
    this.#tryCount = 0;
    this.#packetLength = probe.length;
    this.#scheduleNext(now);
    return true;
  }

  /** Something that was sent has arrived. */
  handleProgress(): void {
    this.#timeoutCount = 0;
  }

  /**
   * T3-rtx has expired. RFC 8899 section 4.3: a path that takes no long packets any more swallows
   * them in silence. True where `packetLength` has shrunk.
   */
  handleRetransmissionTimeout(now: Instant): boolean {
    return ++this.#timeoutCount >= blackHoleTimeouts && this.handleBlackHole(now);
  }

  /** The same, where long packets are known to get lost. */
  handleBlackHole(now: Instant): boolean {
    this.#timeoutCount = 0;
    const { shorterLength } = this;
    if (this.#packetLength <= shorterLength) return false;
    this.#packetLength = shorterLength;
    this.#probe = undefined;
    this.#refused = 0;
    this.#probeAt = now + this.#retryInterval;
    this.#retryInterval = Math.min(this.#retryInterval * 2, raiseInterval);
    return true;
  }

  #search(now: Instant): void {
    this.#refused = this.#candidates.length;
    this.#tryCount = 0;
    this.#probe = undefined;
    this.#probeAt = this.#nextCandidate() === undefined ? undefined : now;
  }

  /** The longest first, as it mostly works; then by halves. */
  #nextCandidate(): number | undefined {
    const open = this.#candidates.slice(0, this.#refused)
      .filter((length) => length > this.#packetLength);
    const isFirst = this.#refused === this.#candidates.length;
    return isFirst ? open.at(-1) : open[open.length >> 1];
  }

  #handleLostProbe(now: Instant): void {
    const probe = this.#probe;
    this.#probe = undefined;
    if (probe !== undefined && ++this.#tryCount >= maxProbeCount) {
      this.#tryCount = 0;
      this.#refused = this.#candidates.indexOf(probe.length);
      return this.#scheduleNext(now);
    }
    this.#probeAt = now;
  }

  #scheduleNext(now: Instant): void {
    if (this.#nextCandidate() !== undefined) {
      this.#probeAt = now;
    } else {
      this.#refused = 0;
      const isLongest = this.#packetLength === this.#candidates.at(-1);
      this.#probeAt = isLongest ? undefined : now + raiseInterval;
    }
  }
}
