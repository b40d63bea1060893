/**
 * Where user data waits: to be sent, to be acknowledged, or for what comes before it. Pieces lie in
 * blocks of a shared pool, in places of a few sizes, so that holding one makes no object and freeing
 * one leaves nothing to collect.
 */
import { blockLength, type BufferPool } from "../buffer_pool.ts";
import { copyBytes } from "../copy_bytes.ts";
import type { Instant } from "../sans_io.ts";

/**
 * Sizes of places, in bytes: control messages, packets of the Internet, packets of a loopback path,
 * and what a socket was read of at once.
 */
const placeLengths = [128, 1_408, 16_384, blockLength] as const;

/** The longest piece, in bytes. */
export const maxPieceLength = blockLength;

/** Which piece: the number of its block, and its offset there in the low 16 bits. */
export type PieceHandle = number;

interface Block {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Which of `placeLengths`. */
  readonly kind: number;
  /** Offsets of free places. */
  readonly free: number[];
  usedCount: number;
}

/** The memory that a piece of so many bytes takes up, in bytes. */
export function placeLengthOf(length: number): number {
  return placeLengths.find((placeLength) => length <= placeLength) ?? blockLength;
}

/** Places for pieces: one store serves all associations of a process. */
export class PayloadStore {
  readonly #pool: BufferPool;
  readonly #blocks: (Block | undefined)[] = [];
  readonly #freeBlockNumbers: number[] = [];
  /** By place length: the numbers of blocks that have a free place, the last used last. */
  readonly #open: readonly number[][] = placeLengths.map(() => []);
  #heldLength = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** The memory that the pieces held take up, in bytes. */
  get heldLength(): number {
    return this.#heldLength;
  }

  /**
   * Makes room for a piece of so many bytes.
   * @throws {RangeError} where it is longer than `maxPieceLength`
   */
  allocate(length: number): PieceHandle {
    const kind = placeLengths.findIndex((placeLength) => length <= placeLength);
    const open = this.#open[kind];
    if (open === undefined) {
      throw new RangeError(`a piece of ${length} bytes: at most ${maxPieceLength} fit`);
    }
    const number = open.at(-1) ?? this.#addBlock(kind);
    const block = this.#blocks[number] as Block;
    const offset = block.free.pop() as number;
    block.usedCount++;
    if (block.free.length === 0) open.pop();
    this.#heldLength += placeLengths[kind] as number;
    return number * blockLength + offset;
  }

  /** The block that a piece lies in, valid until the piece is freed. */
  bytesOf(handle: PieceHandle): Uint8Array<ArrayBuffer> {
    return (this.#blocks[handle >>> 16] as Block).bytes;
  }

  /** Where in its block a piece begins. */
  offsetOf(handle: PieceHandle): number {
    return handle & 0xffff;
  }

  /** Copies `bytes[start..end)` into a new piece. */
  hold(bytes: Uint8Array, start: number, end: number): PieceHandle {
    const handle = this.allocate(end - start);
    copyBytes(bytes, start, end, this.bytesOf(handle), this.offsetOf(handle));
    return handle;
  }

  /** Frees a piece; a block without pieces goes back to the pool. */
  free(handle: PieceHandle, now: Instant): void {
    const number = handle >>> 16;
    const block = this.#blocks[number] as Block;
    const open = this.#open[block.kind] as number[];
    if (block.free.length === 0) open.push(number);
    block.free.push(handle & 0xffff);
    block.usedCount--;
    this.#heldLength -= placeLengths[block.kind] as number;
    // The last block of its kind is kept, so that a piece that comes and goes takes none each time.
    if (block.usedCount === 0 && open.length > 1) {
      open.splice(open.lastIndexOf(number), 1);
      this.#blocks[number] = undefined;
      this.#freeBlockNumbers.push(number);
      this.#pool.give(block.bytes, now);
    }
  }

  #addBlock(kind: number): number {
    const placeLength = placeLengths[kind] as number;
    const free: number[] = [];
    const last = Math.floor(blockLength / placeLength) - 1;
    for (let place = last; place >= 0; place--) free.push(place * placeLength);
    const number = this.#freeBlockNumbers.pop() ?? this.#blocks.length;
    this.#blocks[number] = { bytes: this.#pool.take(), kind, free, usedCount: 0 };
    this.#open[kind]?.push(number);
    return number;
  }
}
