/** Heartbeats (RFC 9260, section 8.3): whether a peer that has nothing to say is still there. */
import type { Instant } from "../sans_io.ts";
import { parseHeartbeatInfo, writeHeartbeat } from "./packet/heartbeat_chunk.ts";
import { readUint32, writeUint32 } from "../network_order.ts";

/** What tells a heartbeat's info from that of a path MTU probe. */
const kind = 0x48425354;
const nonceLength = 8;
const infoLength = 4 + nonceLength;

/** Sends heartbeats in turn and knows their acknowledgements. */
export class Heartbeat {
  readonly #interval: number;
  readonly #random: (length: number) => Uint8Array;
  #dueAt: Instant | undefined;
  #nonce: Uint8Array | undefined;
  #sentAt: Instant = 0;
  #expiresAt: Instant | undefined;

  /** One every `interval` ms, with a nonce that nobody else knows. */
  constructor(
    { interval, random }: {
      readonly interval: number;
      readonly random: (length: number) => Uint8Array;
    },
  ) {
    this.#interval = interval;
    this.#random = random;
  }

  /** Begins: the association is up. */
  start(now: Instant): void {
    this.#dueAt = now + this.#interval;
  }

  stop(): void {
    this.#dueAt = undefined;
    this.#expiresAt = undefined;
    this.#nonce = undefined;
  }

  nextTimeout(): Instant | undefined {
    if (this.#dueAt === undefined || this.#expiresAt === undefined) return this.#dueAt;
    return Math.min(this.#dueAt, this.#expiresAt);
  }

  /** Has one sent now, unless one is under way. */
  hasten(now: Instant): void {
    if (this.#dueAt === undefined || (this.#expiresAt ?? now) > now) return;
    this.#expiresAt = undefined;
    this.#nonce = undefined;
    this.#dueAt = now;
  }

  /** True where a heartbeat was not answered in time: that counts as a failure. */
  handleTimeout(now: Instant): boolean {
    if (this.#expiresAt === undefined || this.#expiresAt > now) return false;
    this.#expiresAt = undefined;
    this.#nonce = undefined;
    return true;
  }

  /** The HEARTBEAT that is due, to be answered within `timeout`. */
  take(now: Instant, timeout: number): Uint8Array | undefined {
    if (this.#dueAt === undefined || this.#dueAt > now) return undefined;
    this.#dueAt = now + this.#interval;
    if (this.#nonce !== undefined) return undefined;
    this.#nonce = this.#random(nonceLength);
    this.#sentAt = now;
    this.#expiresAt = now + timeout;
    const info = new Uint8Array(infoLength);
    writeUint32(info, 0, kind);
    info.set(this.#nonce, 4);
    return writeHeartbeat(info);
  }

  /** The round trip that a HEARTBEAT ACK shows, in ms; undefined where it answers none of ours. */
  handleAck(bytes: Uint8Array, start: number, end: number, now: Instant): number | undefined {
    const info = parseHeartbeatInfo(bytes, start, end);
    const nonce = this.#nonce;
    if (info?.length !== infoLength || readUint32(info, 0) !== kind) return undefined;
    // CHECK S19
    if (nonce === undefined || !nonce.every((byte, n) => byte === info[4 + n])) return undefined;
    this.#nonce = undefined;
    this.#expiresAt = undefined;
    return now - this.#sentAt;
  }
}
