/**
 * What we said last, to be said again until it is answered (RFC 6347 section 4.2.4). As long as it
 * is open which of several hellos is the peer's, each has a flight of ours that answers it, and all
 * of them are said.
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

/** A part of a flight. */
export type FlightItem =
  | { readonly kind: "message"; readonly epoch: Epoch; readonly message: HandshakeMessage }
  | { readonly kind: "change-cipher-spec" };

/** One flight: all that one message of the peer leads us to say. */
export interface Flight {
  /**
   * The message_seq of that message, the last of the peer's flight: where it comes again, the peer
   * has not had this one. -1 where nothing is answered.
   */
  readonly answers: number;
  readonly items: readonly FlightItem[];
}

type SendingState =
  | { readonly name: "preparing" }
  /** Items before this one, and this one up to the offset, are out. */
  | {
    readonly name: "sending";
    readonly items: readonly FlightItem[];
    readonly item: number;
    readonly offset: number;
  }
  | { readonly name: "waiting" }
  | { readonly name: "finished" };

/** Our current flights: one, but for the first ones. Each time, their records are made anew. */
export class Flights {
  readonly #initialTimeout: number;
  readonly #mtu: number;
  #state: SendingState = { name: "preparing" };
  #flights: readonly Flight[] = [];
  #timeout: number;
  #resendAt: Instant | undefined;
  #sentAt: Instant = 0;
  #sendCount = 0;
  #isLast = false;

  constructor({ initialTimeout, mtu }: { readonly initialTimeout: number; readonly mtu: number }) {
    this.#initialTimeout = initialTimeout;
    this.#timeout = initialTimeout;
    this.#mtu = mtu;
  }

  /**
   * Sends those among these flights that are new. The others are kept, and what is not among them
   * is not sent again.
   *
   * @param isLast there is no answer to wait for, so there is no timer either
   */
  update(
    flights: readonly Flight[],
    { now, isLast }: { readonly now: Instant; readonly isLast: boolean },
  ): void {
    const known = this.#flights;
    const items = flights.flatMap((one) => known.includes(one) ? [] : one.items);
    this.#flights = flights;
    if (items.length === 0) return;
    // Departs from RFC 6347 section 4.2.4.1 ("retain the current timer value until a transmission
    // without loss occurs"): what is waited for is bounded by giving up, not by slowness.
    this.#timeout = this.#initialTimeout;
    this.#isLast = isLast;
    this.#sendCount = 0;
    this.#transmit(now, [...this.#unsentItems(), ...items]);
  }

  /** Nothing will be sent again. */
  finish(): void {
    this.#flights = [];
    this.#state = { name: "finished" };
    this.#resendAt = undefined;
  }

  isFinished(): boolean {
    return this.#state.name === "finished";
  }

  /** How many bytes the messages have that may be sent again. */
  heldLength(): number {
    return this.#allItems().reduce(
      (length, one) => length + (one.kind === "message" ? one.message.body.length : 1),
      0,
    );
  }

  /** When to call `handleTimeout`. */
  nextTimeout(): Instant | undefined {
    return this.#resendAt;
  }

  /** Sends all again when the timer has expired. */
  handleTimeout(now: Instant): void {
    if (this.#resendAt === undefined || now < this.#resendAt) return;
    // "double the value at each retransmission"
    this.#timeout = Math.min(2 * this.#timeout, maxTimeout);
    this.#transmit(now, this.#allItems());
  }

  /**
   * The peer sent a message again. "The implementation receives a retransmitted flight from the peer:
   * the implementation transitions to the SENDING state, where it retransmits the flight". Not more
   * often than our own timer might, however: what comes again in many datagrams, or is replayed, is
   * answered once. CHECK D19
   */
  handleRetransmission(sequence: number, now: Instant): void {
    if (this.#state.name !== "waiting") return;
    const answers = this.#flights.filter((one) => one.answers === sequence);
    if (answers.length === 0 || now - this.#sentAt < this.#initialTimeout / 2) return;
    this.#transmit(now, answers.flatMap(({ items }) => items));
  }

  /** Writes the next datagram; 0 when all is out. */
  writeDatagram(records: RecordLayer, out: Uint8Array): number {
    const limit = Math.min(out.length, this.#currentMtu());
    let length = 0;
    while (this.#state.name === "sending") {
      const { items, item, offset } = this.#state;
      const next = items[item];
      if (next === undefined) {
        this.#state = { name: "waiting" };
        break;
      }
      const room = limit - length;
      const end = next.kind === "message"
        ? this.#writeFragment(records, out, { ...next, at: length, offset, room })
        : this.#writeChangeCipherSpec(records, out, { at: length, room });
      if (end === undefined) break;
      length = end;
    }
    return length;
  }

  #allItems(): readonly FlightItem[] {
    return this.#flights.flatMap(({ items }) => items);
  }

  #unsentItems(): readonly FlightItem[] {
    return this.#state.name === "sending" ? this.#state.items.slice(this.#state.item) : [];
  }

  #transmit(now: Instant, items: readonly FlightItem[]): void {
    this.#state = { name: "sending", items, item: 0, offset: 0 };
    this.#sentAt = now;
    this.#sendCount++;
    this.#resendAt = this.#isLast ? undefined : now + this.#timeout;
  }

  /** The item that is being sent is out up to this offset; whole where there is none. */
  #advance(offset?: number): void {
    if (this.#state.name !== "sending") return;
    const { item } = this.#state;
    this.#state = offset === undefined
      ? { ...this.#state, item: item + 1, offset: 0 }
      : { ...this.#state, offset };
  }

  #currentMtu(): number {
    return this.#sendCount > sendsAtFullSize ? Math.min(this.#mtu, smallMtu) : this.#mtu;
  }

  /** Section 4.2.3: a message is divided "into a series of N contiguous data ranges". */
  #writeFragment(
    records: RecordLayer,
    out: Uint8Array,
    { epoch, message, at, offset, room }: {
      readonly epoch: Epoch;
      readonly message: HandshakeMessage;
      readonly at: number;
      readonly offset: number;
      readonly room: number;
    },
  ): number | undefined {
    const rest = message.body.length - offset;
    // RFC 8449 section 4: an endpoint "MUST NOT generate a protected record with plaintext that is
    // larger than the RecordSizeLimit value it receives from its peer." CHECK D24
    const payloadRoom = Math.min(room - records.overhead(epoch), records.maxPayloadLength(epoch));
    const bodyRoom = payloadRoom - handshakeHeaderLength;
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
    this.#advance(end === message.body.length ? undefined : end);
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
    { at, room }: { readonly at: number; readonly room: number },
  ): number | undefined {
    if (room < records.overhead(0) + 1) return undefined;
    this.#advance();
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
