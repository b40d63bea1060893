/**
 * A client and a server on a virtual wire: a clock that jumps from one thing to the next, a delay
 * each way, and a tap that may drop, change, add or hold datagrams. Buffers are lent and
 * overwritten afterwards, so that whoever keeps a view of one is found out.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Fingerprint } from "../../src/dtls/peer_expectation.ts";
import { type DtlsConfig, DtlsEndpoint, type DtlsEvent } from "../../src/dtls/dtls_endpoint.ts";
import { createIdentity, testCrypto, type TestIdentity } from "./test_crypto.ts";

/** Who sent a datagram. */
export type Side = "client" | "server";

/** A datagram as the tap sees it. */
export interface TappedDatagram {
  readonly from: Side;
  /** Counted over both directions, from 0. */
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly now: number;
}

/** Returns what arrives instead: none to drop, several to add; undefined to let it pass. */
export type Tap = (
  datagram: TappedDatagram,
) => readonly (Uint8Array | { readonly bytes: Uint8Array; readonly delay: number })[] | undefined;

/** What differs from an ordinary pair. */
export interface PairOptions {
  readonly client?: Partial<DtlsConfig>;
  readonly server?: Partial<DtlsConfig>;
  readonly tap?: Tap;
  readonly delay?: number;
}

/** Identities are dear; tests that do not ask for others share these. */
export const clientIdentity: TestIdentity = createIdentity("client");
export const serverIdentity: TestIdentity = createIdentity("server");

/** The fingerprint of a certificate, as signaling carries it. */
export function fingerprintOf(certificate: Uint8Array): Fingerprint {
  const value = Uint8Array.from(createHash("sha256").update(certificate).digest());
  return { algorithm: "sha-256", value };
}

/** A configuration for one side, which expects the other. */
export function configOf(role: Side, overrides: Partial<DtlsConfig> = {}): DtlsConfig {
  const [own, other] = role === "client"
    ? [clientIdentity, serverIdentity]
    : [serverIdentity, clientIdentity];
  return {
    role,
    crypto: testCrypto(own),
    chain: [own.certificate],
    peer: { fingerprints: [fingerprintOf(other.certificate)] },
    initialTimeout: 100,
    ...overrides,
  };
}

interface Arrival {
  readonly at: number;
  readonly order: number;
  readonly to: Side;
  readonly bytes: Uint8Array;
}

/** Two joined endpoints. */
export class Pair {
  readonly client: DtlsEndpoint;
  readonly server: DtlsEndpoint;
  readonly events: Readonly<Record<Side, DtlsEvent[]>> = { client: [], server: [] };
  /** Everything that was sent, before the tap. */
  readonly sent: TappedDatagram[] = [];
  tap: Tap | undefined;
  now = 0;
  readonly #delay: number;
  #arrivals: Arrival[] = [];
  #order = 0;

  constructor({ client, server, tap, delay = 10 }: PairOptions = {}) {
    this.tap = tap;
    this.#delay = delay;
    this.client = new DtlsEndpoint(configOf("client", client), 0);
    this.server = new DtlsEndpoint(configOf("server", server), 0);
    this.poll("client");
    this.poll("server");
  }

  /** Runs until nothing more happens, or until that time. */
  run(until = 60_000): void {
    for (;;) {
      const arrival = this.#nextArrival();
      const due = Math.min(
        arrival?.at ?? Infinity,
        this.client.nextTimeout() ?? Infinity,
        this.server.nextTimeout() ?? Infinity,
      );
      if (due > until || due === Infinity) return;
      this.now = Math.max(this.now, due);
      if (arrival !== undefined && arrival.at <= due) {
        this.#arrivals.splice(this.#arrivals.indexOf(arrival), 1);
        this.deliver(arrival.to, arrival.bytes);
        continue;
      }
      for (const side of ["client", "server"] as const) {
        this[side].handleTimeout(this.now);
        this.poll(side);
      }
    }
  }

  /** Hands a datagram over at once, lent. */
  deliver(to: Side, bytes: Uint8Array): void {
    const lent = bytes.slice();
    this[to].handleDatagram(lent, this.now);
    lent.fill(0xee);
    this.poll(to);
  }

  /** Collects what an endpoint has to say. */
  poll(side: Side): void {
    const endpoint = this[side];
    const out = new Uint8Array(2_048);
    for (;;) {
      const transmit = endpoint.pollTransmit(out, this.now);
      if (transmit === undefined) break;
      this.transmit(side, out.slice(0, transmit.length));
      out.fill(0xee);
    }
    for (;;) {
      const event = endpoint.pollEvent();
      if (event === undefined) break;
      this.events[side].push(
        event.type === "data" ? { type: "data", bytes: event.bytes.slice() } : event,
      );
    }
  }

  /** Puts a datagram on the wire. */
  transmit(from: Side, bytes: Uint8Array): void {
    const datagram = { from, index: this.sent.length, bytes, now: this.now };
    this.sent.push(datagram);
    for (const one of this.tap?.(datagram) ?? [bytes]) {
      const { bytes: arriving, delay } = one instanceof Uint8Array ? { bytes: one, delay: 0 } : one;
      this.#arrivals.push({
        at: this.now + this.#delay + delay,
        order: this.#order++,
        to: from === "client" ? "server" : "client",
        bytes: arriving,
      });
    }
  }

  /** Seals one record and returns it. */
  seal(from: Side, payload: Uint8Array): Uint8Array {
    const record = new Uint8Array(this[from].recordOverhead() + payload.length);
    record.set(payload, this[from].payloadOffset());
    return this[from].seal(record, 0, record.length, record.length) === 1
      ? record
      : new Uint8Array(0);
  }

  /** Sends application data in a datagram of its own. */
  send(from: Side, payload: Uint8Array): void {
    this.transmit(from, this.seal(from, payload));
  }

  isConnected(): boolean {
    return this.client.isConnected() && this.server.isConnected();
  }

  /** What was delivered, one text a record. */
  texts(side: Side): string[] {
    return this.events[side].flatMap((event) =>
      event.type === "data" ? [new TextDecoder().decode(event.bytes)] : []
    );
  }

  /** How a side ended, if it did. */
  ending(side: Side): string | undefined {
    const event = this.events[side].find(({ type }) => type === "ended");
    return event?.type === "ended" ? event.code : undefined;
  }

  #nextArrival(): Arrival | undefined {
    return this.#arrivals.reduce<Arrival | undefined>(
      (best, one) =>
        best === undefined || one.at < best.at || (one.at === best.at && one.order < best.order)
          ? one
          : best,
      undefined,
    );
  }
}

/** A pair whose handshake is done. */
export function connectedPair(options: PairOptions = {}): Pair {
  const pair = new Pair(options);
  pair.run(1_000);
  if (!pair.isConnected()) {
    throw new Error(`the pair did not connect: ${JSON.stringify(pair.events)}`);
  }
  return pair;
}

/** UTF-8. */
export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
