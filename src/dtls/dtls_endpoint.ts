/**
 * One end of a DTLS 1.2 connection, without I/O: the record layer below, the scripts of the client
 * or of the server above, and between them what is neither: the flights, the alerts, the end.
 *
 * What comes in the clear before the peer has signed may be anybody's. None of it ends a handshake
 * at once: what speaks against the handshake is kept as a rumour, and believed where nothing better
 * is heard for a while.
 *
 * @module
 */
import type { Instant, SansIo, Transmit } from "../sans_io.ts";
import { type AlertDescription, parseAlert, writeAlert } from "./alert.ts";
import { type CipherSuiteName, cipherSuiteNames, cipherSuitesNamed } from "./cipher_suite.ts";
import { Flights, writeRecord } from "./flights.ts";
import { HandshakeAttempt } from "./handshake_attempt.ts";
import { HandshakeAttempts } from "./handshake_attempts.ts";
import type { Agreement, Protection } from "./handshake_context.ts";
import type { HandshakeCrypto, NamedGroup } from "./handshake_crypto.ts";
import type { DtlsEndCode, HandshakeFailure } from "./handshake_failure.ts";
import {
  type HandshakeFragment,
  type HandshakeMessage,
  parseHandshakeFragments,
} from "./handshake_header.ts";
import type { Role } from "./key_schedule.ts";
import { namedGroups } from "./named_group.ts";
import type { PeerExpectation } from "./peer_expectation.ts";
import { Reassembly } from "./reassembly.ts";
import { contentTypes } from "./record.ts";
import {
  defaultKeyLimits,
  type Epoch,
  type KeyLimits,
  type RecordDefect,
  RecordLayer,
} from "./record_layer.ts";

/** What an endpoint is to be. */
export interface DtlsConfig {
  readonly role: Role;
  readonly crypto: HandshakeCrypto;
  /** Our certificates in DER, the one of the key in `crypto` first. */
  readonly chain: readonly Uint8Array[];
  readonly peer: PeerExpectation;
  /** Most preferred first; all that we speak, unless given. */
  readonly cipherSuites?: readonly CipherSuiteName[];
  /** Most preferred first; both, unless given. */
  readonly groups?: readonly NamedGroup[];
  /** No handshake datagram is longer, in bytes. */
  readonly mtu?: number;
  /** After so long a flight is sent again for the first time: less than 1 s where the RTT is known. */
  readonly initialTimeout?: number;
  /** After so long an unfinished handshake is given up. */
  readonly handshakeTimeout?: number;
  readonly keyLimits?: KeyLimits;
}

/** What happens to a connection. */
export type DtlsEvent =
  /** The peer is the one we expect, and proved it. */
  | {
    readonly type: "connected";
    readonly cipherSuite: CipherSuiteName;
    readonly group: NamedGroup;
    /** The peer's certificates in DER, its own first. */
    readonly peerChain: readonly Uint8Array[];
  }
  /** The payload of one record that came by `handleDatagram`. */
  | { readonly type: "data"; readonly bytes: Uint8Array }
  /** The connection is over, or never came about; the last event, and it comes once. */
  | { readonly type: "ended"; readonly code: DtlsEndCode; readonly reason: string };

/** Why a record was dropped. */
export type DropReason =
  | RecordDefect
  /** What it carries is malformed. */
  | "malformed"
  /** What it carries has no place now. */
  | "unexpected"
  /** A message too far ahead of its turn, or too long. */
  | "fragment"
  /** Application data without data. */
  | "empty"
  /** More payloads than the caller has room for. */
  | "overflow";

/** How many records were dropped, by reason. */
export type DropCounts = Readonly<Record<DropReason, number>>;

/** RFC 6347 section 4.2.4.1: "an initial timer value of 1 second". */
const defaultInitialTimeout = 1_000;
const defaultHandshakeTimeout = 30_000;
/** Fits every path that WebRTC is used on. */
const defaultMtu = 1_200;
/** A record with a fragment of a message in it needs about 60 bytes. */
const minMtu = 128;
/**
 * So many times the initial timeout a rumour waits for something better: a flight is sent twice more
 * in that time, and its answer is back.
 */
const rumourPatience = 4;

type EndpointState =
  | {
    readonly name: "handshaking";
    readonly deadline: Instant;
    readonly attempts: HandshakeAttempts;
    readonly rumour?: Rumour;
  }
  | { readonly name: "connected" }
  | { readonly name: "ended" };

interface PendingAlert {
  readonly epoch: Epoch;
  readonly bytes: Uint8Array;
}

/** A reason to give the handshake up, by one who may be the peer or anybody. */
interface Rumour {
  readonly code: DtlsEndCode;
  readonly reason: string;
  /** What the peer is told, if it has not said so itself. */
  readonly alert?: AlertDescription;
  readonly believedAt: Instant;
}

/** One end of a connection. */
export class DtlsEndpoint implements SansIo<DtlsEvent> {
  readonly #config: DtlsConfig;
  readonly #records: RecordLayer;
  #hasPeerToldLimit = false;
  readonly #reassembly = new Reassembly();
  readonly #flights: Flights;
  readonly #mtu: number;
  readonly #initialTimeout: number;
  readonly #events: DtlsEvent[] = [];
  readonly #alerts: PendingAlert[] = [];
  readonly #drops: Record<DropReason, number> = {
    truncated: 0,
    version: 0,
    epoch: 0,
    length: 0,
    replayed: 0,
    unauthenticated: 0,
    malformed: 0,
    unexpected: 0,
    fragment: 0,
    empty: 0,
    overflow: 0,
  };
  /** What `open` has found so far. */
  #spanCount = 0;
  #state: EndpointState;
  #sendEpoch: Epoch = 0;
  #hasRefusedRenegotiation = false;

  /** A client begins the handshake at once. */
  constructor(config: DtlsConfig, now: Instant) {
    const { mtu = defaultMtu, initialTimeout = defaultInitialTimeout } = config;
    const cipherSuites = cipherSuitesNamed(config.cipherSuites ?? cipherSuiteNames);
    const groups = config.groups ?? namedGroups;
    if (mtu < minMtu) throw new RangeError(`an MTU of ${mtu} bytes: give ${minMtu} or more`);
    if (config.chain.length === 0) throw new RangeError("no certificate: give our own chain");
    if (cipherSuites.length === 0 || groups.length === 0) {
      throw new RangeError("nothing to offer: give a cipher suite and a group");
    }
    this.#config = config;
    this.#mtu = mtu;
    this.#initialTimeout = initialTimeout;
    this.#records = new RecordLayer(config.keyLimits ?? defaultKeyLimits);
    this.#flights = new Flights({ initialTimeout, mtu });
    const handshakeTimeout = config.handshakeTimeout ?? defaultHandshakeTimeout;
    const { crypto, chain, peer } = config;
    const settings = { crypto, chain, peer, cipherSuites, groups };
    const attempts = new HandshakeAttempts(HandshakeAttempt.begin(config.role, settings));
    this.#state = { name: "handshaking", deadline: now + handshakeTimeout, attempts };
    this.#flights.update(attempts.flights(), { now, isLast: false });
  }

  /** How many records were dropped so far. */
  drops(): DropCounts {
    return { ...this.#drops };
  }

  /**
   * What is kept of what came, and to be sent again or read out, in bytes: bounded, whatever comes,
   * as long as events are read.
   */
  heldLength(): number {
    const events = this.#events.reduce(
      (length, one) => length + (one.type === "data" ? one.bytes.length : 1),
      0,
    );
    const attempts = this.#state.name === "handshaking" ? this.#state.attempts.heldLength() : 0;
    return this.#reassembly.heldLength() + attempts + this.#flights.heldLength() +
      2 * this.#alerts.length + events;
  }

  /** Whether application data may pass. */
  isConnected(): boolean {
    return this.#state.name === "connected";
  }

  /** From a sealed record's start to its payload's, once connected. */
  payloadOffset(): number {
    return this.#records.payloadOffset(1);
  }

  /** What a sealed record has besides its payload, once connected. */
  recordOverhead(): number {
    return this.#records.overhead(1);
  }

  /** The longest payload of a record that the peer takes, once connected. */
  maxPayloadLength(): number {
    return this.#records.maxPayloadLength(1);
  }

  /** Whether the peer has told which records it takes, and not left it at what the protocol allows. */
  hasPeerToldLimit(): boolean {
    return this.#hasPeerToldLimit;
  }

  /**
   * Takes one datagram, decrypting in it. Payloads come as events, copied: `open` is the faster way.
   */
  handleDatagram(bytes: Uint8Array, now: Instant): void {
    this.#handleRecords(bytes, 0, bytes.length, undefined, now);
  }

  /**
   * Takes the records in `bytes[start..end)`, one datagram's or several's, decrypting in place, and
   * tells where application data lies: `spans[2 * n]` to `spans[2 * n + 1]` is the nth payload.
   * Whatever else the records carry is handled as by `handleDatagram`. Returns the number of
   * payloads; those for which `spans` has no room are lost.
   */
  open(bytes: Uint8Array, start: number, end: number, spans: Uint32Array, now: Instant): number {
    this.#spanCount = 0;
    this.#handleRecords(bytes, start, end, spans, now);
    return this.#spanCount;
  }

  /**
   * Makes records of application data, in place. `bytes[start..end)` is a run of records of
   * `stride` bytes, the last of which may be shorter; in each the payload stands at
   * `payloadOffset()` already, and what follows it, 16 bytes, is for the tag. Returns how many
   * records were made: none unless connected; fewer than there are up to a payload that is longer
   * than `maxPayloadLength()`, and when the keys have done as much as they may, which ends the
   * connection.
   *
   * @throws {RangeError} where a payload is empty
   */
  seal(bytes: Uint8Array, start: number, end: number, stride: number): number {
    if (this.#state.name !== "connected") return 0;
    const overhead = this.#records.overhead(1);
    const maxPayloadLength = this.maxPayloadLength();
    let count = 0;
    for (let at = start; at < end; at += stride) {
      const payloadLength = Math.min(stride, end - at) - overhead;
      if (payloadLength <= 0) {
        throw new RangeError(`a record of ${payloadLength + overhead} bytes has no payload`);
      }
      // RFC 8449 section 4, as for handshake messages. It is the peer's doing, so nothing is thrown.
      if (payloadLength > maxPayloadLength) return count; // CHECK D24
      if (!this.#records.sealApplicationData(bytes, at, payloadLength)) {
        this.#exhaust();
        return count;
      }
      count++;
    }
    return count;
  }

  /** Says close_notify, where there is a connection, and ends. */
  close(): void {
    if (this.#hasEnded()) return;
    if (this.#state.name === "connected") this.#queueAlert("close_notify");
    this.#end("closed", "closed on this side");
  }

  handleTimeout(now: Instant): void {
    if (this.#state.name === "ended") return;
    if (this.#state.name === "handshaking") {
      const { deadline, attempts, rumour } = this.#state;
      // RFC 6347 section 4.1.2.7 warns of alerts in the clear, and what is true of them is true of
      // all else that is in the clear.
      if (rumour !== undefined && now >= rumour.believedAt) return this.#believe(rumour);
      if (now >= deadline) {
        const reason = `the handshake did not get beyond ${attempts.furthest().stateName()}`;
        return this.#end("timeout", reason);
      }
    }
    this.#flights.handleTimeout(now);
  }

  nextTimeout(): Instant | undefined {
    const resendAt = this.#flights.nextTimeout();
    if (this.#state.name !== "handshaking") return resendAt;
    const { deadline, rumour } = this.#state;
    return Math.min(deadline, rumour?.believedAt ?? Infinity, resendAt ?? Infinity);
  }

  /** @throws {RangeError} where the buffer is shorter than the MTU */
  pollTransmit(out: Uint8Array, _now: Instant): Transmit | undefined {
    if (out.length < this.#mtu) {
      throw new RangeError(`a buffer of ${out.length} bytes: lend ${this.#mtu} or more`);
    }
    const length = this.#flights.writeDatagram(this.#records, out) || this.#writeAlert(out);
    if (!this.#hasEnded() && this.#records.isExhausted()) this.#exhaust();
    if (this.#hasEnded() && this.#alerts.length === 0) this.#records.destroy();
    return length > 0 ? { length, segmentSize: length } : undefined;
  }

  pollEvent(): DtlsEvent | undefined {
    return this.#events.shift();
  }

  /** Reads record after record, up to the end: a bad one takes none with it. CHECK D14 */
  #handleRecords(
    bytes: Uint8Array,
    start: number,
    end: number,
    spans: Uint32Array | undefined,
    now: Instant,
  ): void {
    const records = this.#records;
    for (let at = start; at < end; at = records.nextRecord()) {
      const defect = records.read(bytes, at, end);
      // Whether a ChangeCipherSpec has its place here, and what is behind it, the messages before it
      // decide.
      if (records.type() !== contentTypes.handshake) this.#handleMessages(now);
      if (this.#hasEnded()) return; // CHECK D25
      if (defect !== undefined) this.#drop(defect);
      else if (records.type() === contentTypes.applicationData) this.#handleData(bytes, spans);
      else this.#handleControl(bytes.slice(records.payloadStart(), records.payloadEnd()), now);
    }
    this.#handleMessages(now);
    if (!this.#hasEnded() && records.isExhausted()) this.#exhaust();
  }

  #hasEnded(): boolean {
    return this.#state.name === "ended";
  }

  /** A payload goes to the spans, or becomes an event where there are none. */
  #handleData(bytes: Uint8Array, spans: Uint32Array | undefined): void {
    // Nobody's data passes before the peer is judged and its Finished verified, and none in the
    // clear ever. CHECK D7 D15
    if (this.#state.name !== "connected") return this.#drop("unexpected");
    const start = this.#records.payloadStart();
    const end = this.#records.payloadEnd();
    if (start === end) return this.#drop("empty"); // CHECK D24
    // Who sends data has our last flight.
    if (!this.#flights.isFinished()) this.#flights.finish();
    if (spans === undefined) {
      this.#events.push({ type: "data", bytes: bytes.slice(start, end) });
      return;
    }
    const at = 2 * this.#spanCount;
    if (at + 1 >= spans.length) return this.#drop("overflow");
    spans[at] = start;
    spans[at + 1] = end;
    this.#spanCount++;
  }

  #handleControl(payload: Uint8Array, now: Instant): void {
    switch (this.#records.type()) {
      case contentTypes.changeCipherSpec:
        return this.#handleChangeCipherSpec(payload);
      case contentTypes.alert:
        return this.#handleAlert(payload, now);
      case contentTypes.handshake:
        return this.#handleHandshake(payload, now);
      default:
        return this.#drop("malformed");
    }
  }

  #handleChangeCipherSpec(payload: Uint8Array): void {
    if (payload.length !== 1 || payload[0] !== 1) return this.#drop("malformed");
    // One that comes early was overtaken by it, and comes again with its flight. CHECK D5
    const isExpected = this.#state.name === "handshaking" && this.#records.readEpoch() === 0 &&
      this.#state.attempts.handleChangeCipherSpec();
    if (isExpected) this.#records.openReadEpoch();
    else this.#drop("unexpected");
  }

  #handleAlert(payload: Uint8Array, now: Instant): void {
    const alert = parseAlert(payload);
    if (alert === undefined) return this.#drop("malformed");
    const { isFatal, description } = alert;
    if (this.#records.readEpoch() === 0) {
      const reason = `the peer sent the alert ${description}, in the clear`;
      if (isFatal) this.#doubt({ code: "peer-alert", reason }, now); // CHECK D15
      return this.#drop("unexpected");
    }
    if (description === "close_notify") {
      // RFC 5246 section 7.2.1: "The other party MUST respond with a close_notify alert of its own
      // and close down the connection immediately".
      this.#queueAlert("close_notify");
      this.#end("peer-closed", "the peer closed the connection");
    } else if (isFatal) {
      this.#end("peer-alert", `the peer sent the alert ${description}`);
    }
  }

  #handleHandshake(payload: Uint8Array, now: Instant): void {
    const fragments = parseHandshakeFragments(payload);
    if (fragments === undefined) return this.#drop("malformed");
    const epoch = this.#records.readEpoch();
    for (const fragment of fragments) {
      switch (this.#state.name) {
        case "handshaking":
          this.#handleFragment(fragment, epoch, now);
          break;
        case "connected":
          this.#handleLateFragment(fragment, now);
          break;
        case "ended":
          return;
      }
    }
  }

  #handleFragment(fragment: HandshakeFragment, epoch: Epoch, now: Instant): void {
    // A Finished is protected, and nothing else of a first handshake is. What is not so is dropped,
    // and does not keep the true one from coming. CHECK D3
    if ((fragment.type === "Finished") !== (epoch === 1)) return this.#drop("unexpected");
    switch (this.#reassembly.accept(fragment, epoch)) {
      case "held":
        return;
      case "old":
        return this.#flights.handleRetransmission(fragment.sequence, now);
      case "refused":
        return this.#drop("fragment");
    }
  }

  /** After the handshake. There is no second one. CHECK D21 */
  #handleLateFragment({ type, sequence }: HandshakeFragment, now: Instant): void {
    // Under the keys it is no first message that comes again: RFC 6347 section 4.2.2 has each
    // handshake begin with message_seq 0.
    const asks = this.#records.readEpoch() === 1 &&
      (type === "ClientHello" || type === "HelloRequest");
    if (!asks && sequence < this.#reassembly.nextSequence()) {
      return this.#flights.handleRetransmission(sequence, now);
    }
    this.#drop("unexpected");
    // RFC 5246 section 7.2.2: where renegotiation is not appropriate, "the recipient should respond
    // with this alert." Once: it can be asked for without end.
    if (!asks || this.#hasRefusedRenegotiation) return;
    this.#hasRefusedRenegotiation = true;
    this.#queueAlert("no_renegotiation");
  }

  /**
   * Goes on with what has come: after all of a datagram's messages are here, as those of the peer's
   * flight come together.
   */
  #handleMessages(now: Instant): void {
    if (this.#state.name !== "handshaking") return;
    const { attempts } = this.#state;
    for (const message of this.#reassembly.takeCompleted()) {
      // Who has signed has nothing more to say in the clear. CHECK D16
      const isInTheClear = this.#records.readEpoch() === 0;
      if (isInTheClear && attempts.isSettled()) this.#drop("unexpected");
      else this.#handleMessage(message, attempts, now);
    }
  }

  #handleMessage(message: HandshakeMessage, attempts: HandshakeAttempts, now: Instant): void {
    // The one before it may have been the last.
    if (this.#state.name !== "handshaking") return this.#drop("unexpected");
    const { hasAdvanced, failure } = attempts.take(
      message,
      (sequence) => this.#reassembly.messagesAt(sequence),
    );
    if (hasAdvanced) {
      this.#forgetRumour();
      this.#advance(attempts, now);
    } else if (failure !== undefined) {
      this.#drop("unexpected");
    }
    if (failure !== undefined) this.#handleFailure(failure, attempts, now);
  }

  /** Says what an attempt leads us to say, and once there is only one, goes the way that it goes. */
  #advance(attempts: HandshakeAttempts, now: Instant): void {
    const attempt = attempts.furthest();
    const agreement = attempt.agreement();
    if (attempts.isSettled()) {
      this.#reassembly.clear(attempt.nextReceive());
      this.#sendEpoch = attempt.sendEpoch();
      this.#protect(attempt.protection());
    }
    this.#flights.update(attempts.flights(), { now, isLast: agreement !== undefined });
    if (agreement !== undefined) this.#connect(agreement, attempt.sendsLastFlight());
  }

  #protect(protection: Protection | undefined): void {
    if (protection === undefined || this.#records.hasKeys()) return;
    const { suite, keys, maxPayloadLength } = protection;
    const { role, crypto } = this.#config;
    const read = role === "client" ? keys.server : keys.client;
    const write = keys[role];
    this.#records.install({ provider: crypto.aead, suite, write, read, maxPayloadLength });
    this.#hasPeerToldLimit = maxPayloadLength !== undefined;
  }

  #connect({ suite, group, peerChain }: Agreement, sendsLastFlight: boolean): void {
    this.#state = { name: "connected" };
    if (!sendsLastFlight) this.#flights.finish();
    this.#events.push({ type: "connected", cipherSuite: suite.name, group, peerChain });
  }

  #handleFailure(failure: HandshakeFailure, attempts: HandshakeAttempts, now: Instant): void {
    const { code, alert, reason } = failure;
    if (!attempts.isSettled() && !attempts.isSpent()) {
      return this.#doubt({ code, alert, reason }, now); // CHECK D16
    }
    this.#queueAlert(alert);
    this.#end(code, reason);
  }

  /** Hears a reason to give up, of one who may be anybody. */
  #doubt(doubt: Omit<Rumour, "believedAt">, now: Instant): void {
    if (this.#state.name !== "handshaking") return;
    // What is said over and over puts nothing off.
    const { believedAt = now + rumourPatience * this.#initialTimeout } = this.#state.rumour ?? {};
    this.#state = { ...this.#state, rumour: { ...doubt, believedAt } };
  }

  #forgetRumour(): void {
    if (this.#state.name === "handshaking") this.#state = { ...this.#state, rumour: undefined };
  }

  #believe({ code, reason, alert }: Rumour): void {
    if (alert !== undefined) this.#queueAlert(alert);
    this.#end(code, reason);
  }

  #exhaust(): void {
    if (this.#state.name === "connected") this.#queueAlert("close_notify");
    this.#end("exhausted", "the keys have done as much as they may");
  }

  #end(code: DtlsEndCode, reason: string): void {
    if (this.#state.name === "handshaking") this.#state.attempts.destroy();
    this.#state = { name: "ended" };
    this.#flights.finish();
    this.#reassembly.clear(0);
    this.#events.push({ type: "ended", code, reason });
  }

  #queueAlert(description: AlertDescription): void {
    this.#alerts.push({ epoch: this.#sendEpoch, bytes: writeAlert(description) });
  }

  #writeAlert(out: Uint8Array): number {
    const alert = this.#alerts.shift();
    if (alert === undefined) return 0;
    const { epoch, bytes: payload } = alert;
    return writeRecord(this.#records, out, { at: 0, epoch, type: contentTypes.alert, payload }) ??
      0;
  }

  #drop(reason: DropReason): void {
    this.#drops[reason]++;
  }
}
