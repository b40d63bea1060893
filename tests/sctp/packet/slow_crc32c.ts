/** CRC32c bit by bit, as its definition reads; src/sctp/packet/crc32c.ts must equal it. */
export function slowCrc32c(bytes: Uint8Array): number {
  let remainder = 0xffffffff;
  for (const byte of bytes) {
    remainder ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      const isSet = (remainder & 1) === 1;
      remainder >>>= 1;
      if (isSet) remainder ^= 0x82f63b78;
    }
  }
  return ~remainder >>> 0;
}
