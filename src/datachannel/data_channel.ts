/**
 * One data channel (RFC 8831): its messages, its buffer and its end. Ids, DATA_CHANNEL_OPEN and
 * resets are the business of `DataChannels`, which makes it.
 */
import type { Instant } from "../sans_io.ts";
import type { ChannelAssociation, DeliveryOptions } from "./channel_association.ts";
import type { ChannelStream } from "./channel_stream.ts";
import type { DataChannelOpen } from "./dcep.ts";
import { ppids } from "./ppid.ts";
import { decodeUtf8, encodeUtf8 } from "./utf8.ts";

/** What a channel buffers before it is full, in bytes. */
export const channelBufferLength = 131_072;
/** A channel that was full is writable again once so little is left, in bytes. */
const writableLength = channelBufferLength / 2;

/**
 * A message that is not worth sending twice is not worth waiting for either: dropped where it was not
 * sent within so long, in ms.
 */
const unreliableLifetime = 200;

/**
 * RFC 8831 section 6.6: "SCTP does not support the sending of empty user messages. Therefore, if an
 * empty message has to be sent", one zero byte goes in its place.
 */
const emptyMessage = new Uint8Array(1);

/** What a channel tells its user: synchronously and in order. */
export interface DataChannelHandler {
  /** A message is in `bytes[start..end)`, which are lent until this returns. */
  handleBinary(bytes: Uint8Array, start: number, end: number): void;
  handleText(text: string): void;
  /** The buffer has room again after it was full. */
  handleWritable(): void;
  /** Nothing more comes or goes: closed by the peer, or with the association. Called once. */
  handleClosed(): void;
}

/** What makes a channel. */
export interface DataChannelConfig {
  readonly association: ChannelAssociation;
  readonly stream: ChannelStream;
  readonly open: DataChannelOpen;
  /** Who sent DATA_CHANNEL_OPEN. */
  readonly opener: "us" | "peer";
  readonly maxMessageLength: number;
}

/** One end of a data channel. */
export class DataChannel {
  /** Of the stream in both directions. */
  readonly id: number;
  /** What the opener asks for. */
  readonly label: string;
  /** The kind of channel, as the opener names it. */
  readonly protocol: string;
  /** The longest message that may be sent, in bytes. */
  readonly maxMessageLength: number;
  /** Set by the user right after the channel was made. */
  handler: DataChannelHandler | undefined;
  readonly #association: ChannelAssociation;
  readonly #stream: ChannelStream;
  /** How messages are sent once the peer has spoken. */
  readonly #delivery: DeliveryOptions | undefined;
  /** How they are sent now. */
  #currentDelivery: DeliveryOptions | undefined;
  #isFull = false;
  #isClosed = false;

  constructor({ association, stream, open, opener, maxMessageLength }: DataChannelConfig) {
    this.id = stream.id;
    this.label = open.label;
    this.protocol = open.protocol;
    this.maxMessageLength = maxMessageLength;
    this.#association = association;
    this.#stream = stream;
    this.#delivery = deliveryOf(open, open.isOrdered);
    // RFC 8832 section 6: "before the DATA_CHANNEL_ACK message or any other message has been
    // received on a data channel, all other messages containing user data and belonging to this data
    // channel MUST be sent ordered, no matter whether the data channel is ordered or not."
    this.#currentDelivery = opener === "peer" ? this.#delivery : deliveryOf(open, true);
    association.setBufferedAmountLowThreshold(stream.id, writableLength);
  }

  /** Whether nothing can be sent any more, and nothing more will come. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Bytes that were sent here and not by the association yet. */
  get bufferedAmount(): number {
    return this.#isClosed ? 0 : this.#association.bufferedAmount(this.id);
  }

  /** Bytes that may be sent now before the buffer is full. */
  get sendableLength(): number {
    return this.#isClosed ? 0 : Math.max(0, channelBufferLength - this.bufferedAmount);
  }

  /**
   * Sends a message, which is copied. Does nothing once closed.
   * @throws {RangeError} where it is longer than `maxMessageLength`
   */
  sendBinary(bytes: Uint8Array, now: Instant): void {
    if (bytes.length > 0) this.#send(ppids.binary, bytes, now);
    else this.#send(ppids.emptyBinary, emptyMessage, now);
  }

  /**
   * Sends `bytes[start..end)`, copied, as messages that fit a packet each. Does nothing once closed.
   * @throws {Error} where messages may be lost, or come in any order
   */
  sendRun(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isClosed) return;
    if (this.#currentDelivery !== undefined) {
      throw new Error("sending a run of messages: the channel is not reliable and in order");
    }
    const { maxMessageLength } = this;
    this.#association.sendRun(this.id, ppids.binary, bytes, { start, end, maxMessageLength });
    this.#noteFull();
  }

  /**
   * Sends a text. Does nothing once closed.
   * @throws {RangeError} where it is longer than `maxMessageLength` in UTF-8
   */
  sendText(text: string, now: Instant): void {
    if (text.length > 0) this.#send(ppids.string, encodeUtf8(text), now);
    else this.#send(ppids.emptyString, emptyMessage, now);
  }

  /**
   * Closes both ways, after what was sent has been delivered. Nothing is told the handler any more.
   * A second call does nothing.
   */
  close(now: Instant): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stream.close(now);
  }

  /** For `DataChannels`: the peer has closed the channel, or has broken its rules. */
  fail(now: Instant): void {
    if (this.#isClosed) return;
    this.close(now);
    this.handler?.handleClosed();
  }

  /** For `DataChannels`: the association has ended. */
  handleAssociationClosed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.handler?.handleClosed();
  }

  /** For `DataChannels`: a message of the peer, which is not DCEP's. */
  handleMessage(
    ppid: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    now: Instant,
  ): void {
    this.handlePeerSpoke();
    switch (ppid) {
      case ppids.binary:
        return this.handler?.handleBinary(bytes, start, end);
      case ppids.string:
        return this.#handleString(bytes, start, end, now);
      // RFC 8831 section 6.6: the receiver "MUST ignore the SCTP user message and process it as an
      // empty message".
      case ppids.emptyBinary:
        return this.handler?.handleBinary(bytes, start, start);
      case ppids.emptyString:
        return this.handler?.handleText("");
      default:
        // RFC 8831 section 6.6: "If a message with an unsupported PPID is received [...] the receiver
        // SHOULD close the corresponding data channel."
        return this.fail(now);
    }
  }

  /** For `DataChannels`: any message, DATA_CHANNEL_ACK above all, says that the peer has the channel. */
  handlePeerSpoke(): void {
    this.#currentDelivery = this.#delivery;
  }

  /** For `DataChannels`: the buffer has fallen to its threshold. */
  handleBufferedAmountLow(): void {
    if (!this.#isFull || this.#isClosed) return;
    this.#isFull = false;
    this.handler?.handleWritable();
  }

  #handleString(bytes: Uint8Array, start: number, end: number, now: Instant): void {
    const text = decodeUtf8(bytes, start, end);
    // RFC 8831 section 6.6: its PPID is for a "string encoded in UTF-8".
    if (text === undefined) this.fail(now);
    else this.handler?.handleText(text);
  }

  #send(ppid: number, bytes: Uint8Array, now: Instant): void {
    if (this.#isClosed) return;
    if (bytes.length > this.maxMessageLength) {
      const limit = `the peer takes ${this.maxMessageLength} at most`;
      throw new RangeError(`sending a message of ${bytes.length} bytes: ${limit}, so split it`);
    }
    this.#association.send(this.id, ppid, bytes, this.#currentDelivery, now);
    this.#noteFull();
  }

  #noteFull(): void {
    if (this.#association.bufferedAmount(this.id) >= channelBufferLength) this.#isFull = true;
  }
}

/** Undefined where messages are reliable and ordered, as most are. */
function deliveryOf(
  { maxRetransmissions, lifetime }: DataChannelOpen,
  isOrdered: boolean,
): DeliveryOptions | undefined {
  if (isOrdered && maxRetransmissions === undefined && lifetime === undefined) return undefined;
  const isFleeting = maxRetransmissions === 0;
  return {
    isUnordered: !isOrdered,
    maxRetransmissions,
    lifetime: isFleeting ? unreliableLifetime : lifetime,
  };
}
