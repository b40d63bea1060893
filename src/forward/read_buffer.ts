/**
 * What a connection is read into. A pending read holds its buffer, so an idle connection waits with
 * a small one of its own; once a read fills that, the next have a block of the shared pool, for as
 * long as they fill it too. A read that comes back with less has emptied the socket.
 */
import type { BufferPool } from "../buffer_pool.ts";

/**
 * What an idle connection waits with, in bytes: 4 KB, but no length that programs write at once, or
 * a read that is filled by chance would have the next one wait with a block.
 */
export const idleReadLength = 4_001;

/** The buffer of one connection's next read. */
export class ReadBuffer {
  readonly #pool: BufferPool;
  readonly #idle = new Uint8Array(idleReadLength);
  #block: Uint8Array<ArrayBuffer> | undefined;
  #bytes: Uint8Array<ArrayBuffer> = this.#idle;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** Where the next read goes: no more than a burst, since the rest would be a packet of its own. */
  next(burstLength: number): Uint8Array<ArrayBuffer> {
    const whole = this.#block ?? this.#idle;
    return this.#bytes = whole.length > burstLength ? whole.subarray(0, burstLength) : whole;
  }

  /** A read returned so many bytes, and they are used: chooses what the next read goes to. */
  handleRead(count: number): void {
    if (count < this.#bytes.length) this.shrink();
    else this.#block ??= this.#pool.take();
  }

  /** Gives the block back, if there is one. */
  shrink(): void {
    if (this.#block === undefined) return;
    this.#pool.give(this.#block, performance.now());
    this.#block = undefined;
  }
}
