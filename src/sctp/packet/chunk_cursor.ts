/**
 * Walks the chunks of a packet (RFC 9260, section 3.2) and allocates nothing: one cursor is kept,
 * and reset for every packet. It knows where chunks start and end, and nothing of what is in them.
 */
import { chunkHeaderLength } from "./chunk_header.ts";
import { padded, readUint16 } from "../../network_order.ts";

/** Stands on one chunk after the other. */
export class ChunkCursor {
  /** Of the chunk stood on, as are the others. */
  type = 0;
  flags = 0;
  /** Where its header starts. */
  start = 0;
  /** Where its value starts: after type, flags and length. */
  valueStart = 0;
  /** Where it ends, padding excluded. */
  end = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #nextStart = 0;
  #packetEnd = 0;
  #isMalformed = false;

  /** Whether the walk has ended at something that is no chunk. */
  get isMalformed(): boolean {
    return this.#isMalformed;
  }

  /** Whether no chunk follows the one stood on. */
  get isLast(): boolean {
    return this.#nextStart >= this.#packetEnd;
  }

  /** Stands before the first of the chunks in `bytes[start..end)`: without the packet's header. */
  reset(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#nextStart = start;
    this.#packetEnd = end;
    this.#isMalformed = false;
  }

  /** Steps to the next chunk. False at the end and before a malformed chunk, again and again. */
  next(): boolean {
    const start = this.#nextStart;
    const available = this.#packetEnd - start;
    // The padding of the last chunk may be missing: the packet is over all the same.
    if (available <= 0) return false;
    const length = available < chunkHeaderLength ? 0 : readUint16(this.#bytes, start + 2);
    if (length < chunkHeaderLength || length > available) {
      this.#isMalformed = true;
      return false;
    }
    this.type = this.#bytes[start] ?? 0;
    this.flags = this.#bytes[start + 1] ?? 0;
    this.start = start;
    this.valueStart = start + chunkHeaderLength;
    this.end = start + length;
    this.#nextStart = start + padded(length);
    return true;
  }
}
