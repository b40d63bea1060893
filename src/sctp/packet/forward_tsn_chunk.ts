/**
 * FORWARD TSN (RFC 3758, section 3.2) and I-FORWARD-TSN (RFC 8260, section 2.3.1): which messages
 * the sender has given up.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |  Type = 192   |  Flags = 0x00 |        Length = Variable      |
 *     |                      New Cumulative TSN                       |
 *     |         Stream-1              |       Stream Sequence-1       |
 *     \                              ...                              \
 *     |         Stream-N              |       Stream Sequence-N       |
 *
 *     |  Type = 194   | Flags = 0x00  |       Length = Variable       |
 *     |                      New Cumulative TSN                       |
 *     |       Stream Identifier       |          Reserved           |U|
 *     |                       Message Identifier                      |
 *     \                              ...                              \
 */
import { chunkHeaderLength, writeChunk } from "./chunk_header.ts";
import { chunkTypes } from "./chunk_type.ts";
import { readUint16, readUint32, writeUint16, writeUint32 } from "../../network_order.ts";

const newCumulativeTsnLength = 4;
const skippedLength = 4;
const interleavedSkippedLength = 8;
/** The most that a DTLS record (2^14 bytes) has room for. */
const maxSkippedCount = 4096;

const unorderedBit = 0x0001;

/** The last message given up of one stream; of an I-FORWARD-TSN, of its ordered or others. */
export interface SkippedMessage {
  readonly streamId: number;
  /** Of a FORWARD TSN always false. */
  readonly isUnordered: boolean;
  /** SSN of a FORWARD TSN (16 bits), MID of an I-FORWARD-TSN (32 bits). */
  readonly messageNumber: number;
}

/** What has been given up. */
export interface ForwardTsn {
  /** The TSN up to which nothing more is to be waited for. */
  readonly newCumulativeTsn: number;
  readonly skipped: readonly SkippedMessage[];
}

/**
 * Reads the FORWARD TSN or I-FORWARD-TSN chunk (`isInterleaved`) in `bytes[start..end)`, padding
 * excluded.
 */
export function parseForwardTsn(
  bytes: Uint8Array,
  start: number,
  end: number,
  isInterleaved: boolean,
): ForwardTsn | undefined {
  const tsnStart = start + chunkHeaderLength;
  const skippedStart = tsnStart + newCumulativeTsnLength;
  const each = isInterleaved ? interleavedSkippedLength : skippedLength;
  const count = (end - skippedStart) / each;
  if (count < 0 || count > maxSkippedCount || !Number.isInteger(count)) return undefined;
  const parse = isInterleaved ? parseInterleavedSkipped : parseSkipped;
  const skipped = Array.from({ length: count }, (_, n) => parse(bytes, skippedStart + n * each));
  return { newCumulativeTsn: readUint32(bytes, tsnStart), skipped };
}

function parseSkipped(bytes: Uint8Array, at: number): SkippedMessage {
  const streamId = readUint16(bytes, at);
  return { streamId, isUnordered: false, messageNumber: readUint16(bytes, at + 2) };
}

function parseInterleavedSkipped(bytes: Uint8Array, at: number): SkippedMessage {
  const isUnordered = (readUint16(bytes, at + 2) & unorderedBit) !== 0;
  return { streamId: readUint16(bytes, at), isUnordered, messageNumber: readUint32(bytes, at + 4) };
}

/**
 * A whole FORWARD TSN or I-FORWARD-TSN (`isInterleaved`). The caller sees to it that it fits in a
 * packet. Unordered messages have no place in a FORWARD TSN and are left out of it.
 */
export function writeForwardTsn(forward: ForwardTsn, isInterleaved: boolean): Uint8Array {
  const { newCumulativeTsn } = forward;
  const skipped = forward.skipped.filter(({ isUnordered }) => isInterleaved || !isUnordered);
  const each = isInterleaved ? interleavedSkippedLength : skippedLength;
  const write = isInterleaved ? writeInterleavedSkipped : writeSkipped;
  const value = new Uint8Array(newCumulativeTsnLength + skipped.length * each);
  writeUint32(value, 0, newCumulativeTsn);
  skipped.forEach((one, n) => write(value, newCumulativeTsnLength + n * each, one));
  return writeChunk(isInterleaved ? chunkTypes.iForwardTsn : chunkTypes.forwardTsn, 0, value);
}

function writeSkipped(out: Uint8Array, at: number, skipped: SkippedMessage): void {
  writeUint16(out, at, skipped.streamId);
  writeUint16(out, at + 2, skipped.messageNumber);
}

function writeInterleavedSkipped(out: Uint8Array, at: number, skipped: SkippedMessage): void {
  writeUint16(out, at, skipped.streamId);
  writeUint16(out, at + 2, skipped.isUnordered ? unorderedBit : 0);
  writeUint32(out, at + 4, skipped.messageNumber);
}
