/**
 * Serial number arithmetic (RFC 1982), as TSN, SSN and MID need it: RFC 9260 section 1.6. No other
 * file compares or advances them.
 */

/** How far `to` is after `from` among 32-bit serial numbers; negative where it is before. */
export function distance32(from: number, to: number): number {
  return (to - from) | 0;
}

/** A 32-bit serial number, advanced; `by` may be negative. */
export function add32(serial: number, by: number): number {
  return (serial + by) >>> 0;
}

/** Whether the 32-bit serial number `one` is after `other`. */
export function isAfter32(one: number, other: number): boolean {
  return ((one - other) | 0) > 0;
}

/** How far `to` is after `from` among 16-bit serial numbers; negative where it is before. */
export function distance16(from: number, to: number): number {
  return ((to - from) << 16) >> 16;
}

/** A 16-bit serial number, advanced; `by` may be negative. */
export function add16(serial: number, by: number): number {
  return (serial + by) & 0xffff;
}
