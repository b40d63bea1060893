/**
 * FINGERPRINT (RFC 8489, section 14.7): a CRC that tells STUN from what else comes on a port. It
 * proves nothing of who has sent it.
 */

/** "XOR'ed with the 32-bit value 0x5354554e": "STUN" in ASCII. */
const mask = 0x5354554e;
/** ITU V.42, reflected. */
const polynomial = 0xedb88320;

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ polynomial;
  return crc;
});

/** The fingerprint of `bytes[start..end)`: the message up to the attribute itself. */
export function fingerprintOf(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0xffffffff;
  for (let at = start; at < end; at++) {
    crc = (crc >>> 8) ^ (table[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0);
  }
  return (crc ^ 0xffffffff ^ mask) >>> 0;
}
