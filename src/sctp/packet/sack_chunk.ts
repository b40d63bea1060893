/**
 * SACK (RFC 9260, section 3.3.4): what has arrived.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |   Type = 3    |  Chunk Flags  |         Chunk Length          |
 *     |                      Cumulative TSN Ack                       |
 *     |          Advertised Receiver Window Credit (a_rwnd)           |
 *     | Number of Gap Ack Blocks = N  |  Number of Duplicate TSNs = M |
 *     |    Gap Ack Block #1 Start     |     Gap Ack Block #1 End      |
 *     \                              ...                              \
 *     |    Gap Ack Block #N Start     |     Gap Ack Block #N End      |
 *     |                        Duplicate TSN 1                        |
 *     \                              ...                              \
 *     |                        Duplicate TSN M                        |
 *
 * Read into fields that are kept; the gap blocks stay in the packet.
 */
import { chunkHeaderLength, writeChunkHeader } from "./chunk_header.ts";
import { chunkTypes } from "./chunk_type.ts";
import { readUint16, readUint32, writeUint16, writeUint32 } from "../../network_order.ts";

/** What stands before the first gap block, in bytes. */
export const sackHeaderLength = 16;

const gapLength = 4;
const duplicateLength = 4;
/**
 * Offset 1 is the TSN after the cumulative one: were it there, the cumulative one had moved.
 */
const minGapStart = 2;

/** A SACK as read: its numbers, and where in the packet its gap blocks lie. */
export interface SackFields {
  cumulativeTsnAck: number;
  advertisedReceiverWindowCredit: number;
  gapCount: number;
  duplicateCount: number;
  /** Where the first gap block is, or would be. */
  gapsStart: number;
}

/** Fields to read into, again and again. */
export function createSackFields(): SackFields {
  return {
    cumulativeTsnAck: 0,
    advertisedReceiverWindowCredit: 0,
    gapCount: 0,
    duplicateCount: 0,
    gapsStart: 0,
  };
}

/**
 * Reads the SACK chunk in `bytes[start..end)`, padding excluded. True only where all of it is
 * sound: the counts fill the chunk exactly, and the gap blocks ascend without overlapping. `into`
 * is left as it was where it is not.
 */
export function parseSack(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: SackFields,
): boolean {
  const gapCount = readUint16(bytes, start + 12);
  const duplicateCount = readUint16(bytes, start + 14);
  const length = sackHeaderLength + gapCount * gapLength + duplicateCount * duplicateLength;
  // A chunk too short for the counts does not have this length either.
  if (end - start !== length) return false;
  const gapsStart = start + sackHeaderLength;
  if (!areGapsAscending(bytes, gapsStart, gapsStart + gapCount * gapLength)) return false;
  into.cumulativeTsnAck = readUint32(bytes, start + chunkHeaderLength);
  into.advertisedReceiverWindowCredit = readUint32(bytes, start + 8);
  into.gapCount = gapCount;
  into.duplicateCount = duplicateCount;
  into.gapsStart = gapsStart;
  return true;
}

function areGapsAscending(bytes: Uint8Array, gapsStart: number, gapsEnd: number): boolean {
  let lowest = minGapStart;
  for (let at = gapsStart; at < gapsEnd; at += gapLength) {
    const gapStart = readUint16(bytes, at);
    const gapEnd = readUint16(bytes, at + 2);
    if (gapStart < lowest || gapEnd < gapStart) return false;
    lowest = gapEnd + 1;
  }
  return true;
}

/** The first TSN of gap block `n`, counted from 0, as an offset to the Cumulative TSN Ack. */
export function gapStart(bytes: Uint8Array, sack: Readonly<SackFields>, n: number): number {
  return readUint16(bytes, sack.gapsStart + n * gapLength);
}

/** The last TSN of gap block `n`, counted from 0, as an offset to the Cumulative TSN Ack. */
export function gapEnd(bytes: Uint8Array, sack: Readonly<SackFields>, n: number): number {
  return readUint16(bytes, sack.gapsStart + n * gapLength + 2);
}

/**
 * Writes the first 16 bytes of a SACK at `out[at..at + 16)`; `gapCount` gap blocks and then
 * `duplicateCount` duplicates are to follow.
 */
export function writeSackHeader(
  out: Uint8Array,
  at: number,
  cumulativeTsnAck: number,
  advertisedReceiverWindowCredit: number,
  gapCount: number,
  duplicateCount: number,
): void {
  const length = sackHeaderLength + gapCount * gapLength + duplicateCount * duplicateLength;
  writeChunkHeader(out, at, chunkTypes.sack, 0, length);
  writeUint32(out, at + chunkHeaderLength, cumulativeTsnAck);
  writeUint32(out, at + 8, advertisedReceiverWindowCredit);
  writeUint16(out, at + 12, gapCount);
  writeUint16(out, at + 14, duplicateCount);
}

/** Writes a gap block at `out[at..at + 4)`: offsets to the Cumulative TSN Ack, both included. */
export function writeGap(out: Uint8Array, at: number, start: number, end: number): void {
  writeUint16(out, at, start);
  writeUint16(out, at + 2, end);
}

/** Writes the TSN of a duplicate at `out[at..at + 4)`. */
export function writeDuplicate(out: Uint8Array, at: number, tsn: number): void {
  writeUint32(out, at, tsn);
}
