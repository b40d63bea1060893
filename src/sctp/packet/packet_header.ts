/**
 * The common header of a packet (RFC 9260, section 3.1).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |      Source Port Number       |    Destination Port Number    |
 *     |                       Verification Tag                        |
 *     |                           Checksum                            |
 */
import { crc32c, extendCrc32c } from "./crc32c.ts";
import { readUint16, readUint32, writeUint16, writeUint32 } from "../../network_order.ts";

/** What stands before the first chunk, in bytes. */
export const packetHeaderLength = 12;

const checksumOffset = 8;
/** What the checksum is computed with in the place of the checksum. */
const noChecksum = new Uint8Array(4);

/** The header of a packet, without the checksum. */
export interface PacketHeader {
  sourcePort: number;
  destinationPort: number;
  verificationTag: number;
}

/** Writes a header at `out[at..at + 12)`, with a checksum of zero. */
export function writePacketHeader(
  out: Uint8Array,
  at: number,
  header: Readonly<PacketHeader>,
): void {
  writeUint16(out, at, header.sourcePort);
  writeUint16(out, at + 2, header.destinationPort);
  writeUint32(out, at + 4, header.verificationTag);
  writeUint32(out, at + checksumOffset, 0);
}

/** Writes the checksum of the packet `out[start..end)` into it. */
export function writeChecksum(out: Uint8Array, start: number, end: number): void {
  writeUint32(out, start + checksumOffset, 0);
  writeUint32(out, start + checksumOffset, swapBytes(crc32c(out, start, end)));
}

/** Reads the header of the packet `bytes[start..end)`. False where it is too short for one. */
export function parsePacketHeader(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: PacketHeader,
): boolean {
  if (end - start < packetHeaderLength) return false;
  into.sourcePort = readUint16(bytes, start);
  into.destinationPort = readUint16(bytes, start + 2);
  into.verificationTag = readUint32(bytes, start + 4);
  return true;
}

/** Whether the packet that starts at `start` says that it carries no checksum (RFC 9653). */
export function hasZeroChecksum(bytes: Uint8Array, start: number): boolean {
  return readUint32(bytes, start + checksumOffset) === 0;
}

/** Whether the packet `bytes[start..end)`, of at least 12 bytes, carries its CRC32c. */
export function hasValidChecksum(bytes: Uint8Array, start: number, end: number): boolean {
  const ports = crc32c(bytes, start, start + checksumOffset);
  const header = extendCrc32c(ports, noChecksum, 0, noChecksum.length);
  const whole = extendCrc32c(header, bytes, start + packetHeaderLength, end);
  return readUint32(bytes, start + checksumOffset) === swapBytes(whole);
}

/** RFC 9260 appendix A: of the CRC32c the byte of the lowest bits is sent first. */
function swapBytes(value: number): number {
  return ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>>
    0;
}
