/**
 * The data channels of one association (RFC 8831), and how they are opened (RFC 8832) and closed.
 * It takes the association's calls: messages, buffers that have emptied, resets and the end. Of
 * packets, loss and time it knows nothing.
 */
import type { Instant } from "../sans_io.ts";
import type { ChannelAssociation } from "./channel_association.ts";
import { ChannelStream } from "./channel_stream.ts";
import { DataChannel } from "./data_channel.ts";
import {
  type DataChannelOpen,
  isDataChannelAck,
  isDataChannelOpen,
  normalPriority,
  parseDataChannelOpen,
  writeDataChannelAck,
  writeDataChannelOpen,
} from "./dcep.ts";
import { ppids } from "./ppid.ts";

/** RFC 8831 section 6.2: 65,535 streams in each direction; 65535 is no stream id. */
const defaultStreamCount = 65_535;
/** Streams refused whose resets are not done, at most. More are left without an answer. */
const maxRefusedIdCount = 1_024;

/** What is asked for when a channel is opened. */
export interface DataChannelOptions {
  /** At most 1,024 bytes of UTF-8. */
  readonly label: string;
  /** At most 256 bytes of UTF-8. */
  readonly protocol: string;
  /** True unless said. */
  readonly isOrdered?: boolean;
  /** Messages are given up after so many retransmissions; without it and `lifetime` they are not. */
  readonly maxRetransmissions?: number;
  /** Messages are given up after so long, in ms. */
  readonly lifetime?: number;
}

/** What the channels of an association tell their user. */
export interface DataChannelsHandler {
  /** The peer opened a channel. Its `handler` is to be set within this call. */
  handleChannel(channel: DataChannel): void;
  /**
   * A channel is closed in both directions and all it sent was delivered, so that its id is free. Not
   * called for those that are left when the association ends.
   */
  handleReleased(channel: DataChannel): void;
}

/** What makes the channels of an association. */
export interface DataChannelsConfig {
  readonly association: ChannelAssociation;
  readonly handler: DataChannelsHandler;
  /** This end's, of DTLS. */
  readonly role: "client" | "server";
  /** Channels that are open or closing, of both ends together. */
  readonly maxChannelCount: number;
  /** The peer's `max-message-size`, in bytes; 0 where it has none (RFC 8841 section 6). */
  readonly peerMaxMessageLength: number;
  /** Streams in each direction: ids are below it. 65,535 unless said. */
  readonly streamCount?: number;
}

/** All channels of one association. */
export class DataChannels {
  readonly #association: ChannelAssociation;
  readonly #handler: DataChannelsHandler;
  readonly #maxChannelCount: number;
  readonly #maxMessageLength: number;
  readonly #streamCount: number;
  /** RFC 8832 section 6: the DTLS client takes the even ids, the server the odd ones. */
  readonly #parity: 0 | 1;
  /** All ids that are not free in both directions. */
  readonly #streams = new Map<number, ChannelStream>();
  /** Those of the streams that have a channel; the others were refused. */
  #channelCount = 0;
  #nextId: number;
  #isEnded = false;
  #droppedMessageCount = 0;
  #refusalCount = 0;

  constructor(config: DataChannelsConfig) {
    this.#association = config.association;
    this.#handler = config.handler;
    this.#maxChannelCount = config.maxChannelCount;
    this.#maxMessageLength = config.peerMaxMessageLength || Infinity;
    this.#streamCount = config.streamCount ?? defaultStreamCount;
    this.#parity = config.role === "client" ? 0 : 1;
    this.#nextId = this.#parity;
  }

  /** Channels that are open or closing. */
  get channelCount(): number {
    return this.#channelCount;
  }

  /** Ids that are not free: those of channels, and those refused until both directions are reset. */
  get usedIdCount(): number {
    return this.#streams.size;
  }

  /** Messages of the peer that belonged to no channel or meant nothing. */
  get droppedMessageCount(): number {
    return this.#droppedMessageCount;
  }

  /** How often the peer used a stream as it must not. */
  get refusalCount(): number {
    return this.#refusalCount;
  }

  /**
   * Opens a channel; messages may be sent at once, and nothing is waited for.
   * @throws {Error} where the association has ended, or all its channels are in use
   * @throws {RangeError} where what is asked for does not fit into DATA_CHANNEL_OPEN
   */
  open(options: DataChannelOptions, now: Instant): DataChannel {
    if (this.#isEnded) throw new Error("opening a channel: the association has ended");
    const isOrdered = options.isOrdered ?? true;
    const open: DataChannelOpen = { ...options, isOrdered, priority: normalPriority };
    const bytes = writeDataChannelOpen(open);
    const stream = this.#useStream(this.#allocateId(), undefined);
    const channel = this.#addChannel(stream, open, "us");
    // RFC 8832 section 6: "All DCEP messages MUST be sent using ordered delivery and reliable
    // transmission."
    this.#association.send(channel.id, ppids.dcep, bytes, undefined, now);
    return channel;
  }

  /** A message of the peer; its bytes are lent until this returns. */
  handleMessage(
    streamId: number,
    ppid: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    now: Instant,
  ): void {
    if (this.#isEnded) return;
    const stream = this.#streams.get(streamId);
    const channel = stream?.channel;
    if (ppid === ppids.dcep) {
      this.#handleDcep(streamId, stream, bytes, start, end, now);
    } else if (channel !== undefined && !channel.isClosed) {
      channel.handleMessage(ppid, bytes, start, end, now);
    } else {
      this.#droppedMessageCount++;
      // RFC 8832 section 6: "receiving a message containing user data on an unused stream indicates
      // an error. In that case, the corresponding data channel MUST be closed".
      if (stream === undefined || stream.isReopenable) this.#refuse(streamId, stream, now);
    }
  }

  /** What a stream has buffered has fallen to its threshold. */
  handleBufferedAmountLow(streamId: number): void {
    this.#streams.get(streamId)?.channel?.handleBufferedAmountLow();
  }

  /** The peer has reset its outgoing streams, all of them where undefined. */
  handleIncomingReset(streamIds: readonly number[] | undefined, now: Instant): void {
    for (const streamId of streamIds ?? [...this.#streams.keys()]) {
      const stream = this.#streams.get(streamId);
      if (stream === undefined) continue;
      stream.handleIncomingReset();
      // RFC 8831 section 6.7: "When the peer sees that an incoming stream was reset, it also resets
      // its corresponding outgoing stream."
      stream.channel?.fail(now);
      this.#releaseIfReset(stream);
    }
  }

  /** Our outgoing streams were reset. */
  handleOutgoingReset(streamIds: readonly number[], now: Instant): void {
    for (const streamId of streamIds) {
      const stream = this.#streams.get(streamId);
      stream?.handleOutgoingReset(now);
      if (stream !== undefined) this.#releaseIfReset(stream);
    }
  }

  /** The association has ended, and all channels with it. */
  handleAssociationClosed(): void {
    this.#isEnded = true;
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    this.#channelCount = 0;
    for (const stream of streams) stream.end();
    for (const { channel } of streams) channel?.handleAssociationClosed();
  }

  #handleDcep(
    streamId: number,
    stream: ChannelStream | undefined,
    bytes: Uint8Array,
    start: number,
    end: number,
    now: Instant,
  ): void {
    if (isDataChannelOpen(bytes, start, end)) {
      this.#handleOpen(streamId, stream, parseDataChannelOpen(bytes, start, end), now);
    } else if (isDataChannelAck(bytes, start, end) && stream?.channel !== undefined) {
      stream.channel.handlePeerSpoke();
    } else {
      this.#droppedMessageCount++;
    }
  }

  /** Takes what the peer asks for, which is undefined where it is malformed, or refuses it. */
  #handleOpen(
    streamId: number,
    stream: ChannelStream | undefined,
    open: DataChannelOpen | undefined,
    now: Instant,
  ): void {
    if (stream !== undefined && !stream.isReopenable) return this.#handleOpenOfUsed(stream, now);
    // RFC 8832 section 6: "If the DATA_CHANNEL_OPEN message doesn't satisfy the conditions above, the
    // receiver MUST close the corresponding data channel [...] and MUST NOT send a DATA_CHANNEL_ACK
    // message in response".
    const isPeers = streamId % 2 !== this.#parity && streamId < this.#streamCount;
    if (open === undefined || !isPeers || !this.#hasRoomFor(stream)) {
      return this.#refuse(streamId, stream, now);
    }
    const last = stream?.channel;
    const channel = this.#addChannel(this.#useStream(streamId, stream), open, "peer");
    this.#association.send(streamId, ppids.dcep, writeDataChannelAck(), undefined, now);
    if (last !== undefined) this.#handler.handleReleased(last);
    if (!channel.isClosed) this.#handler.handleChannel(channel);
  }

  /** RFC 8832 section 6: among those to close are channels on "an already used stream". */
  #handleOpenOfUsed({ channel }: ChannelStream, now: Instant): void {
    this.#droppedMessageCount++;
    if (channel === undefined || channel.isClosed) return;
    this.#refusalCount++;
    channel.fail(now);
  }

  /** Whether one more channel may be, where the one that a stream had is no more. */
  #hasRoomFor(stream: ChannelStream | undefined): boolean {
    return this.#channelCount - (stream?.channel === undefined ? 0 : 1) < this.#maxChannelCount;
  }

  /** Resets a stream that the peer uses as it must not; it counts as used until the peer answers. */
  #refuse(streamId: number, stream: ChannelStream | undefined, now: Instant): void {
    this.#refusalCount++;
    const refusedIdCount = this.#streams.size - this.#channelCount;
    if (streamId >= this.#streamCount || refusedIdCount >= maxRefusedIdCount) return;
    const last = stream?.channel;
    this.#useStream(streamId, stream).close(now);
    if (last !== undefined) this.#handler.handleReleased(last);
  }

  /** A stream id's next use begins: of one that is free, or of one that the peer reopens. */
  #useStream(streamId: number, known: ChannelStream | undefined): ChannelStream {
    if (known === undefined) {
      const stream = new ChannelStream(streamId, this.#association);
      this.#streams.set(streamId, stream);
      return stream;
    }
    if (known.channel !== undefined) this.#channelCount--;
    known.channel = undefined;
    known.reopen();
    return known;
  }

  #addChannel(stream: ChannelStream, open: DataChannelOpen, opener: "us" | "peer"): DataChannel {
    const channel = new DataChannel({
      association: this.#association,
      stream,
      open,
      opener,
      maxMessageLength: this.#maxMessageLength,
    });
    stream.channel = channel;
    this.#channelCount++;
    return channel;
  }

  /**
   * Ids go round instead of being reused at once: between the two ends' ideas of when one is free lies
   * the time of a packet.
   */
  #allocateId(): number {
    const isFull = this.#channelCount >= this.#maxChannelCount;
    for (let tries = 0; !isFull && tries < this.#streamCount; tries += 2) {
      const id = this.#nextId;
      this.#nextId = id + 2 < this.#streamCount ? id + 2 : this.#parity;
      if (id < this.#streamCount && !this.#streams.has(id)) return id;
    }
    const inUse = `${this.#channelCount} of ${this.#maxChannelCount} are open or closing`;
    throw new Error(`opening a channel: none is free, ${inUse}; close some and wait`);
  }

  #releaseIfReset(stream: ChannelStream): void {
    // A handler that was called meanwhile may have ended the association.
    if (!stream.isReset || this.#streams.get(stream.id) !== stream) return;
    this.#streams.delete(stream.id);
    if (stream.channel === undefined) return;
    this.#channelCount--;
    this.#handler.handleReleased(stream.channel);
  }
}
