/**
 * A TURN server (RFC 8656) for one client on a simulated network: as strict as the RFC lets it be,
 * and with nonces that go stale. Peers are addresses; what is sent to one comes back, if it echoes.
 */
import { equal } from "node:assert/strict";
import type { Instant, SansIo, Transmit } from "../../../src/sans_io.ts";
import type { TransportAddress } from "../../../src/ice/stun/address.ts";
import type { StunAttributes } from "../../../src/ice/stun/attributes.ts";
import { longTermKey, verifyIntegrity } from "../../../src/ice/stun/integrity.ts";
import {
  parseStunMessage,
  type StunMessage,
  writeStunMessage,
} from "../../../src/ice/stun/message.ts";
import {
  type MessageClass,
  methods,
  transactionKey,
} from "../../../src/ice/stun/message_header.ts";
import { channelDataEnd, writeChannelDataHeader } from "../../../src/ice/turn/channel_data.ts";
import { readUint16 } from "../../../src/network_order.ts";

export const user = { username: "alice", password: "secret" } as const;
const realm = "example.org";
const key = longTermKey({ ...user, realm });

export const relayed = { address: "192.0.2.15", port: 50_000 } as const;
export const relayed6 = { address: "2001:db8::15", port: 50_000 } as const;
export const mapped = { address: "203.0.113.7", port: 7_000 } as const;

/** What an error says, and what goes with it. */
export interface Refusal {
  readonly code: number;
  readonly attributes?: StunAttributes;
  /** Whether the client is to see that the server wrote it; by default it is. */
  readonly isSigned?: boolean;
}

export interface FakeTurnServerOptions {
  /** How long a nonce is taken, in ms. */
  readonly nonceLifetime?: number;
  readonly lifetimeSeconds?: number;
  /** Without, it takes anybody. */
  readonly isAuthenticating?: boolean;
  readonly isEchoing?: boolean;
  /** Asked about every request that is signed well. */
  readonly refuse?: (request: StunMessage) => Refusal | undefined;
  readonly hasIpv4?: boolean;
}

/** Something that reached a peer. */
export interface PeerData {
  readonly type: "peer-data";
  readonly peer: TransportAddress;
  readonly data: Uint8Array;
  readonly via: "channel" | "indication";
}

const permissionLifetime = 300_000;
const channelLifetime = 600_000;
const channelQuarantine = 300_000;

interface Channel {
  readonly peer: TransportAddress;
  expiresAt: Instant;
}

export class FakeTurnServer implements SansIo<PeerData> {
  readonly requests: StunMessage[] = [];
  /** What was dropped for want of a permission or a channel. */
  droppedCount = 0;
  allocationCount = 0;
  releasedCount = 0;
  staleCount = 0;
  readonly channels = new Map<number, Channel>();
  readonly #options: FakeTurnServerOptions;
  readonly #permissions = new Map<string, Instant>();
  readonly #answers = new Map<string, Uint8Array>();
  readonly #outgoing: Uint8Array[] = [];
  readonly #events: PeerData[] = [];
  #expiresAt: Instant = -Infinity;
  #indicationCount = 0;

  constructor(options: FakeTurnServerOptions = {}) {
    this.#options = options;
  }

  hasAllocation(now: Instant): boolean {
    return now < this.#expiresAt;
  }

  hasPermission(address: string, now: Instant): boolean {
    return now < (this.#permissions.get(address) ?? -Infinity);
  }

  /** Everything is forgotten, as by a restart. */
  forget(): void {
    this.#expiresAt = -Infinity;
    this.#permissions.clear();
    this.channels.clear();
    this.#answers.clear();
  }

  handleDatagram(bytes: Uint8Array, now: Instant): void {
    if ((bytes[0] ?? 0) >= 0x40) return this.#handleChannelData(bytes, now);
    const message = parseStunMessage(bytes, 0, bytes.length);
    if (message === undefined) throw new Error("the client sends what is no STUN");
    if (message.messageClass === "indication") return this.#handleIndication(message, now);
    equal(message.messageClass, "request");
    equal(message.hasFingerprint, true);
    const id = transactionKey(message.transactionId);
    // RFC 8489 section 6.3.1: a server may remember its answers, for requests that come again.
    const answer = this.#answers.get(id) ?? this.#answer(message, now);
    this.#answers.set(id, answer);
    this.#outgoing.push(answer);
  }

  /** A peer sends to the relayed address. */
  handlePeerData(peer: TransportAddress, data: Uint8Array, now: Instant): void {
    if (!this.hasAllocation(now) || !this.hasPermission(peer.address, now)) {
      this.droppedCount++;
      return;
    }
    for (const [number, channel] of this.channels) {
      if (isSame(channel.peer, peer) && now < channel.expiresAt) {
        this.#outgoing.push(channelData(number, data));
        return;
      }
    }
    this.#outgoing.push(this.indication(peer, data));
  }

  /** A Data indication. */
  indication(peer: TransportAddress, data: Uint8Array): Uint8Array {
    const transactionId = new Uint8Array(12);
    new DataView(transactionId.buffer).setUint32(0, this.#indicationCount++);
    return writeStunMessage({
      messageClass: "indication",
      method: methods.data,
      transactionId,
      attributes: { xorPeerAddresses: [peer], data },
    }, { hasFingerprint: false });
  }

  pollTransmit(out: Uint8Array, _now: Instant): Transmit | undefined {
    const message = this.#outgoing.shift();
    if (message === undefined) return undefined;
    out.set(message);
    return { length: message.length, segmentSize: message.length };
  }

  pollEvent(): PeerData | undefined {
    return this.#events.shift();
  }

  handleTimeout(_now: Instant): void {}

  nextTimeout(): Instant | undefined {
    return undefined;
  }

  #answer(request: StunMessage, now: Instant): Uint8Array {
    this.requests.push(request);
    const challenge = this.#challenge(request, now);
    if (challenge !== undefined) return this.#error(request, challenge, now);
    const refusal = this.#options.refuse?.(request) ?? this.#perform(request, now);
    return "code" in refusal
      ? this.#error(request, { isSigned: true, ...refusal }, now)
      : this.#write(request, "success", refusal, this.#isAuthenticating);
  }

  get #isAuthenticating(): boolean {
    return this.#options.isAuthenticating ?? true;
  }

  #challenge(request: StunMessage, now: Instant): Refusal | undefined {
    const { nonce, username } = request.attributes;
    if (!this.#isAuthenticating) return undefined;
    const isSigned = verifyIntegrity(request, key) && username === user.username;
    if (!isSigned || request.attributes.realm !== realm) return { code: 401, isSigned: false };
    const { nonceLifetime = Infinity } = this.#options;
    if (now - Number(nonce) < nonceLifetime) return undefined;
    this.staleCount++;
    return { code: 438, isSigned: false };
  }

  #error(
    request: StunMessage,
    { code, attributes, isSigned = true }: Refusal,
    now: Instant,
  ): Uint8Array {
    const challenge = code === 401 || code === 438 ? { realm, nonce: String(now) } : {};
    const errorCode = { code, reason: "as the\u001b[31m test wants it" };
    return this.#write(request, "error", { errorCode, ...challenge, ...attributes }, isSigned);
  }

  #write(
    { method, transactionId }: StunMessage,
    messageClass: MessageClass,
    attributes: StunAttributes,
    isSigned: boolean,
  ): Uint8Array {
    const content = { messageClass, method, transactionId, attributes };
    return writeStunMessage(content, { key: isSigned ? key : undefined });
  }

  #perform(request: StunMessage, now: Instant): StunAttributes | Refusal {
    if (request.method === methods.allocate) return this.#allocate(request, now);
    if (!this.hasAllocation(now)) return { code: 437 };
    switch (request.method) {
      case methods.refresh:
        return this.#refresh(request, now);
      case methods.createPermission:
        return this.#permit(request, now);
      case methods.channelBind:
        return this.#bind(request, now);
      default:
        return { code: 400 };
    }
  }

  #allocate({ attributes }: StunMessage, now: Instant): StunAttributes | Refusal {
    if (this.hasAllocation(now)) return { code: 437 };
    if (attributes.requestedTransport !== 17) return { code: 442 };
    const family = attributes.requestedAddressFamily ?? "ipv4";
    if (family === "ipv4" && this.#options.hasIpv4 === false) return { code: 440 };
    this.allocationCount++;
    const lifetimeSeconds = this.#options.lifetimeSeconds ?? 600;
    this.#expiresAt = now + lifetimeSeconds * 1_000;
    return {
      xorRelayedAddress: family === "ipv4" ? relayed : relayed6,
      xorMappedAddress: mapped,
      lifetimeSeconds,
    };
  }

  #refresh({ attributes }: StunMessage, now: Instant): StunAttributes {
    const { lifetimeSeconds = this.#options.lifetimeSeconds ?? 600 } = attributes;
    this.#expiresAt = lifetimeSeconds === 0 ? -Infinity : now + lifetimeSeconds * 1_000;
    if (lifetimeSeconds === 0) this.releasedCount++;
    return { lifetimeSeconds };
  }

  #permit({ attributes }: StunMessage, now: Instant): StunAttributes | Refusal {
    const [peer] = attributes.xorPeerAddresses ?? [];
    if (peer === undefined) return { code: 400 };
    this.#permissions.set(peer.address, now + permissionLifetime);
    return {};
  }

  /** RFC 8656, section 12.2. */
  #bind({ attributes }: StunMessage, now: Instant): StunAttributes | Refusal {
    const { channelNumber = 0, xorPeerAddresses: [peer] = [] } = attributes;
    if (peer === undefined || channelNumber < 0x4000 || channelNumber > 0x4fff) {
      return { code: 400 };
    }
    for (const [number, channel] of this.channels) {
      if (now >= channel.expiresAt + channelQuarantine) this.channels.delete(number);
      else if ((number === channelNumber) !== isSame(channel.peer, peer)) return { code: 400 };
    }
    this.channels.set(channelNumber, { peer, expiresAt: now + channelLifetime });
    return this.#permit({ attributes } as StunMessage, now);
  }

  #handleChannelData(bytes: Uint8Array, now: Instant): void {
    const end = channelDataEnd(bytes, 0, bytes.length);
    if (end === undefined) throw new Error("the client sends a malformed ChannelData message");
    const channel = this.channels.get(readUint16(bytes, 0));
    if (channel === undefined || now >= channel.expiresAt) this.droppedCount++;
    else this.#deliver(channel.peer, bytes.slice(4, end), "channel", now);
  }

  #handleIndication({ method, attributes }: StunMessage, now: Instant): void {
    if (method === methods.binding) return;
    equal(method, methods.send);
    const { xorPeerAddresses: [peer] = [], data } = attributes;
    if (peer === undefined || data === undefined) {
      throw new Error("a Send indication lacks something");
    }
    this.#deliver(peer, data.slice(), "indication", now);
  }

  #deliver(
    peer: TransportAddress,
    data: Uint8Array,
    via: PeerData["via"],
    now: Instant,
  ): void {
    if (!this.hasAllocation(now) || !this.hasPermission(peer.address, now)) {
      this.droppedCount++;
      return;
    }
    this.#events.push({ type: "peer-data", peer, data, via });
    if (this.#options.isEchoing ?? false) this.handlePeerData(peer, data, now);
  }
}

/** A ChannelData message. */
export function channelData(number: number, data: Uint8Array): Uint8Array {
  const message = new Uint8Array(4 + data.length);
  writeChannelDataHeader(message, 0, number, data.length);
  message.set(data, 4);
  return message;
}

function isSame(one: TransportAddress, other: TransportAddress): boolean {
  return one.address === other.address && one.port === other.port;
}
