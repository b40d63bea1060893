/** Integers in network order, read and written without a view of their own. */

/** Reads 16 bits. */
export function readUint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

/** Reads 32 bits. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)) >>> 0;
}

/** Reads 64 bits. */
export function readUint64(bytes: Uint8Array, at: number): bigint {
  return (BigInt(readUint32(bytes, at)) << 32n) | BigInt(readUint32(bytes, at + 4));
}

/** Writes 16 bits. */
export function writeUint16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

/** Writes 32 bits. */
export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Writes 64 bits. */
export function writeUint64(bytes: Uint8Array, at: number, value: bigint): void {
  writeUint32(bytes, at, Number(value >> 32n));
  writeUint32(bytes, at + 4, Number(value & 0xffffffffn));
}

/**
 * A length with its padding to four bytes, as chunks and parameters (RFC 9260, section 3.2) and STUN
 * attributes (RFC 8489, section 14) have it.
 */
export function padded(length: number): number {
  return (length + 3) & ~3;
}
