/**
 * A TURN client (RFC 8656) for one allocation at one server, whatever carries it there. It knows
 * neither sockets nor the server's address: the driver hands it what came from the server, a message
 * at a time.
 */
import type { Instant, Transmit } from "../../sans_io.ts";
import { classify } from "../classify.ts";
import type { AddressFamily, TransportAddress } from "../stun/address.ts";
import { parseStunMessage, type StunMessage, writeStunMessage } from "../stun/message.ts";
import { methods, transactionIdLength } from "../stun/message_header.ts";
import { padded, readUint16 } from "../../network_order.ts";
import { Allocation } from "./allocation.ts";
import {
  channelDataEnd,
  channelDataHeaderLength,
  maxChannelDataLength,
  writeChannelDataHeader,
} from "./channel_data.ts";
import { Channels } from "./channels.ts";
import { Permissions } from "./permissions.ts";
import { Requests } from "./requests.ts";
import type { TurnContext } from "./turn_context.ts";
import type { TurnEvent } from "./turn_event.ts";
import type { TurnFailure } from "./turn_failure.ts";

/** Takes a datagram of a peer, `bytes[start..end)`; lent until this returns. */
export type PeerDataHandler = (
  source: TransportAddress,
  bytes: Uint8Array,
  start: number,
  end: number,
) => void;

/** What makes a client. */
export interface TurnClientOptions {
  readonly username: string;
  readonly password: string;
  /** Unpredictable bytes. */
  readonly random: (length: number) => Uint8Array;
  /** Whether the server is reached over TCP or TLS, not UDP. */
  readonly isStream: boolean;
  readonly handleData: PeerDataHandler;
  /** Of the relayed address. By default IPv4, or IPv6 where the server has no IPv4. */
  readonly family?: AddressFamily;
}

/** The message's length has 16 bits, and its other attributes 28 bytes at most. */
const maxIndicatedLength = 0xffff - 35;
/** NATs on the way to the server forget who is silent for longer (RFC 8445, section 11). In ms. */
const keepaliveInterval = 15_000;

/** One client. It asks for an allocation as soon as it is there. */
export class TurnClient {
  readonly #options: TurnClientOptions;
  readonly #requests: Requests;
  readonly #allocation: Allocation;
  readonly #permissions: Permissions;
  readonly #channels: Channels;
  readonly #events: TurnEvent[] = [];
  #lastSentAt: Instant;
  #isKeepaliveDue = false;

  constructor(options: TurnClientOptions, now: Instant) {
    this.#options = options;
    this.#requests = new Requests(options);
    const context: TurnContext = {
      requests: this.#requests,
      emit: (event) => this.#events.push(event),
      fail: (failure) => this.#fail(failure),
      doubt: (now) => this.#allocation.doubt(now),
    };
    this.#allocation = new Allocation(context);
    this.#permissions = new Permissions(context);
    this.#channels = new Channels(
      context,
      (address, requestedAt) => this.#permissions.handleInstalled(address, requestedAt),
    );
    this.#lastSentAt = now;
    this.#allocation.start(options.family, now);
  }

  /** Whether datagrams can be sent to peers. */
  get isAllocated(): boolean {
    return this.#allocation.isAllocated;
  }

  /** Whether nothing is left to be done: it has failed, or what was closed is given back. */
  get hasEnded(): boolean {
    return this.#allocation.hasEnded;
  }

  /** Takes one message that came from the server; what is none is dropped. */
  handleMessage(bytes: Uint8Array, start: number, end: number, now: Instant): void {
    const kind = start < end ? classify(bytes[start]) : "other";
    if (kind === "channelData") return this.#handleChannelData(bytes, start, end, now);
    const message = kind === "stun" ? parseStunMessage(bytes, start, end) : undefined;
    if (message === undefined) return;
    if (message.messageClass === "indication") {
      return this.#handleIndication(message, bytes, now);
    }
    // A server asks nothing of us.
    if (message.messageClass === "request") return;
    this.#requests.handleResponse(message, now);
    this.#startDue(now);
  }

  /** Lets this address send to us, and us to it. It is enough to say so once where it is used. */
  permit(peer: TransportAddress, now: Instant): void {
    if (this.#allocation.isOver) return;
    this.#permissions.permit(peer, now);
    this.#startDue(now);
  }

  /** Whether the server was asked to let this address through, and has not refused. */
  isPermitted(address: string): boolean {
    return this.#permissions.isPermitted(address);
  }

  /**
   * Writes to `out`, from `at` on, what is to be sent to the server so that it sends the datagram in
   * `bytes[start..end)` to a peer; returns its length, or 0 where it cannot be sent. The data may lie
   * in `out` already, where it belongs: {@link channelDataHeaderLength} bytes behind `at`. Requests
   * that this makes due are to be sent before it.
   */
  wrap(
    out: Uint8Array,
    at: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    peer: TransportAddress,
    now: Instant,
  ): number {
    if (!this.#allocation.isAllocated || end - start > maxChannelDataLength) return 0;
    this.#permissions.permit(peer, now);
    if (!this.#permissions.isPermitted(peer.address)) {
      this.#startDue(now);
      return 0;
    }
    this.#lastSentAt = now;
    const number = this.#channels.use(peer, now);
    if (number !== undefined) return this.#wrapInChannel(number, out, at, bytes, start, end);
    // What is no check of a path is data on one: that is worth a channel.
    if (classify(bytes[start]) !== "stun") this.#channels.bind(peer, now);
    this.#startDue(now);
    return this.#wrapInIndication(peer, out, at, bytes.subarray(start, end));
  }

  /** Writes a message that is to be sent to the server. */
  pollTransmit(out: Uint8Array, now: Instant): Transmit | undefined {
    const length = this.#requests.pollTransmit(out, now) ?? this.#pollKeepalive(out);
    if (length === undefined) return undefined;
    this.#lastSentAt = now;
    return { length, segmentSize: length };
  }

  pollEvent(): TurnEvent | undefined {
    return this.#events.shift();
  }

  handleTimeout(now: Instant): void {
    this.#requests.handleTimeout(now);
    this.#allocation.handleTimeout(now);
    this.#startDue(now);
    if (now >= this.#keepaliveAt()) this.#isKeepaliveDue = true;
  }

  nextTimeout(): Instant | undefined {
    const next = this.#nextTimeout();
    return next === Infinity ? undefined : next;
  }

  /** Gives the allocation back; `hasEnded` tells when that is done, within a second. */
  close(now: Instant): void {
    this.#events.length = 0;
    this.#allocation.release(now);
  }

  #nextTimeout(): Instant {
    const next = Math.min(this.#requests.nextTimeout(), this.#allocation.nextTimeout());
    if (!this.#allocation.isAllocated) return next;
    return Math.min(
      next,
      this.#permissions.nextTimeout(),
      this.#channels.nextTimeout(),
      this.#keepaliveAt(),
    );
  }

  #startDue(now: Instant): void {
    if (!this.#allocation.isAllocated) return;
    this.#permissions.handleTimeout(now);
    this.#channels.handleTimeout(now);
  }

  #handleChannelData(bytes: Uint8Array, start: number, end: number, now: Instant): void {
    const dataEnd = channelDataEnd(bytes, start, end);
    if (dataEnd === undefined || !this.#allocation.isAllocated) return; // CHECK T1
    const peer = this.#channels.peerOf(readUint16(bytes, start), now); // CHECK T1
    if (peer === undefined) return;
    this.#permissions.handleData(peer.address, now);
    this.#options.handleData(peer, bytes, start + channelDataHeaderLength, dataEnd);
  }

  /** Section 11.4. */
  #handleIndication(
    { method, attributes, unknownRequired }: StunMessage,
    bytes: Uint8Array,
    now: Instant,
  ): void {
    const { data, xorPeerAddresses: [peer] = [] } = attributes;
    const isData = method === methods.data && unknownRequired.length === 0;
    if (!isData || peer === undefined || data === undefined) return;
    // "The client SHOULD also check that the XOR-PEER-ADDRESS attribute value contains an IP address
    // with which the client believes there is an active permission and discard the Data indication
    // otherwise." CHECK T1
    if (!this.#allocation.isAllocated || !this.#permissions.isPermitted(peer.address)) return;
    this.#permissions.handleData(peer.address, now);
    const dataStart = data.byteOffset - bytes.byteOffset;
    this.#options.handleData(peer, bytes, dataStart, dataStart + data.length);
  }

  #wrapInChannel(
    number: number,
    out: Uint8Array,
    at: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): number {
    const length = end - start;
    const dataAt = at + channelDataHeaderLength;
    // Section 12.5: "Over TCP and TLS-over-TCP, the ChannelData message MUST be padded to a multiple
    // of four bytes"
    const messageEnd = dataAt + (this.#options.isStream ? padded(length) : length); // CHECK T2
    requireRoom(out, messageEnd);
    if (bytes !== out || start !== dataAt) out.set(bytes.subarray(start, end), dataAt);
    writeChannelDataHeader(out, at, number, length);
    for (let pad = dataAt + length; pad < messageEnd; pad++) out[pad] = 0;
    return messageEnd - at;
  }

  /** Section 11.1. */
  #wrapInIndication(
    peer: TransportAddress,
    out: Uint8Array,
    at: number,
    data: Uint8Array,
  ): number {
    if (data.length > maxIndicatedLength) return 0;
    const message = writeStunMessage({
      messageClass: "indication",
      method: methods.send,
      transactionId: this.#options.random(transactionIdLength),
      attributes: { xorPeerAddresses: [peer], data },
    }, { hasFingerprint: false });
    requireRoom(out, at + message.length);
    out.set(message, at);
    return message.length;
  }

  #keepaliveAt(): Instant {
    const isKept = this.#allocation.isAllocated && !this.#options.isStream;
    return isKept && !this.#isKeepaliveDue ? this.#lastSentAt + keepaliveInterval : Infinity;
  }

  /** A Binding indication: nothing comes back. */
  #pollKeepalive(out: Uint8Array): number | undefined {
    if (!this.#isKeepaliveDue) return undefined;
    this.#isKeepaliveDue = false;
    const message = writeStunMessage({
      messageClass: "indication",
      method: methods.binding,
      transactionId: this.#options.random(transactionIdLength),
      attributes: {},
    });
    out.set(message);
    return message.length;
  }

  #fail({ code, reason }: TurnFailure): void {
    if (this.#allocation.isOver) return;
    this.#allocation.end();
    this.#events.push({ type: "failed", code, reason });
  }
}

function requireRoom(out: Uint8Array, end: number): void {
  if (end <= out.length) return;
  throw new RangeError(`writing a TURN message: it needs ${end} bytes, of ${out.length} there are`);
}
