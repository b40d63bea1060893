/**
 * Channels (RFC 8656, section 12): a number for each peer, ten minutes long, under which datagrams
 * go with four bytes of overhead. What is used is kept.
 */
import type { Instant } from "../../sans_io.ts";
import { isSameAddress, type TransportAddress } from "../stun/address.ts";
import { methods } from "../stun/message_header.ts";
import { channelNumbers } from "./channel_data.ts";
import { idleTimeout, maxPeerCount, retryDelays, type TurnContext } from "./turn_context.ts";
import { isFatal, isTransient, type TurnFailure } from "./turn_failure.ts";

/** Section 12: "Channel bindings last for 10 minutes unless refreshed"; in ms. */
const lifetime = 600_000;
/** A transaction may take 39.5 s. */
const refreshMargin = 60_000;
/**
 * Section 12: "the client MUST wait 5 minutes after the channel binding expires before attempting to
 * bind the channel number to a different transport address or the transport address to a different
 * channel number"; in ms.
 */
const quarantine = 300_000;

/** One channel. Until it has gone, its number is for this peer and none other. */
export interface Channel {
  readonly peer: TransportAddress;
  readonly number: number;
  /** When it is bound, or refreshed; infinite while it is, and where it is let go. */
  dueAt: Instant;
  /** No later than at the server. Sooner than now: it is not bound. */
  expiresAt: Instant;
  usedAt: Instant;
  /** When the server may have bound it for the last time. */
  requestedAt: Instant;
  isAsking: boolean;
}

/** All channels of one allocation. */
export class Channels {
  readonly #context: TurnContext;
  readonly #handleBound: (address: string, requestedAt: Instant) => void;
  readonly #byNumber = new Map<number, Channel>();
  #nextNumber: number = channelNumbers.first;
  #lastFound: Channel | undefined;

  /** `handleBound` is told of permissions that come with channels. */
  constructor(
    context: TurnContext,
    handleBound: (address: string, requestedAt: Instant) => void,
  ) {
    this.#context = context;
    this.#handleBound = handleBound;
  }

  /** The number under which a datagram goes to a peer now; undefined where none does. */
  use(peer: TransportAddress, now: Instant): number | undefined {
    const channel = this.#find(peer);
    if (channel === undefined) return undefined;
    keep(channel, now);
    return now < channel.expiresAt ? channel.number : undefined;
  }

  /** The peer whose channel has this number; undefined where there is none. */
  peerOf(number: number, now: Instant): TransportAddress | undefined {
    const channel = this.#byNumber.get(number);
    if (channel === undefined) return undefined;
    keep(channel, now);
    return channel.peer;
  }

  /** Wants one, as far as there is a place for it: else indications have to do. */
  bind(peer: TransportAddress, now: Instant): void {
    if (this.#byNumber.size >= maxPeerCount || this.#find(peer) !== undefined) return; // CHECK T1
    const number = this.#takeNumber();
    this.#byNumber.set(number, {
      peer,
      number,
      dueAt: now,
      expiresAt: -Infinity,
      usedAt: now,
      requestedAt: now,
      isAsking: false,
    });
  }

  /** Asks for what is due, as far as requests may be under way, and lets go what is over. */
  handleTimeout(now: Instant): void {
    for (const channel of this.#byNumber.values()) {
      if (now >= goneAt(channel)) {
        this.#forget(channel);
        continue;
      }
      if (now < channel.dueAt) continue;
      if (now - channel.usedAt >= idleTimeout) channel.dueAt = Infinity;
      else if (!this.#context.requests.isFull) this.#request(channel, now);
    }
  }

  nextTimeout(): Instant {
    const { isFull } = this.#context.requests;
    let next = Infinity;
    for (const channel of this.#byNumber.values()) {
      // What waits for a free place is looked at again when there is one.
      next = Math.min(next, goneAt(channel), isFull ? Infinity : channel.dueAt);
    }
    return next;
  }

  #find(peer: TransportAddress): Channel | undefined {
    const last = this.#lastFound;
    if (last !== undefined && isSameAddress(last.peer, peer)) return last;
    for (const channel of this.#byNumber.values()) {
      if (!isSameAddress(channel.peer, peer)) continue;
      this.#lastFound = channel;
      return channel;
    }
    return undefined;
  }

  #forget(channel: Channel): void {
    this.#byNumber.delete(channel.number);
    if (this.#lastFound === channel) this.#lastFound = undefined;
  }

  /** In turn, so that one comes again as late as can be. */
  #takeNumber(): number {
    for (;;) {
      const number = this.#nextNumber++;
      if (this.#nextNumber > channelNumbers.last) this.#nextNumber = channelNumbers.first;
      if (!this.#byNumber.has(number)) return number; // CHECK T1
    }
  }

  #request(channel: Channel, now: Instant): void {
    const { peer, number } = channel;
    channel.dueAt = Infinity;
    channel.requestedAt = now;
    channel.isAsking = true;
    this.#context.requests.send({
      method: methods.channelBind,
      attributes: { channelNumber: number, xorPeerAddresses: [peer] },
      handleSuccess: (_, answeredAt) => this.#handleSuccess(channel, now, answeredAt),
      handleFailure: (failure, failedAt) => this.#handleFailure(channel, failure, failedAt),
    }, now);
  }

  #handleSuccess(channel: Channel, requestedAt: Instant, answeredAt: Instant): void {
    channel.isAsking = false;
    // It may have been bound by a retransmission, late.
    channel.requestedAt = answeredAt;
    channel.expiresAt = requestedAt + lifetime;
    channel.dueAt = channel.expiresAt - refreshMargin;
    this.#handleBound(channel.peer.address, requestedAt);
  }

  /** Of a refusal nobody is told: the datagrams go by indications, if they may go at all. */
  #handleFailure(channel: Channel, failure: TurnFailure, now: Instant): void {
    channel.isAsking = false;
    channel.requestedAt = now;
    if (isFatal(failure.code)) return this.#context.fail(failure);
    const isRefused = !isTransient(failure.code);
    // What the server refuses to refresh it has not got.
    if (isRefused) channel.expiresAt = -Infinity;
    channel.dueAt = now + (isRefused ? retryDelays.refused : retryDelays.transient);
  }
}

/** It is in use. What was let go is bound anew, under the number that it had. */
function keep(channel: Channel, now: Instant): void {
  channel.usedAt = now;
  if (channel.dueAt === Infinity && !channel.isAsking) channel.dueAt = now;
}

/** When its number and its peer are free for others. */
function goneAt({ isAsking, dueAt, requestedAt }: Channel): Instant {
  return isAsking || dueAt < Infinity ? Infinity : requestedAt + lifetime + quarantine;
}
