/**
 * What we said last, to be said again until it is answered (RFC 6347 section 4.2.4):
 *
 * ```text
 *            +-----------+
 *            | PREPARING | <--- the next flight has come
 *            +-----------+
 *                  | a flight is complete
 *                 \|/
 *            +-----------+          timer expires, or
 *            |  SENDING  | <-----+  the peer sends again
 *            +-----------+       |
 *                  |             |
 *                 \|/            |
 *            +-----------+       |
 *            |  WAITING  | ------+   without a timer after the last flight
 *            +-----------+
 *                  | the handshake is over
 *                 \|/
 *            +-----------+
 *            | FINISHED  |
 *            +-----------+
 * ```
 *
 * @module
 */
import type { Instant } from "../sans_io.ts";
import {
  type HandshakeFragment,
  handshakeHeaderLength,
  type HandshakeMessage,
  writeHandshakeFragment,
} from "./handshake_header.ts";
import { contentTypes } from "./record.ts";
import type { Epoch, RecordLayer } from "./record_layer.ts";

/** Section 4.2.4.1: the timer is doubled "up to no less than the RFC 6298 maximum of 60 seconds". */
const maxTimeout = 60_000;

/** What is left of the smallest MTU of IPv4, 576, below IP and UDP. */
const smallMtu = 548;
/**
 * Section 4.1.1.1: "If repeated retransmissions do not result in a response, and the PMTU is
 * unknown, subsequent retransmissions SHOULD back off to a smaller record size".
 */
const sendsAtFullSize = 3;

/** A message is not cut for less room than this, unless a datagram starts with it. */
const minFragmentLength = 32;

type FlightItem =
  | { readonly kind: "message"; readonly epoch: Epoch; readonly message: HandshakeMessage }
  | { readonly kind: "change-cipher-spec" };

type FlightState =
  | { readonly name: "preparing" }
  /** Items before this one, and this one up to the offset, are out. */
  | { readonly name: "sending"; readonly item: number; readonly offset: number }
  | { readonly name: "waiting" }
  | { readonly name: "finished" };

/** Our current flight. Each time it is sent, its records are made anew. */
export class Flight {
  readonly #initialTimeout: number;
  readonly #mtu: number;
  #state: FlightState = { name: "preparing" };
  #items: FlightItem[] = [];
  #timeout: number;
  #resendAt: Instant | undefined;
  #sentAt: Instant = 0;
  #sendCount = 0;
  #isLast = false;
  #answers = -1;

  constructor({ initialTimeout, mtu }: { readonly initialTimeout: number; readonly mtu: number }) {
    this.#initialTimeout = initialTimeout;
    this.#timeout = initialTimeout;
    this.#mtu = mtu;
  }

  /** Starts a new flight in place of the one before. */
  begin(): void {
    this.#items = [];
    this.#state = { name: "preparing" };
  }

  addMessage(message: HandshakeMessage, epoch: Epoch): void {
    this.#items.push({ kind: "message", epoch, message });
  }

  addChangeCipherSpec(): void {
    this.#items.push({ kind: "change-cipher-spec" });
  }

  /**
   * Sends the flight.
   *
   * @param answers the message_seq of the peer's message that this flight answers: the last of its
   *   flight. Where it comes again, the peer has not had this one.
   * @param isLast there is no answer to wait for, so there is no timer either
   */
  send(
    { now, answers, isLast }: {
      readonly now: Instant;
      readonly answers: number;
      readonly isLast: boolean;
    },
  ): void {
    // Departs from RFC 6347 section 4.2.4.1 ("retain the current timer value until a transmission
    // without loss occurs"): what is waited for is bounded by giving up, not by slowness.
    this.#timeout = this.#initialTimeout;
    this.#answers = answers;
    this.#isLast = isLast;
    this.#sendCount = 0;
    this.#transmit(now);
  }

  /** Nothing will be sent again. */
  finish(): void {
    this.#items = [];
    this.#state = { name: "finished" };
    this.#resendAt = undefined;
  }

  isPreparing(): boolean {
    return this.#state.name === "preparing";
  }

  isFinished(): boolean {
    return this.#state.name === "finished";
  }

  /** When to call `handleTimeout`. */
  nextTimeout(): Instant | undefined {
    return this.#resendAt;
  }

  /** Sends again when the timer has expired. Returns whether it had. */
  handleTimeout(now: Instant): boolean {
    if (this.#resendAt === undefined || now < this.#resendAt) return false;
    // "double the value at each retransmission"
    this.#timeout = Math.min(2 * this.#timeout, maxTimeout);
    this.#transmit(now);
    return true;
  }

  /**
   * The peer sent a message again. "The implementation receives a retransmitted flight from the peer:
   * the implementation transitions to the SENDING state, where it retransmits the flight". Not more often than our own timer might, however: what comes again
   * in many datagrams, or is replayed, is answered once. CHECK D19
   */
  handleRetransmission(sequence: number, now: Instant): void {
    if (this.#state.name !== "waiting" || sequence !== this.#answers) return;
    if (now - this.#sentAt >= this.#initialTimeout / 2) this.#transmit(now);
  }

  /** Writes the next datagram; 0 when the flight is out. */
  writeDatagram(records: RecordLayer, out: Uint8Array): number {
    const limit = Math.min(out.length, this.#currentMtu());
    let length = 0;
    while (this.#state.name === "sending") {
      const { item, offset } = this.#state;
      const next = this.#items[item];
      if (next === undefined) {
        this.#state = { name: "waiting" };
        break;
      }
      const room = limit - length;
      const end = next.kind === "message"
        ? this.#writeFragment(records, out, { ...next, at: length, item, offset, room })
        : this.#writeChangeCipherSpec(records, out, { at: length, item, room });
      if (end === undefined) break;
      length = end;
    }
    return length;
  }

  #transmit(now: Instant): void {
    this.#state = { name: "sending", item: 0, offset: 0 };
    this.#sentAt = now;
    this.#sendCount++;
    this.#resendAt = this.#isLast ? undefined : now + this.#timeout;
  }

  #currentMtu(): number {
    return this.#sendCount > sendsAtFullSize ? Math.min(this.#mtu, smallMtu) : this.#mtu;
  }

  /** Section 4.2.3: a message is divided "into a series of N contiguous data ranges". */
  #writeFragment(
    records: RecordLayer,
    out: Uint8Array,
    { epoch, message, at, item, offset, room }: {
      readonly epoch: Epoch;
      readonly message: HandshakeMessage;
      readonly at: number;
      readonly item: number;
      readonly offset: number;
      readonly room: number;
    },
  ): number | undefined {
    const rest = message.body.length - offset;
    const bodyRoom = room - records.overhead(epoch) - handshakeHeaderLength;
    if (bodyRoom < (at === 0 ? Math.min(rest, 1) : Math.min(rest, minFragmentLength))) {
      return undefined;
    }
    const end = offset + Math.min(rest, bodyRoom);
    const fragment: HandshakeFragment = {
      type: message.type,
      length: message.body.length,
      sequence: message.sequence,
      offset,
      body: message.body.subarray(offset, end),
    };
    const isWhole = end === message.body.length;
    this.#state = isWhole
      ? { name: "sending", item: item + 1, offset: 0 }
      : { name: "sending", item, offset: end };
    return writeRecord(records, out, {
      at,
      epoch,
      type: contentTypes.handshake,
      payload: writeHandshakeFragment(fragment),
    });
  }

  #writeChangeCipherSpec(
    records: RecordLayer,
    out: Uint8Array,
    { at, item, room }: { readonly at: number; readonly item: number; readonly room: number },
  ): number | undefined {
    if (room < records.overhead(0) + 1) return undefined;
    this.#state = { name: "sending", item: item + 1, offset: 0 };
    // RFC 5246 section 7.1: "struct { enum { change_cipher_spec(1), (255) } type; }"
    const payload = Uint8Array.of(1);
    return writeRecord(records, out, {
      at,
      epoch: 0,
      type: contentTypes.changeCipherSpec,
      payload,
    });
  }
}

/** Writes a record with a payload from elsewhere; returns where it ends. */
export function writeRecord(
  records: RecordLayer,
  out: Uint8Array,
  { at, epoch, type, payload }: {
    readonly at: number;
    readonly epoch: Epoch;
    readonly type: number;
    readonly payload: Uint8Array;
  },
): number | undefined {
  out.set(payload, at + records.payloadOffset(epoch));
  return records.write(out, at, { epoch, type, payloadLength: payload.length });
}
