/**
 * DATA (RFC 9260, section 3.3.1) and I-DATA (RFC 8260, section 2.1): one piece of a user message.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |   Type = 0    |  Res  |I|U|B|E|           Length              |
 *     |                              TSN                              |
 *     |      Stream Identifier S      |   Stream Sequence Number n    |
 *     |                  Payload Protocol Identifier                  |
 *     \                 User Data (seq n of Stream S)                 \
 *
 *     |   Type = 64   |  Res  |I|U|B|E|       Length = Variable       |
 *     |                              TSN                              |
 *     |        Stream Identifier      |           Reserved            |
 *     |                      Message Identifier                       |
 *     |    Payload Protocol Identifier / Fragment Sequence Number     |
 *     \                           User Data                           \
 *
 * These are most of all chunks, so that they are read into fields that are kept, and written from
 * arguments.
 */
import { readUint16, readUint32, writeUint16, writeUint32 } from "../../network_order.ts";

/** What stands before the user data of a DATA chunk, in bytes. */
export const dataHeaderLength = 16;
/** What stands before the user data of an I-DATA chunk, in bytes. */
export const iDataHeaderLength = 20;

export const dataType = 0;
export const iDataType = 64;

/** The flags of a piece. */
export const dataFlags = {
  /** E: the last piece of its message. */
  ending: 0x01,
  /** B: the first piece of its message. */
  beginning: 0x02,
  /** U: the message is not ordered. */
  unordered: 0x04,
  /** I: the receiver is to acknowledge at once. */
  immediate: 0x08,
} as const;

/** One piece, as read: the numbers of the header, and where in the packet its user data lies. */
export interface DataFields {
  /** B, E, U, I: see `dataFlags`. */
  flags: number;
  tsn: number;
  streamId: number;
  /** SSN of a DATA chunk (16 bits), MID of an I-DATA chunk (32 bits). */
  messageNumber: number;
  /** Of a DATA chunk always; of an I-DATA chunk only with the first piece, otherwise 0. */
  ppid: number;
  /** FSN of an I-DATA chunk: 0 with the first piece. Of a DATA chunk 0. */
  fragmentNumber: number;
  payloadStart: number;
  payloadEnd: number;
}

/** Fields to read into, again and again. */
export function createDataFields(): DataFields {
  return {
    flags: 0,
    tsn: 0,
    streamId: 0,
    messageNumber: 0,
    ppid: 0,
    fragmentNumber: 0,
    payloadStart: 0,
    payloadEnd: 0,
  };
}

/**
 * Reads the DATA or I-DATA chunk (`isInterleaved`) in `bytes[start..end)`, padding excluded. False
 * where it is too short; one without user data is read, and has `payloadStart === payloadEnd`.
 */
export function parseData(
  bytes: Uint8Array,
  start: number,
  end: number,
  isInterleaved: boolean,
  into: DataFields,
): boolean {
  const headerLength = isInterleaved ? iDataHeaderLength : dataHeaderLength;
  if (end - start < headerLength) return false;
  into.flags = bytes[start + 1] ?? 0;
  into.tsn = readUint32(bytes, start + 4);
  into.streamId = readUint16(bytes, start + 8);
  into.payloadStart = start + headerLength;
  into.payloadEnd = end;
  if (!isInterleaved) {
    into.messageNumber = readUint16(bytes, start + 10);
    into.ppid = readUint32(bytes, start + 12);
    into.fragmentNumber = 0;
    return true;
  }
  const isFirst = (into.flags & dataFlags.beginning) !== 0;
  const ppidOrFragmentNumber = readUint32(bytes, start + 16);
  into.messageNumber = readUint32(bytes, start + 12);
  // RFC 8260 section 2.1: "the FSN is assumed to be 0" where the B bit is set.
  into.ppid = isFirst ? ppidOrFragmentNumber : 0;
  into.fragmentNumber = isFirst ? 0 : ppidOrFragmentNumber;
  return true;
}

/** Writes a DATA header at `out[at..at + 16)`; the user data is to follow it. */
export function writeDataHeader(
  out: Uint8Array,
  at: number,
  flags: number,
  tsn: number,
  streamId: number,
  ssn: number,
  ppid: number,
  payloadLength: number,
): void {
  out[at] = dataType;
  out[at + 1] = flags;
  writeUint16(out, at + 2, dataHeaderLength + payloadLength);
  writeUint32(out, at + 4, tsn);
  writeUint16(out, at + 8, streamId);
  writeUint16(out, at + 10, ssn);
  writeUint32(out, at + 12, ppid);
}

/** Writes an I-DATA header at `out[at..at + 20)`; the user data is to follow it. */
export function writeIDataHeader(
  out: Uint8Array,
  at: number,
  flags: number,
  tsn: number,
  streamId: number,
  mid: number,
  ppidOrFragmentNumber: number,
  payloadLength: number,
): void {
  out[at] = iDataType;
  out[at + 1] = flags;
  writeUint16(out, at + 2, iDataHeaderLength + payloadLength);
  writeUint32(out, at + 4, tsn);
  writeUint16(out, at + 8, streamId);
  writeUint16(out, at + 10, 0);
  writeUint32(out, at + 12, mid);
  writeUint32(out, at + 16, ppidOrFragmentNumber);
}
