/**
 * Messages that wait for their TSNs, by stream. It cuts them into the user data of one chunk at a
 * time and decides whose turn it is; of packets, windows and acknowledgements it knows nothing.
 */
import type { Instant } from "../../sans_io.ts";
import { dataFlags } from "../packet/data_chunk.ts";
import { maxPieceLength, type PayloadStore, type PieceHandle } from "../payload_store.ts";
import { add16, add32 } from "../serial.ts";

/** How a message is to be delivered; reliably and in order unless said. */
export interface SendOptions {
  readonly isUnordered?: boolean;
  /** RFC 3758: given up after so many retransmissions. */
  readonly maxRetransmissions?: number;
  /** RFC 3758: given up after so long, in ms. */
  readonly lifetime?: number;
}

/** Bytes that are sent as messages of any length. */
export interface ByteRun {
  readonly start: number;
  readonly end: number;
  /** Infinity for any. */
  readonly maxMessageLength: number;
}

const reliable: SendOptions = {};

/** `maxRetransmissions` of what is never given up. */
export const unlimited = 0xffff;

/** The user data of one chunk, as `produce` cut it. One object serves all. */
export interface Fragment {
  /** B, E and U: see `dataFlags`. */
  flags: number;
  streamId: number;
  /** SSN, or MID where messages are interleaved. */
  messageNumber: number;
  /** FSN, where messages are interleaved. */
  fragmentNumber: number;
  ppid: number;
  handle: PieceHandle;
  /** Where in the piece it begins, in bytes. */
  offset: number;
  length: number;
  /** Whether the piece can be freed once this fragment is acknowledged, as it is the piece's last. */
  isPieceEnd: boolean;
  maxRetransmissions: number;
  expiresAt: Instant;
}

/** What the pieces of a message, or of a run of bytes, have in common. */
interface PieceKind {
  /** It is no message: what each packet takes of it is one. */
  isDivisible: boolean;
  isUnordered: boolean;
  /** Of the message that it is a piece of, or of the longest it is divided into, in bytes. */
  messageLength: number;
  ppid: number;
  maxRetransmissions: number;
  expiresAt: Instant;
}

/** A piece of a message in the queue, or of several; nodes are used again and again. */
interface QueuedPiece extends PieceKind {
  handle: PieceHandle;
  length: number;
  sentLength: number;
  isBeginning: boolean;
  isEnding: boolean;
  next: QueuedPiece | undefined;
}

/** Where a stream's reset stands (RFC 6525): asked for, then under way. */
type StreamReset = "none" | "pending" | "requested";

interface Stream {
  readonly streamId: number;
  first: QueuedPiece | undefined;
  last: QueuedPiece | undefined;
  bufferedLength: number;
  lowThreshold: number;
  isAboveThreshold: boolean;
  /** SSN or MID of the next ordered message. */
  nextOrdered: number;
  /** MID of the next unordered message. */
  nextUnordered: number;
  nextFragmentNumber: number;
  /** Of the message that has begun and not ended, in bytes. */
  begunLength: number;
  isScheduled: boolean;
  reset: StreamReset;
  /** The stream whose turn is after this one's. */
  nextScheduled: Stream | undefined;
}

/** What makes a queue. */
export interface SendQueueOptions {
  readonly store: PayloadStore;
  /** Called when what a stream has buffered has fallen to its threshold. */
  readonly onBufferedAmountLow: (streamId: number) => void;
  /** For tests: the first SSN and MID of every stream. */
  readonly initialMessageNumber?: number;
}

/** What is freed at once of a message that takes long to send, in bytes. */
const messagePieceLength = 16_384;

/** A chunk that ends a message in part costs a header: not for a few bytes. */
const minFragmentLength = 256;

/** All streams' messages. */
export class SendQueue {
  /** What `produce` cut last. */
  readonly fragment: Fragment = {
    flags: 0,
    streamId: 0,
    messageNumber: 0,
    fragmentNumber: 0,
    ppid: 0,
    handle: 0,
    offset: 0,
    length: 0,
    isPieceEnd: false,
    maxRetransmissions: unlimited,
    expiresAt: Infinity,
  };
  readonly #store: PayloadStore;
  readonly #onBufferedAmountLow: (streamId: number) => void;
  readonly #initialMessageNumber: number;
  readonly #streams = new Map<number, Stream>();
  /** Streams whose reset is asked for or under way. */
  readonly #resetting = new Set<Stream>();
  #isInterleaved = false;
  #maxBegunLength = 0;
  /** Of all messages that have begun and not ended, in bytes. */
  #begunLength = 0;
  /** The stream whose turn it is. */
  #head: Stream | undefined;
  #tail: Stream | undefined;
  #bufferedLength = 0;
  /** Streams whose buffer has fallen to the threshold, and of which nobody was told yet. */
  #lowStreamIds: number[] = [];
  #freePiece: QueuedPiece | undefined;

  constructor({ store, onBufferedAmountLow, initialMessageNumber = 0 }: SendQueueOptions) {
    this.#store = store;
    this.#onBufferedAmountLow = onBufferedAmountLow;
    this.#initialMessageNumber = initialMessageNumber;
  }

  /** Bytes that have no TSN yet, of all streams. */
  get bufferedLength(): number {
    return this.#bufferedLength;
  }

  /** Whether `produce` would have something for a packet of its own. */
  get hasData(): boolean {
    return this.#head !== undefined;
  }

  /** Whether any message was given a TSN so far cannot change this: I-DATA instead of DATA. */
  setInterleaved(isInterleaved: boolean): void {
    this.#isInterleaved = isInterleaved;
  }

  /**
   * No message is begun while others, of so many bytes with it, have not ended. A peer holds all
   * that have begun: were these more than its window, none of them would ever come to its end.
   */
  setMaxBegunLength(length: number): void {
    this.#maxBegunLength = length;
  }

  /** Bytes of a stream that have no TSN yet. */
  bufferedAmount(streamId: number): number {
    return this.#streams.get(streamId)?.bufferedLength ?? 0;
  }

  /** Queues a message of one byte or more; its bytes are copied. */
  add(
    streamId: number,
    ppid: number,
    bytes: Uint8Array,
    options: SendOptions | undefined,
    now: Instant,
  ): void {
    const { isUnordered = false, maxRetransmissions = unlimited, lifetime } = options ?? reliable;
    this.#queue(streamId, bytes, { start: 0, end: bytes.length, pieceLength: messagePieceLength }, {
      isDivisible: false,
      isUnordered,
      messageLength: bytes.length,
      ppid,
      maxRetransmissions: Math.min(maxRetransmissions, unlimited),
      expiresAt: lifetime === undefined ? Infinity : now + lifetime,
    });
  }

  /**
   * Queues `bytes[start..end)`, copied, which go out as messages of their own: each as long as a
   * packet takes, and `maxMessageLength` at most. They are delivered reliably and in order.
   */
  addRun(
    streamId: number,
    ppid: number,
    bytes: Uint8Array,
    { start, end, maxMessageLength }: ByteRun,
  ): void {
    this.#queue(streamId, bytes, { start, end, pieceLength: maxPieceLength }, {
      isDivisible: true,
      isUnordered: false,
      messageLength: maxMessageLength,
      ppid,
      maxRetransmissions: unlimited,
      expiresAt: Infinity,
    });
  }

  setBufferedAmountLowThreshold(streamId: number, threshold: number): void {
    const stream = this.#streamOf(streamId);
    stream.lowThreshold = threshold;
    stream.isAboveThreshold = stream.bufferedLength > threshold;
  }

  /**
   * Cuts the next chunk's user data, of at most `available` bytes, into `fragment`; a whole packet
   * has room for `pieceLength`. False where nothing is to be sent, or nothing that fits.
   */
  produce(available: number, pieceLength: number, now: Instant): boolean {
    this.#dropExpired(now);
    while (this.#head !== undefined && !this.#mayGoOn(this.#head, pieceLength)) {
      this.#passTurn();
      this.#dropExpired(now);
    }
    const stream = this.#head;
    const piece = stream?.first;
    if (stream === undefined || piece === undefined) return false;
    if (piece.isDivisible) {
      const length = nextOfRun(piece, pieceLength);
      if (length > available) return false;
      this.#cut(stream, piece, length);
      return true;
    }
    const rest = piece.length - piece.sentLength;
    if (rest > available && (available < minFragmentLength || rest <= pieceLength)) return false;
    this.#cut(stream, piece, Math.min(rest, available));
    return true;
  }

  /**
   * Cuts a message of exactly `length` bytes, as `produce` would for a whole packet. False where the
   * next is longer or shorter, or no part of a run.
   */
  produceOfRun(length: number, pieceLength: number): boolean {
    const stream = this.#head;
    const piece = stream?.first;
    if (stream === undefined || piece === undefined || !piece.isDivisible) return false;
    if (nextOfRun(piece, pieceLength) !== length) return false;
    this.#cut(stream, piece, length);
    return true;
  }

  /** Tells whose buffer has fallen: whoever is told may send, and may end it all. */
  tellLow(): void {
    if (this.#lowStreamIds.length === 0) return;
    const streamIds = this.#lowStreamIds;
    this.#lowStreamIds = [];
    for (const streamId of streamIds) this.#onBufferedAmountLow(streamId);
  }

  /** Drops what is left of the message that `fragment`'s stream is in the midst of. */
  discardRest(streamId: number, now: Instant): void {
    const stream = this.#streams.get(streamId);
    if (stream !== undefined && isWithinMessage(stream)) this.#dropMessage(stream, now);
  }

  /** Whether a stream was used since its last reset. */
  isKnown(streamId: number): boolean {
    return this.#streams.has(streamId);
  }

  /** RFC 6525 section 5.1.2: the stream is to be reset after all that is queued of it. */
  prepareReset(streamId: number): void {
    const stream = this.#streamOf(streamId);
    if (stream.reset !== "none") return;
    stream.reset = "pending";
    this.#resetting.add(stream);
  }

  /** Streams that can be reset now, as all their messages have TSNs; at most so many. */
  takeResets(maxCount: number): number[] {
    const streamIds: number[] = [];
    for (const stream of this.#resetting) {
      if (stream.reset !== "pending" || stream.first !== undefined) continue;
      if (streamIds.length === maxCount) break;
      stream.reset = "requested";
      streamIds.push(stream.streamId);
    }
    return streamIds;
  }

  /** The reset that was asked for is done, or was refused: message numbers begin anew, or go on. */
  finishReset(streamId: number, isPerformed: boolean): void {
    const stream = this.#streams.get(streamId);
    if (stream?.reset !== "requested") return;
    stream.reset = "none";
    this.#resetting.delete(stream);
    if (isPerformed) {
      stream.nextOrdered = 0;
      stream.nextUnordered = 0;
      stream.nextFragmentNumber = 0;
    }
    if (stream.first !== undefined) this.#schedule(stream);
    else if (isPerformed && this.#initialMessageNumber === 0) this.#streams.delete(streamId);
  }

  /** Frees all that is queued. */
  destroy(now: Instant): void {
    for (const stream of this.#streams.values()) {
      for (let piece = stream.first; piece !== undefined; piece = piece.next) {
        this.#store.free(piece.handle, now);
      }
    }
    this.#streams.clear();
    this.#resetting.clear();
    this.#lowStreamIds = [];
    this.#head = undefined;
    this.#tail = undefined;
    this.#bufferedLength = 0;
    this.#begunLength = 0;
  }

  #streamOf(streamId: number): Stream {
    const known = this.#streams.get(streamId);
    if (known !== undefined) return known;
    const stream: Stream = {
      streamId,
      first: undefined,
      last: undefined,
      bufferedLength: 0,
      lowThreshold: 0,
      isAboveThreshold: false,
      nextOrdered: this.#initialMessageNumber,
      nextUnordered: this.#initialMessageNumber,
      nextFragmentNumber: 0,
      begunLength: 0,
      isScheduled: false,
      reset: "none",
      nextScheduled: undefined,
    };
    this.#streams.set(streamId, stream);
    return stream;
  }

  /** Holds the bytes in pieces of so many, which are alike but for their place. */
  #queue(
    streamId: number,
    bytes: Uint8Array,
    { start, end, pieceLength }: {
      readonly start: number;
      readonly end: number;
      readonly pieceLength: number;
    },
    kind: Readonly<PieceKind>,
  ): void {
    const stream = this.#streamOf(streamId);
    for (let at = start; at < end; at += pieceLength) {
      const pieceEnd = Math.min(at + pieceLength, end);
      const piece = this.#takePiece();
      piece.handle = this.#store.hold(bytes, at, pieceEnd);
      piece.length = pieceEnd - at;
      piece.isBeginning = kind.isDivisible || at === start;
      piece.isEnding = kind.isDivisible || pieceEnd === end;
      piece.isDivisible = kind.isDivisible;
      piece.isUnordered = kind.isUnordered;
      piece.messageLength = kind.messageLength;
      piece.ppid = kind.ppid;
      piece.maxRetransmissions = kind.maxRetransmissions;
      piece.expiresAt = kind.expiresAt;
      append(stream, piece);
    }
    stream.bufferedLength += end - start;
    this.#bufferedLength += end - start;
    if (stream.bufferedLength > stream.lowThreshold) stream.isAboveThreshold = true;
    this.#schedule(stream);
  }

  #takePiece(): QueuedPiece {
    const piece = this.#freePiece;
    if (piece === undefined) {
      return {
        handle: 0,
        length: 0,
        sentLength: 0,
        isDivisible: false,
        isBeginning: false,
        isEnding: false,
        isUnordered: false,
        messageLength: 0,
        ppid: 0,
        maxRetransmissions: unlimited,
        expiresAt: Infinity,
        next: undefined,
      };
    }
    this.#freePiece = piece.next;
    piece.next = undefined;
    piece.sentLength = 0;
    return piece;
  }

  /** A stream that is being reset waits: what is sent next has the new numbers. */
  #schedule(stream: Stream): void {
    if (stream.isScheduled || stream.reset === "requested") return;
    stream.isScheduled = true;
    if (this.#tail === undefined) this.#head = stream;
    else this.#tail.nextScheduled = stream;
    this.#tail = stream;
  }

  #unscheduleHead(): Stream | undefined {
    const stream = this.#head;
    if (stream === undefined) return undefined;
    this.#head = stream.nextScheduled;
    if (this.#head === undefined) this.#tail = undefined;
    stream.nextScheduled = undefined;
    stream.isScheduled = false;
    return stream;
  }

  #cut(stream: Stream, piece: QueuedPiece, length: number): void {
    const { fragment } = this;
    const isPieceEnd = piece.sentLength + length === piece.length;
    const { isDivisible } = piece;
    const isBeginning = isDivisible || (piece.isBeginning && piece.sentLength === 0);
    const isEnding = isDivisible || (piece.isEnding && isPieceEnd);
    fragment.flags = (isBeginning ? dataFlags.beginning : 0) | (isEnding ? dataFlags.ending : 0) |
      (piece.isUnordered ? dataFlags.unordered : 0);
    fragment.streamId = stream.streamId;
    fragment.messageNumber = this.#messageNumber(stream, piece.isUnordered);
    fragment.fragmentNumber = stream.nextFragmentNumber;
    fragment.ppid = piece.ppid;
    fragment.handle = piece.handle;
    fragment.offset = piece.sentLength;
    fragment.length = length;
    fragment.isPieceEnd = isPieceEnd;
    fragment.maxRetransmissions = piece.maxRetransmissions;
    fragment.expiresAt = piece.expiresAt;
    piece.sentLength += length;
    stream.nextFragmentNumber++;
    if (isBeginning && !isEnding) {
      stream.begunLength = piece.messageLength;
      this.#begunLength += piece.messageLength;
    }
    if (isPieceEnd) this.#removeFirst(stream);
    if (isEnding) this.#endMessage(stream, piece.isUnordered);
    // RFC 9260 section 6.9: the TSNs of one message follow each other, so a message that has begun
    // keeps its turn; RFC 8260 lifts that.
    if (isEnding || this.#isInterleaved) this.#passTurn();
    this.#unbuffer(stream, length);
  }

  /** Of a message that fits one packet the peer never holds a part. */
  #mayGoOn(stream: Stream, pieceLength: number): boolean {
    const { messageLength = 0, isDivisible = false } = stream.first ?? {};
    return this.#begunLength === 0 || isWithinMessage(stream) || isDivisible ||
      messageLength <= pieceLength || this.#begunLength + messageLength <= this.#maxBegunLength;
  }

  #messageNumber(stream: Stream, isUnordered: boolean): number {
    if (isUnordered) return this.#isInterleaved ? stream.nextUnordered : 0;
    return this.#isInterleaved ? stream.nextOrdered : stream.nextOrdered & 0xffff;
  }

  #endMessage(stream: Stream, isUnordered: boolean): void {
    stream.nextFragmentNumber = 0;
    this.#begunLength -= stream.begunLength;
    stream.begunLength = 0;
    if (isUnordered) stream.nextUnordered = add32(stream.nextUnordered, 1);
    else if (this.#isInterleaved) stream.nextOrdered = add32(stream.nextOrdered, 1);
    else stream.nextOrdered = add16(stream.nextOrdered, 1);
  }

  #passTurn(): void {
    const stream = this.#unscheduleHead();
    if (stream?.first !== undefined) this.#schedule(stream);
  }

  #removeFirst(stream: Stream): void {
    const piece = stream.first;
    if (piece === undefined) return;
    stream.first = piece.next;
    if (stream.first === undefined) stream.last = undefined;
    piece.next = this.#freePiece;
    this.#freePiece = piece;
  }

  #unbuffer(stream: Stream, length: number): void {
    stream.bufferedLength -= length;
    this.#bufferedLength -= length;
    if (!stream.isAboveThreshold || stream.bufferedLength > stream.lowThreshold) return;
    stream.isAboveThreshold = false;
    this.#lowStreamIds.push(stream.streamId);
  }

  /** RFC 3758: what has expired before it began needs no TSN. */
  #dropExpired(now: Instant): void {
    for (;;) {
      const stream = this.#head;
      const piece = stream?.first;
      if (stream === undefined || piece === undefined) return;
      if (piece.expiresAt > now || isWithinMessage(stream)) return;
      this.#dropMessage(stream, now);
    }
  }

  /** Drops the first message of a stream, or what is left of it. */
  #dropMessage(stream: Stream, now: Instant): void {
    for (let isEnding = false; !isEnding && stream.first !== undefined;) {
      const piece = stream.first;
      isEnding = piece.isEnding;
      this.#store.free(piece.handle, now);
      const rest = piece.length - piece.sentLength;
      const { isUnordered } = piece;
      this.#removeFirst(stream);
      if (isEnding && stream.nextFragmentNumber > 0) this.#endMessage(stream, isUnordered);
      this.#unbuffer(stream, rest);
    }
    if (stream.first === undefined) this.#unschedule(stream);
    else if (this.#head === stream) this.#passTurn();
  }

  #unschedule(stream: Stream): void {
    if (!stream.isScheduled) return;
    if (this.#head === stream) return void this.#unscheduleHead();
    for (let before = this.#head; before !== undefined; before = before.nextScheduled) {
      if (before.nextScheduled !== stream) continue;
      before.nextScheduled = stream.nextScheduled;
      if (this.#tail === stream) this.#tail = before;
    }
    stream.nextScheduled = undefined;
    stream.isScheduled = false;
  }
}

function append(stream: Stream, piece: QueuedPiece): void {
  if (stream.last === undefined) stream.first = piece;
  else stream.last.next = piece;
  stream.last = piece;
}

/** How long the message is that is cut next of a piece that is divisible, in bytes. */
function nextOfRun(
  { length, sentLength, messageLength }: QueuedPiece,
  pieceLength: number,
): number {
  return Math.min(length - sentLength, pieceLength, messageLength);
}

function isWithinMessage({ nextFragmentNumber }: Stream): boolean {
  return nextFragmentNumber > 0;
}
