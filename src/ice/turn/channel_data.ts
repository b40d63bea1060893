/**
 * ChannelData (RFC 8656, section 12.4): four bytes before the data, where STUN has a hundred.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |         Channel Number        |            Length             |
 *     |                       Application Data                       ..
 */
import { readUint16, writeUint16 } from "../../network_order.ts";

/** In bytes. */
export const channelDataHeaderLength = 4;
/** The length field has 16 bits. */
export const maxChannelDataLength = 0xffff;

/** Section 12: "0x4000 through 0x4FFF: These values are the allowed channel numbers". */
export const channelNumbers = { first: 0x4000, last: 0x4fff } as const;

/** Whether this is a number that a channel may have. */
export function isChannelNumber(number: number): boolean {
  return number >= channelNumbers.first && number <= channelNumbers.last;
}

/** Where the data of the message in `bytes[start..end)` ends; undefined where it is malformed. */
export function channelDataEnd(bytes: Uint8Array, start: number, end: number): number | undefined {
  if (end - start < channelDataHeaderLength) return undefined;
  if (!isChannelNumber(readUint16(bytes, start))) return undefined;
  const dataEnd = start + channelDataHeaderLength + readUint16(bytes, start + 2);
  // Section 12.6: "if the UDP datagram is too short to contain the claimed length of the ChannelData
  // message ... then the message is silently discarded". What is longer is padded (section 12.5).
  return dataEnd > end ? undefined : dataEnd; // CHECK T1
}

/** Writes the header of a message with so many bytes of data. */
export function writeChannelDataHeader(
  out: Uint8Array,
  at: number,
  number: number,
  length: number,
): void {
  writeUint16(out, at, number);
  writeUint16(out, at + 2, length);
}
