/**
 * CRC32c (Castagnoli), as RFC 9260 appendix A has it: reflected, polynomial 0x1EDC6F41. Eight bytes
 * a step, by eight tables ("slicing-by-8"), because it is computed over every byte sent to a peer
 * that does not accept packets without.
 */

/** The polynomial, its bits reversed. */
const polynomial = 0x82f63b78;

/** One for each of the eight bytes of a step; the last is that of a single byte. */
const tableCount = 8;
const tableLength = 256;

let tables: Int32Array | undefined;

/** The CRC32c of `bytes[start..end)`, as an unsigned number. */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  return extendCrc32c(0, bytes, start, end);
}

/** The CRC32c of what `crc` is the CRC32c of, with `bytes[start..end)` after it. */
export function extendCrc32c(crc: number, bytes: Uint8Array, start: number, end: number): number {
  const table = tables ??= buildTables();
  let state = ~crc;
  let at = start;
  for (const last = end - 8; at <= last; at += 8) {
    const first = state ^ ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) |
      ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24));
    state = (table[first & 0xff] ?? 0) ^
      (table[0x100 + ((first >>> 8) & 0xff)] ?? 0) ^
      (table[0x200 + ((first >>> 16) & 0xff)] ?? 0) ^
      (table[0x300 + (first >>> 24)] ?? 0) ^
      (table[0x400 + (bytes[at + 4] ?? 0)] ?? 0) ^
      (table[0x500 + (bytes[at + 5] ?? 0)] ?? 0) ^
      (table[0x600 + (bytes[at + 6] ?? 0)] ?? 0) ^
      (table[0x700 + (bytes[at + 7] ?? 0)] ?? 0);
  }
  for (; at < end; at++) {
    state = (state >>> 8) ^ (table[0x700 + ((state ^ (bytes[at] ?? 0)) & 0xff)] ?? 0);
  }
  return ~state >>> 0;
}

/** Table n is what a byte comes to when 7 - n bytes follow it in the same step. */
function buildTables(): Int32Array {
  const built = new Int32Array(tableCount * tableLength);
  const single = (tableCount - 1) * tableLength;
  for (let byte = 0; byte < tableLength; byte++) built[single + byte] = remainderOf(byte);
  for (let at = single - 1; at >= 0; at--) {
    const next = built[at + tableLength] ?? 0;
    built[at] = (next >>> 8) ^ (built[single + (next & 0xff)] ?? 0);
  }
  return built;
}

function remainderOf(byte: number): number {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = (remainder >>> 1) ^ ((remainder & 1) === 0 ? 0 : polynomial);
  }
  return remainder;
}
