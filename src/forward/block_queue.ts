/**
 * Bytes that came and wait to be written, in blocks of the shared pool. What comes is copied behind
 * what came before, and a block is filled before another is taken, so that many packets leave in one
 * write; while nothing waits, no block is held. What is lent is copied only where it has to wait.
 */
import { blockLength, type BufferPool } from "../buffer_pool.ts";
import { copyBytes } from "../copy_bytes.ts";
import type { ByteParts } from "../socket/connection.ts";

/** Where a queue is written to. */
export interface ByteSink {
  /** Writes all bytes; they do not change before the promise settles. */
  write(bytes: Uint8Array): Promise<void>;
}

/** Where lent bytes are written to, as far as it takes them at once. */
export interface PromptSink {
  /** How many bytes were written, from the first part on. */
  writeAtOnce?(parts: ByteParts): number;
}

/** One direction of one connection. */
export class BlockQueue {
  readonly #pool: BufferPool;
  /** All but the last are full. */
  readonly #blocks: Uint8Array<ArrayBuffer>[] = [];
  /** What was written of the first block. */
  #start = 0;
  /** What is filled of the last block. */
  #end = 0;
  /** A write reads from the first block, which so long is not given back. */
  #isWriting = false;
  #isClosed = false;
  /** What came last, and was not copied. */
  #lent: { readonly bytes: Uint8Array; readonly bounds: number[] } | undefined;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#blocks.length === 0;
  }

  /** Copies `bytes[start..end)`. Does nothing once closed. */
  append(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isClosed) return;
    if (this.#lent !== undefined) this.settle();
    for (let at = start; at < end;) {
      const block = this.#blockWithRoom();
      const count = Math.min(end - at, blockLength - this.#end);
      copyBytes(bytes, at, at + count, block, this.#end);
      this.#end += count;
      at += count;
    }
  }

  /** Takes `bytes[start..end)` as they are, which stay until `settle`. Does nothing once closed. */
  lend(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isClosed) return;
    if (this.#lent?.bytes !== bytes) {
      this.settle();
      this.#lent = { bytes, bounds: [] };
    }
    this.#lent.bounds.push(start, end);
  }

  /**
   * Writes what was lent, where nothing waits before it, and copies what the sink, if there is one,
   * does not take at once. Returns how many bytes were written.
   */
  settle(sink: PromptSink = {}): number {
    const lent = this.#lent;
    if (lent === undefined) return 0;
    this.#lent = undefined;
    const { bytes, bounds } = lent;
    const written = this.isEmpty ? sink.writeAtOnce?.(lent) ?? 0 : 0;
    let left = written;
    for (let part = 0; part < bounds.length; part += 2) {
      const [start = 0, end = 0] = [bounds[part], bounds[part + 1]];
      const skipped = Math.min(left, end - start);
      left -= skipped;
      this.append(bytes, start + skipped, end);
    }
    return written;
  }

  /**
   * Writes what waits in the first block, and returns how many bytes that were. More may be appended
   * meanwhile; one write at a time.
   */
  async writeTo(sink: ByteSink): Promise<number> {
    const [block] = this.#blocks;
    if (block === undefined) return 0;
    const start = this.#start;
    const end = this.#blocks.length === 1 ? this.#end : blockLength;
    this.#isWriting = true;
    try {
      await sink.write(block.subarray(start, end));
    } finally {
      this.#isWriting = false;
      this.#forgetUntil(end);
    }
    return end - start;
  }

  /** Drops what waits, and takes nothing more. */
  close(): void {
    this.#isClosed = true;
    this.#lent = undefined;
    const keptCount = this.#isWriting ? 1 : 0;
    while (this.#blocks.length > keptCount) this.#give(this.#blocks.pop());
  }

  #blockWithRoom(): Uint8Array<ArrayBuffer> {
    const last = this.#blocks.at(-1);
    if (last !== undefined && this.#end < blockLength) return last;
    const block = this.#pool.take();
    this.#blocks.push(block);
    this.#end = 0;
    return block;
  }

  #forgetUntil(end: number): void {
    this.#start = end;
    const isDrained = end === blockLength || (this.#blocks.length === 1 && end === this.#end);
    if (!isDrained && !this.#isClosed) return;
    this.#start = 0;
    this.#give(this.#blocks.shift());
  }

  #give(block: Uint8Array<ArrayBuffer> | undefined): void {
    if (block !== undefined) this.#pool.give(block, performance.now());
  }
}
