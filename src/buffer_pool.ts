/**
 * Memory in blocks of one size, shared by all that needs much of it for a moment: what is idle holds
 * none. Blocks are lent and given back, so that carrying data leaves nothing to collect.
 */
import type { Instant } from "./sans_io.ts";

/** The length of every block, in bytes. */
export const blockLength = 65_536;

/** A free block goes back to the system after so long, in ms. */
const idleTimeout = 5_000;

interface FreeBlock {
  readonly block: Uint8Array<ArrayBuffer>;
  readonly since: Instant;
}

/** Lends blocks; those given back last are lent first. */
export class BufferPool {
  readonly #free: FreeBlock[] = [];
  #lentCount = 0;

  /** How many blocks are lent. */
  get lentCount(): number {
    return this.#lentCount;
  }

  /** How many blocks wait to be lent again. */
  get freeCount(): number {
    return this.#free.length;
  }

  /** Lends a block; what stands in it is anything. */
  take(): Uint8Array<ArrayBuffer> {
    this.#lentCount++;
    return this.#free.pop()?.block ?? new Uint8Array(blockLength);
  }

  /** Takes a block back. It must not be used any more. */
  give(block: Uint8Array<ArrayBuffer>, now: Instant): void {
    this.#lentCount--;
    this.#free.push({ block, since: now });
  }

  /** Lets go of what nobody has taken for 5 s; returns when to ask again, if ever. */
  trim(now: Instant): Instant | undefined {
    const kept = this.#free.findIndex(({ since }) => since + idleTimeout > now);
    this.#free.splice(0, kept === -1 ? this.#free.length : kept);
    const oldest = this.#free[0];
    return oldest === undefined ? undefined : oldest.since + idleTimeout;
  }
}
