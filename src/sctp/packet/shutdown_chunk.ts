/**
 * SHUTDOWN (RFC 9260, section 3.3.8), SHUTDOWN ACK (section 3.3.9) and SHUTDOWN COMPLETE (section
 * 3.3.13).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |   Type = 7    |  Chunk Flags  |          Length = 8           |
 *     |                      Cumulative TSN Ack                       |
 *
 *     |   Type = 8    |  Chunk Flags  |          Length = 4           |
 *
 *     |   Type = 14   |  Reserved   |T|          Length = 4           |
 */
import { chunkHeaderLength, tagReflectedFlag, writeChunk } from "./chunk_header.ts";
import { chunkTypes } from "./chunk_type.ts";
import { readUint32, writeUint32 } from "../../network_order.ts";

const shutdownLength = 8;

/** A whole SHUTDOWN. */
export function writeShutdown(cumulativeTsnAck: number): Uint8Array {
  const value = new Uint8Array(4);
  writeUint32(value, 0, cumulativeTsnAck);
  return writeChunk(chunkTypes.shutdown, 0, value);
}

/** The Cumulative TSN Ack of the SHUTDOWN chunk in `bytes[start..end)`. */
export function parseShutdown(bytes: Uint8Array, start: number, end: number): number | undefined {
  if (end - start !== shutdownLength) return undefined;
  return readUint32(bytes, start + chunkHeaderLength);
}

/** A whole SHUTDOWN ACK. */
export function writeShutdownAck(): Uint8Array {
  return writeChunk(chunkTypes.shutdownAck, 0, new Uint8Array(0));
}

/** A whole SHUTDOWN COMPLETE; the T bit is set where its packet has the tag of the one answered. */
export function writeShutdownComplete(isTagReflected: boolean): Uint8Array {
  const flags = isTagReflected ? tagReflectedFlag : 0;
  return writeChunk(chunkTypes.shutdownComplete, flags, new Uint8Array(0));
}
