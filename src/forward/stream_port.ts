/** A tunnel stream as awaited reads and writes, for the pumps that join it to a socket. */
import type { StreamClosed, TunnelStream, TunnelStreamHandler } from "../tunnel/tunnel_stream.ts";

/** How long the other node has to close a channel whose stream is over, in ms. */
const releaseTimeout = 10_000;

/** Shorter messages are gathered while they wait, in chunks of so much. Bytes. */
const smallLength = 4_096;
const tailLength = 16_384;

/** Rejects what waits on a stream that was broken off. */
export class StreamBroken extends Error {
  override readonly name = "StreamBroken";
}

/** The awaited view of one stream. One reader and one writer at a time. */
export class StreamPort implements TunnelStreamHandler {
  readonly stream: TunnelStream;
  /** Resolves, never rejects, when the stream is over. */
  readonly closed: Promise<StreamClosed>;
  readonly #resolveClosed: (closed: StreamClosed) => void;
  readonly #chunks: Uint8Array[] = [];
  /** The last chunk, where it is one that small messages are gathered in. */
  #tail: Uint8Array<ArrayBuffer> | undefined;
  #isEnded = false;
  #isClosed = false;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;
  #releaseTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(stream: TunnelStream) {
    const { promise, resolve } = Promise.withResolvers<StreamClosed>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.stream = stream;
    stream.handler = this;
  }

  /** The next payload, or undefined at its end. Throws {@link StreamBroken}. */
  async read(): Promise<Uint8Array | undefined> {
    while (true) {
      if (this.#isClosed) throw new StreamBroken("the stream is broken off");
      const chunk = this.#chunks.shift();
      if (chunk !== undefined || this.#isEnded) return chunk;
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  /** How many bytes may be sent, at least one. Throws {@link StreamBroken}. */
  async sendable(): Promise<number> {
    while (true) {
      if (this.#isClosed) throw new StreamBroken("the stream is broken off");
      const length = this.stream.sendableLength;
      if (length > 0) return length;
      await new Promise<void>((resolve) => this.#wakeWriter = resolve);
    }
  }

  handleOpened(): void {}

  handlePayload(bytes: Uint8Array): void {
    if (bytes.length >= smallLength || this.#chunks.length === 0) this.#chunks.push(bytes);
    else this.#appendToTail(bytes);
    this.#wakeReader?.();
  }

  /** Small messages that wait share memory: each alone would hold a packet's worth of it. */
  #appendToTail(bytes: Uint8Array): void {
    const tail = this.#tail;
    const isOpen = tail !== undefined && tail === this.#chunks.at(-1) &&
      tail.length + bytes.length <= tailLength;
    const [buffer, start] = isOpen ? [tail.buffer, tail.length] : [new ArrayBuffer(tailLength), 0];
    if (isOpen) this.#chunks.pop();
    this.#tail = new Uint8Array(buffer, 0, start + bytes.length);
    this.#tail.set(bytes, start);
    this.#chunks.push(this.#tail);
  }

  handleEnd(): void {
    this.#isEnded = true;
    this.#wakeReader?.();
  }

  handleWritable(): void {
    this.#wakeWriter?.();
  }

  handleClosed(closed: StreamClosed): void {
    this.#isClosed = true;
    this.#chunks.length = 0;
    this.#resolveClosed(closed);
    this.#wakeReader?.();
    this.#wakeWriter?.();
    this.#releaseTimer = setTimeout(() => this.stream.release(), releaseTimeout);
  }

  handleReleased(): void {
    clearTimeout(this.#releaseTimer);
  }
}
