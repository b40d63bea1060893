/**
 * PAD (RFC 4820, section 3): makes a packet as long as its sender needs it, to probe the path MTU.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     | Type = 0x84   |   Flags=0     |             Length            |
 *     \                         Padding Data                          \
 */
import { chunkHeaderLength, writeChunkHeader } from "./chunk_header.ts";
import { chunkTypes } from "./chunk_type.ts";

/** Writes a PAD chunk of exactly `length` bytes, at least 4, at `out[at..at + length)`. */
export function writePad(out: Uint8Array, at: number, length: number): void {
  writeChunkHeader(out, at, chunkTypes.pad, 0, length);
  out.fill(0, at + chunkHeaderLength, at + length);
}
