/** What data channels need of the SCTP association below them. */
import type { Instant } from "../sans_io.ts";

/** How a message is to be delivered; reliably and in order unless said. */
export interface DeliveryOptions {
  readonly isUnordered?: boolean;
  /** Given up after so many retransmissions. */
  readonly maxRetransmissions?: number;
  /** Given up after so long, in ms. */
  readonly lifetime?: number;
}

/** Bytes that are sent as messages of any length. */
export interface ByteRun {
  readonly start: number;
  readonly end: number;
  /** Infinity for any. */
  readonly maxMessageLength: number;
}

/** The part of an association that data channels use. */
export interface ChannelAssociation {
  /** Queues a message of one byte or more, which is copied. */
  send(
    streamId: number,
    ppid: number,
    bytes: Uint8Array,
    options: DeliveryOptions | undefined,
    now: Instant,
  ): void;
  /** Queues bytes, which are copied, as messages that fit a packet each: reliably and in order. */
  sendRun(streamId: number, ppid: number, bytes: Uint8Array, run: ByteRun): void;
  /** Bytes of a stream that are queued and were not sent yet. */
  bufferedAmount(streamId: number): number;
  /** Has it told when `bufferedAmount` falls to the threshold. */
  setBufferedAmountLowThreshold(streamId: number, threshold: number): void;
  /** Resets our outgoing stream (RFC 6525) after all that was queued of it, and tells when done. */
  resetStream(streamId: number, now: Instant): void;
}
