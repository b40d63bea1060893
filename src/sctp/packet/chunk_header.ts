/**
 * What every chunk starts with (RFC 9260, section 3.2).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |  Chunk Type   |  Chunk Flags  |         Chunk Length          |
 *     \                          Chunk Value                          \
 *
 * Chunk Length counts the header and the value, "but not any chunk padding".
 */
import { padded, readUint16, writeUint16 } from "../../network_order.ts";

/** Type, flags and length, in bytes. */
export const chunkHeaderLength = 4;

/** The T bit of ABORT and SHUTDOWN COMPLETE: the tag is that of the packet answered. */
export const tagReflectedFlag = 0x01;

/** Writes a header at `out[at..at + 4)`; `length` counts it too. */
export function writeChunkHeader(
  out: Uint8Array,
  at: number,
  type: number,
  flags: number,
  length: number,
): void {
  out[at] = type;
  out[at + 1] = flags;
  writeUint16(out, at + 2, length);
}

/** A whole chunk with this value, padded. */
export function writeChunk(type: number, flags: number, value: Uint8Array): Uint8Array {
  const length = chunkHeaderLength + value.length;
  const chunk = new Uint8Array(padded(length));
  writeChunkHeader(chunk, 0, type, flags, length);
  chunk.set(value, chunkHeaderLength);
  return chunk;
}

/**
 * A whole chunk with fixed fields, and padded parameters or error causes after them. RFC 9260
 * section 3.2: its length includes "any padding of variable-length parameters other than the last
 * parameter in the chunk".
 */
export function writeParameterChunk(
  type: number,
  flags: number,
  fixed: Uint8Array,
  parameters: readonly Uint8Array[],
): Uint8Array {
  const last = parameters.at(-1);
  const lastPadding = last === undefined ? 0 : last.length - readUint16(last, 2);
  const parametersLength = parameters.reduce((sum, { length }) => sum + length, 0);
  const chunk = new Uint8Array(chunkHeaderLength + fixed.length + parametersLength);
  writeChunkHeader(chunk, 0, type, flags, chunk.length - lastPadding);
  chunk.set(fixed, chunkHeaderLength);
  let at = chunkHeaderLength + fixed.length;
  for (const parameter of parameters) {
    chunk.set(parameter, at);
    at += parameter.length;
  }
  return chunk;
}
