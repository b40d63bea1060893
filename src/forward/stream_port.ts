/** A tunnel stream as awaited reads and writes, for the pumps that join it to a socket. */
import type { BufferPool } from "../buffer_pool.ts";
import type { StreamClosed, TunnelStream, TunnelStreamHandler } from "../tunnel/tunnel_stream.ts";
import { BlockQueue, type ByteSink, type PromptSink } from "./block_queue.ts";

/** How long the other node has to close a channel whose stream is over, in ms. */
const releaseTimeout = 10_000;

/** Rejects what waits on a stream that was broken off. */
export class StreamBroken extends Error {
  override readonly name = "StreamBroken";
}

/** The awaited view of one stream. One reader and one writer at a time. */
export class StreamPort implements TunnelStreamHandler {
  readonly stream: TunnelStream;
  /** Resolves, never rejects, when the stream is over. */
  readonly closed: Promise<StreamClosed>;
  /** Resolves, never rejects, when its channel is closed too: the other side has heard all. */
  readonly released: Promise<void>;
  /** Resolves, never rejects, with true once the other side has accepted, with false where it ended before. */
  readonly answered: Promise<boolean>;
  /**
   * Resolves, never rejects, with the client that the other side asks for, once its first message
   * came; undefined where it tells none.
   */
  readonly client: Promise<string | undefined>;
  readonly #resolveClient: (client: string | undefined) => void;
  readonly #resolveAnswered: (isAccepted: boolean) => void;
  readonly #resolveClosed: (closed: StreamClosed) => void;
  readonly #resolveReleased: () => void;
  readonly #received: BlockQueue;
  #sink: PromptSink = {};
  #handedOverLength = 0;
  #isEnded = false;
  #isClosed = false;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;
  #releaseTimer: ReturnType<typeof setTimeout> | undefined;

  /** What is received waits in blocks of the pool. */
  constructor(stream: TunnelStream, { pool }: { pool: BufferPool }) {
    const { promise, resolve } = Promise.withResolvers<StreamClosed>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    const release = Promise.withResolvers<void>();
    this.released = release.promise;
    this.#resolveReleased = release.resolve;
    const answer = Promise.withResolvers<boolean>();
    this.answered = answer.promise;
    this.#resolveAnswered = answer.resolve;
    const client = Promise.withResolvers<string | undefined>();
    this.client = client.promise;
    this.#resolveClient = client.resolve;
    this.#received = new BlockQueue(pool);
    this.stream = stream;
    stream.handler = this;
  }

  /** Waits for payload: true when some is there, false at its end. Throws {@link StreamBroken}. */
  async hasPayload(): Promise<boolean> {
    while (true) {
      if (this.#isClosed) throw new StreamBroken("the stream is broken off");
      if (!this.#received.isEmpty) return true;
      if (this.#isEnded) return false;
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  /** Payload that was written, in bytes. */
  get handedOverLength(): number {
    return this.#handedOverLength;
  }

  /** From now on payload is written as it comes where nothing waits: to where all of it goes. */
  writePromptlyTo(sink: PromptSink): void {
    this.#sink = sink;
  }

  /** Writes payload that is there. */
  async writeTo(sink: ByteSink): Promise<void> {
    this.#handOver(await this.#received.writeTo(sink));
  }

  /** Waits until something may be sent. Throws {@link StreamBroken}. */
  async untilSendable(): Promise<void> {
    while (true) {
      if (this.#isClosed) throw new StreamBroken("the stream is broken off");
      if (this.stream.sendableLength > 0) return;
      await new Promise<void>((resolve) => this.#wakeWriter = resolve);
    }
  }

  handleOpened(): void {
    this.#resolveAnswered(true);
  }

  handleClient(client: string | undefined): void {
    this.#resolveClient(client);
  }

  handlePayload(bytes: Uint8Array, start: number, end: number, isStaying: boolean): void {
    if (isStaying) return this.#received.lend(bytes, start, end);
    this.#received.append(bytes, start, end);
    this.#wakeReader?.();
  }

  handleBatchEnd(): void {
    this.#handOver(this.#received.settle(this.#sink));
    if (!this.#received.isEmpty) this.#wakeReader?.();
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
    this.#received.close();
    this.#resolveAnswered(false);
    this.#resolveClient(undefined);
    this.#resolveClosed(closed);
    this.#wakeReader?.();
    this.#wakeWriter?.();
    this.#releaseTimer = setTimeout(() => this.stream.release(), releaseTimeout);
  }

  handleReleased(): void {
    clearTimeout(this.#releaseTimer);
    this.#resolveReleased();
  }

  #handOver(length: number): void {
    if (length === 0) return;
    this.#handedOverLength += length;
    this.stream.consume(length, performance.now());
  }
}
