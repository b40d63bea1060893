/**
 * One end of a DTLS 1.2 connection, without I/O: the record layer below, the script of the client
 * or of the server above, and between them what is neither: the flights, the alerts, the end.
 *
 * @module
 */
import type { Instant, SansIo, Transmit } from "../sans_io.ts";
import { type AlertDescription, parseAlert, writeAlert } from "./alert.ts";
import { type CipherSuiteName, cipherSuiteNames, cipherSuitesNamed } from "./cipher_suite.ts";
import { DtlsClient } from "./dtls_client.ts";
import { DtlsServer } from "./dtls_server.ts";
import { Flight, writeRecord } from "./flight.ts";
import type { HandshakeContext, HandshakeScript } from "./handshake_context.ts";
import type { HandshakeCrypto, NamedGroup } from "./handshake_crypto.ts";
import type { DtlsEndCode, HandshakeFailure } from "./handshake_failure.ts";
import {
  type HandshakeFragment,
  type HandshakeMessage,
  type HandshakeType,
  parseHandshakeFragments,
} from "./handshake_header.ts";
import type { Role, TrafficKeys } from "./key_schedule.ts";
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
import { Transcript } from "./transcript.ts";

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
  /** A message ahead of its turn, at odds with its other fragments or too long. */
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

type EndpointState =
  | { readonly name: "handshaking"; readonly deadline: Instant }
  | { readonly name: "connected" }
  | { readonly name: "ended" };

interface PendingAlert {
  readonly epoch: Epoch;
  readonly bytes: Uint8Array;
}

/** One end of a connection. */
export class DtlsEndpoint implements SansIo<DtlsEvent> {
  readonly #config: DtlsConfig;
  readonly #records: RecordLayer;
  readonly #transcript: Transcript;
  readonly #reassembly = new Reassembly();
  readonly #flight: Flight;
  readonly #script: HandshakeScript;
  readonly #mtu: number;
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
  #state: EndpointState;
  #sendEpoch: Epoch = 0;
  #nextSendSequence = 0;
  /** A fatal alert in the clear: it may be the peer's or anybody's. */
  #rumour: string | undefined;
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
    this.#records = new RecordLayer(config.keyLimits ?? defaultKeyLimits);
    this.#transcript = new Transcript(config.crypto);
    this.#flight = new Flight({ initialTimeout, mtu });
    const handshakeTimeout = config.handshakeTimeout ?? defaultHandshakeTimeout;
    this.#state = { name: "handshaking", deadline: now + handshakeTimeout };
    const context: HandshakeContext = {
      crypto: config.crypto,
      chain: config.chain,
      peer: config.peer,
      cipherSuites,
      groups,
      transcript: this.#transcript,
      send: (type, body) => this.#send(type, body),
      sendChangeCipherSpec: () => this.#sendChangeCipherSpec(),
      installKeys: (suite, keys) => this.#installKeys(suite, keys),
    };
    this.#script = config.role === "client" ? new DtlsClient(context) : new DtlsServer(context);
    this.#dispatchFlight(now);
  }

  /** How many records were dropped so far. */
  drops(): DropCounts {
    return { ...this.#drops };
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

  /**
   * Takes one datagram, decrypting in it. Payloads come as events, copied: `open` is the faster way.
   */
  handleDatagram(bytes: Uint8Array, now: Instant): void {
    this.#handleRecords(bytes, 0, bytes.length, now, (start, end) => {
      this.#events.push({ type: "data", bytes: bytes.slice(start, end) });
    });
  }

  /**
   * Takes the records in `bytes[start..end)`, one datagram's or several's, decrypting in place, and
   * tells where application data lies: `spans[2 * n]` to `spans[2 * n + 1]` is the nth payload.
   * Whatever else the records carry is handled as by `handleDatagram`. Returns the number of
   * payloads; those for which `spans` has no room are lost.
   */
  open(bytes: Uint8Array, start: number, end: number, spans: Uint32Array, now: Instant): number {
    let count = 0;
    this.#handleRecords(bytes, start, end, now, (payloadStart, payloadEnd) => {
      if (2 * count + 1 >= spans.length) {
        this.#drops.overflow++;
        return;
      }
      spans[2 * count] = payloadStart;
      spans[2 * count + 1] = payloadEnd;
      count++;
    });
    return count;
  }

  /**
   * Makes records of application data, in place. `bytes[start..end)` is a run of records of
   * `stride` bytes, the last of which may be shorter; in each the payload stands at
   * `payloadOffset()` already, and what follows it, 16 bytes, is for the tag. Returns how many
   * records were made: none unless connected, and fewer than there are when the keys have done as
   * much as they may, which ends the connection.
   */
  seal(bytes: Uint8Array, start: number, end: number, stride: number): number {
    if (this.#state.name !== "connected") return 0;
    const overhead = this.#records.overhead(1);
    let count = 0;
    for (let at = start; at < end; at += stride) {
      const payloadLength = Math.min(stride, end - at) - overhead;
      if (payloadLength <= 0) {
        throw new RangeError(`a record of ${payloadLength + overhead} bytes has no payload`);
      }
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
    if (this.#state.name === "ended") return;
    if (this.#state.name === "connected") this.#queueAlert("close_notify");
    this.#end("closed", "closed on this side");
  }

  handleTimeout(now: Instant): void {
    if (this.#state.name === "ended") return;
    if (this.#state.name === "handshaking" && now >= this.#state.deadline) {
      const reason = `the handshake did not get beyond ${this.#script.stateName()}`;
      this.#end("timeout", reason);
      return;
    }
    if (!this.#flight.handleTimeout(now)) return;
    // RFC 6347 section 4.1.2.7 warns of alerts in the clear. One is believed when the peer has
    // nothing else to say for as long as we wait for it: a forged one is then without effect. CHECK D15
    if (this.#rumour !== undefined) this.#end("peer-alert", this.#rumour);
  }

  nextTimeout(): Instant | undefined {
    const resendAt = this.#flight.nextTimeout();
    if (this.#state.name !== "handshaking") return resendAt;
    return Math.min(this.#state.deadline, resendAt ?? Infinity);
  }

  /** @throws {RangeError} where the buffer is shorter than the MTU */
  pollTransmit(out: Uint8Array, _now: Instant): Transmit | undefined {
    if (out.length < this.#mtu) {
      throw new RangeError(`a buffer of ${out.length} bytes: lend ${this.#mtu} or more`);
    }
    const length = this.#flight.writeDatagram(this.#records, out) || this.#writeAlert(out);
    if (this.#state.name === "ended" && this.#alerts.length === 0) this.#records.destroy();
    return length > 0 ? { length, segmentSize: length } : undefined;
  }

  pollEvent(): DtlsEvent | undefined {
    return this.#events.shift();
  }

  /** Reads record after record, up to the end: a bad one takes none with it. CHECK D14 D25 */
  #handleRecords(
    bytes: Uint8Array,
    start: number,
    end: number,
    now: Instant,
    deliver: (start: number, end: number) => void,
  ): void {
    const records = this.#records;
    for (let at = start; at < end && this.#state.name !== "ended"; at = records.nextRecord()) {
      const defect = records.read(bytes, at, end);
      if (defect !== undefined) this.#drop(defect);
      else if (records.type() === contentTypes.applicationData) this.#handleData(deliver);
      else this.#handleControl(bytes.slice(records.payloadStart(), records.payloadEnd()), now);
    }
    if (this.#state.name !== "ended" && records.isExhausted()) this.#exhaust();
  }

  #handleData(deliver: (start: number, end: number) => void): void {
    // Nobody's data passes before the peer is judged and its Finished verified, and none in the
    // clear ever. CHECK D7 D15
    if (this.#state.name !== "connected") return this.#drop("unexpected");
    const start = this.#records.payloadStart();
    const end = this.#records.payloadEnd();
    if (start === end) return this.#drop("empty"); // CHECK D24
    // Who sends data has our last flight.
    if (!this.#flight.isFinished()) this.#flight.finish();
    deliver(start, end);
  }

  #handleControl(payload: Uint8Array, now: Instant): void {
    switch (this.#records.type()) {
      case contentTypes.changeCipherSpec:
        return this.#handleChangeCipherSpec(payload);
      case contentTypes.alert:
        return this.#handleAlert(payload);
      case contentTypes.handshake:
        return this.#handleHandshake(payload, now);
      default:
        return this.#drop("malformed");
    }
  }

  #handleChangeCipherSpec(payload: Uint8Array): void {
    if (payload.length !== 1 || payload[0] !== 1) return this.#drop("malformed");
    // One that comes early was overtaken by it, and comes again with its flight. CHECK D5
    const isExpected = this.#records.readEpoch() === 0 && this.#script.handleChangeCipherSpec();
    if (isExpected) this.#records.openReadEpoch();
    else this.#drop("unexpected");
  }

  #handleAlert(payload: Uint8Array): void {
    const alert = parseAlert(payload);
    if (alert === undefined) return this.#drop("malformed");
    const { isFatal, description } = alert;
    if (this.#records.readEpoch() === 0) {
      // CHECK D15
      if (isFatal) this.#rumour = `the peer sent the alert ${description}, in the clear`;
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
      if (this.#state.name === "ended") return;
      if (this.#state.name === "connected") this.#handleLateFragment(fragment, now);
      else this.#handleFragment(fragment, epoch, now);
    }
  }

  #handleFragment(fragment: HandshakeFragment, epoch: Epoch, now: Instant): void {
    // A Finished is protected, and nothing else of a first handshake is. What is not so is dropped,
    // and does not keep the true one from coming. CHECK D3
    if ((fragment.type === "Finished") !== (epoch === 1)) return this.#drop("unexpected");
    switch (this.#reassembly.accept(fragment, epoch)) {
      case "old":
        return this.#flight.handleRetransmission(fragment.sequence, now);
      case "refused":
        return this.#drop("fragment");
      case "held":
        return this.#handleMessages(now);
    }
  }

  /** After the handshake. There is no second one. CHECK D21 */
  #handleLateFragment({ type, sequence }: HandshakeFragment, now: Instant): void {
    if (sequence < this.#reassembly.nextSequence()) {
      return this.#flight.handleRetransmission(sequence, now);
    }
    this.#drop("unexpected");
    // RFC 5246 section 7.2.2: where renegotiation is not appropriate, "the recipient should respond
    // with this alert." Once: it can be asked for without end.
    const asks = type === "ClientHello" || type === "HelloRequest";
    if (!asks || this.#hasRefusedRenegotiation) return;
    this.#hasRefusedRenegotiation = true;
    this.#queueAlert("no_renegotiation");
  }

  /** Hands the script what is complete, and sends what it answers. */
  #handleMessages(now: Instant): void {
    for (;;) {
      const received = this.#reassembly.take();
      if (received === undefined) return;
      // The one place where received messages enter the transcript: the bytes that are parsed, and
      // used, are the bytes that are hashed and signed over. CHECK D4
      this.#transcript.add(received.message);
      const failure = this.#script.handleMessage(received.message);
      if (failure !== undefined) return this.#fail(failure);
      this.#rumour = undefined;
      this.#dispatchFlight(now);
      if (this.#script.agreement() !== undefined) return this.#connect();
    }
  }

  #connect(): void {
    const agreement = this.#script.agreement();
    if (agreement === undefined) return;
    const { suite, group, peerChain } = agreement;
    this.#state = { name: "connected" };
    this.#transcript.clear();
    this.#reassembly.clear();
    if (!this.#script.sendsLastFlight) this.#flight.finish();
    this.#events.push({ type: "connected", cipherSuite: suite.name, group, peerChain });
  }

  #send(type: HandshakeType, body: Uint8Array): void {
    const message: HandshakeMessage = { type, sequence: this.#nextSendSequence++, body };
    this.#transcript.add(message);
    if (!this.#flight.isPreparing()) this.#flight.begin();
    this.#flight.addMessage(message, this.#sendEpoch);
  }

  #sendChangeCipherSpec(): void {
    if (!this.#flight.isPreparing()) this.#flight.begin();
    this.#flight.addChangeCipherSpec();
    this.#sendEpoch = 1;
  }

  #installKeys(suite: Parameters<HandshakeContext["installKeys"]>[0], keys: TrafficKeys): void {
    const { role, crypto } = this.#config;
    const read = role === "client" ? keys.server : keys.client;
    this.#records.install({ provider: crypto.aead, suite, write: keys[role], read });
  }

  /** Sends the flight that the script has put together, if it has. */
  #dispatchFlight(now: Instant): void {
    if (!this.#flight.isPreparing() || this.#nextSendSequence === 0) return;
    this.#flight.send({
      now,
      answers: this.#reassembly.nextSequence() - 1,
      isLast: this.#script.agreement() !== undefined,
    });
  }

  #fail({ code, alert, reason }: HandshakeFailure): void {
    this.#queueAlert(alert);
    this.#end(code, reason);
  }

  #exhaust(): void {
    this.#queueAlert("close_notify");
    this.#end("exhausted", "the keys have done as much as they may");
  }

  #end(code: DtlsEndCode, reason: string): void {
    this.#state = { name: "ended" };
    this.#flight.finish();
    this.#transcript.clear();
    this.#reassembly.clear();
    this.#script.destroy();
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
