/**
 * Two associations without packets. Everything is delivered in the order of its stream, and streams
 * overtake each other, as do the answers to resets: a test says what comes next. What is lent is
 * overwritten afterwards.
 */
import type {
  ByteRun,
  ChannelAssociation,
  DeliveryOptions,
} from "../../src/datachannel/channel_association.ts";
import type { DataChannels } from "../../src/datachannel/data_channels.ts";
import type { Instant } from "../../src/sans_io.ts";

/** A message as it was sent. */
export interface SentMessage {
  readonly streamId: number;
  readonly ppid: number;
  readonly bytes: Uint8Array;
  readonly options: DeliveryOptions | undefined;
}

interface FakeStream {
  /** Messages and resets that have not arrived. */
  readonly outbox: (SentMessage | "reset")[];
  bufferedLength: number;
  threshold: number;
  /** A reset has arrived, and its answer has not: what is sent after it waits. */
  isResetUnanswered: boolean;
}

/** The messages that a run is cut into, in bytes. */
const runMessageLength = 1_000;

/** Before a message in the buffer that is lent, in bytes. */
const lentOffset = 3;

/** One end of an association. */
export class FakeAssociation implements ChannelAssociation {
  /** All messages that were sent. */
  readonly sent: SentMessage[] = [];
  /** All resets that were asked for. */
  readonly resets: number[] = [];
  /** The user of this end. */
  channels: DataChannels | undefined;
  /** Where what is sent arrives. */
  peer: FakeAssociation | undefined;
  readonly #streams = new Map<number, FakeStream>();

  send(
    streamId: number,
    ppid: number,
    bytes: Uint8Array,
    options: DeliveryOptions | undefined,
    _now: Instant,
  ): void {
    if (bytes.length === 0) throw new Error("SCTP has no empty messages");
    const message = { streamId, ppid, bytes: bytes.slice(), options };
    this.sent.push(message);
    const stream = this.#streamOf(streamId);
    stream.outbox.push(message);
    stream.bufferedLength += bytes.length;
  }

  sendRun(streamId: number, ppid: number, bytes: Uint8Array, run: ByteRun): void {
    const length = Math.min(runMessageLength, run.maxMessageLength);
    for (let at = run.start; at < run.end; at += length) {
      const message = bytes.subarray(at, Math.min(at + length, run.end));
      this.send(streamId, ppid, message, undefined, 0);
    }
  }

  bufferedAmount(streamId: number): number {
    return this.#streams.get(streamId)?.bufferedLength ?? 0;
  }

  setBufferedAmountLowThreshold(streamId: number, threshold: number): void {
    this.#streamOf(streamId).threshold = threshold;
  }

  resetStream(streamId: number, _now: Instant): void {
    this.resets.push(streamId);
    const { outbox, isResetUnanswered } = this.#streamOf(streamId);
    if (isResetUnanswered || outbox.includes("reset")) {
      throw new Error(`stream ${streamId} is reset while it is being reset`);
    }
    outbox.push("reset");
  }

  /** All that could happen next on what this end has sent. */
  *steps(): Iterable<() => void> {
    for (const [streamId, stream] of this.#streams) {
      const answer = stream.isResetUnanswered;
      if (answer) yield () => this.#answerReset(streamId, stream);
      else if (stream.outbox.length > 0) yield () => this.#deliver(streamId, stream);
    }
  }

  /** Lets what was sent on a stream arrive up to its next reset, and that be done. */
  performReset(streamId: number): void {
    const stream = this.#streamOf(streamId);
    while (!stream.isResetUnanswered && stream.outbox.length > 0) this.#deliver(streamId, stream);
    this.#answerReset(streamId, stream);
  }

  #streamOf(streamId: number): FakeStream {
    const known = this.#streams.get(streamId);
    if (known !== undefined) return known;
    const stream = { outbox: [], bufferedLength: 0, threshold: 0, isResetUnanswered: false };
    this.#streams.set(streamId, stream);
    return stream;
  }

  #deliver(streamId: number, stream: FakeStream): void {
    const next = stream.outbox.shift();
    if (next === "reset") {
      stream.isResetUnanswered = true;
      this.peer?.channels?.handleIncomingReset([streamId], 0);
    } else if (next !== undefined) {
      this.#unbuffer(streamId, stream, next.bytes.length);
      this.peer?.receive(next);
    }
  }

  #unbuffer(streamId: number, stream: FakeStream, length: number): void {
    const wasAbove = stream.bufferedLength > stream.threshold;
    stream.bufferedLength -= length;
    if (wasAbove && stream.bufferedLength <= stream.threshold) {
      this.channels?.handleBufferedAmountLow(streamId);
    }
  }

  #answerReset(streamId: number, stream: FakeStream): void {
    stream.isResetUnanswered = false;
    this.channels?.handleOutgoingReset([streamId], 0);
  }

  /** A message arrives here. */
  receive({ streamId, ppid, bytes }: Pick<SentMessage, "streamId" | "ppid" | "bytes">): void {
    const lent = new Uint8Array(lentOffset + bytes.length + lentOffset).fill(0xee);
    lent.set(bytes, lentOffset);
    const end = lentOffset + bytes.length;
    this.channels?.handleMessage(streamId, ppid, lent, lentOffset, end, 0);
    lent.fill(0xdd);
  }
}
