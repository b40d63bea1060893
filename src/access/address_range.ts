/** Ranges of addresses (CIDR, RFC 4632), and addresses in the form that they are compared in. */
import { encodeSockaddr, sockaddrLength } from "../socket/sockaddr.ts";

/** An address as bytes: 4 of them, or 16. IPv4-mapped addresses are IPv4. */
export interface Address {
  readonly bytes: readonly number[];
  /** The IPv4 address that an IPv6 one is translated or tunnelled to. */
  readonly embedded: Address | undefined;
}

/** All addresses with the same first bits. */
export interface AddressRange {
  readonly bytes: readonly number[];
  /** How many bits of them count. */
  readonly prefixLength: number;
}

/** Where an address begins in a sockaddr_in, and in a sockaddr_in6. */
const [ipv4Offset, ipv6Offset] = [4, 8];

/** Reads an address; undefined where the text is none. */
export function parseAddress(text: string): Address | undefined {
  const encoded = encodeSockaddr({ address: text, port: 0 });
  if (encoded === undefined) return undefined;
  const bytes = encoded.length === sockaddrLength.ipv4
    ? [...encoded.subarray(ipv4Offset, ipv4Offset + 4)]
    : [...encoded.subarray(ipv6Offset, ipv6Offset + 16)];
  return { bytes, embedded: embeddedIn(bytes) };
}

/**
 * Reads an address, or `address/length`; undefined where the text is neither, or has bits beyond its
 * length.
 */
export function parseRange(text: string): AddressRange | undefined {
  const [base = "", length, more] = text.split("/");
  const bytes = parseAddress(base)?.bytes;
  if (bytes === undefined || more !== undefined) return undefined;
  const prefixLength = length === undefined ? bytes.length * 8 : Number(length);
  const isLength = length === undefined || /^\d{1,3}$/.test(length);
  if (!isLength || prefixLength > bytes.length * 8) return undefined;
  const hasMore = bytes.some((byte, at) => (byte & ~maskAt(at, prefixLength) & 255) !== 0);
  return hasMore ? undefined : { bytes, prefixLength };
}

/** Whether an address lies in a range. */
export function isInRange(bytes: readonly number[], range: AddressRange): boolean {
  const { bytes: base, prefixLength } = range;
  if (bytes.length !== base.length) return false;
  const wholeCount = prefixLength >> 3;
  for (let at = 0; at < wholeCount; at++) if (bytes[at] !== base[at]) return false;
  const difference = (bytes[wholeCount] ?? 0) ^ (base[wholeCount] ?? 0);
  return (difference & maskAt(wholeCount, prefixLength)) === 0;
}

/** Whether all of one range lies in another. */
export function isRangeWithin(inner: AddressRange, outer: AddressRange): boolean {
  return inner.prefixLength >= outer.prefixLength && isInRange(inner.bytes, outer);
}

/** The bits of byte `at` that a prefix covers. */
function maskAt(at: number, prefixLength: number): number {
  const bits = Math.min(Math.max(prefixLength - at * 8, 0), 8);
  return (0xff << (8 - bits)) & 0xff;
}

/** NAT64 (RFC 6052, 8215), 6to4 (RFC 3056), IPv4-translated and -compatible addresses. */
function embeddedIn(bytes: readonly number[]): Address | undefined {
  if (bytes.length !== 16) return undefined;
  const at = embeddings.find(({ range }) => isInRange(bytes, range))?.at;
  const isNone = at === undefined || (at === 12 && isLoopbackOrUnspecified(bytes));
  return isNone ? undefined : { bytes: bytes.slice(at, at + 4), embedded: undefined };
}

function isLoopbackOrUnspecified(bytes: readonly number[]): boolean {
  return bytes.slice(0, 15).every((byte) => byte === 0) && (bytes[15] ?? 0) <= 1;
}

const embeddings: readonly { readonly range: AddressRange; readonly at: number }[] = [
  { range: { bytes: [0, 0x64, 0xff, 0x9b, ...zeros(12)], prefixLength: 96 }, at: 12 },
  { range: { bytes: [0, 0x64, 0xff, 0x9b, 0, 1, ...zeros(10)], prefixLength: 48 }, at: 12 },
  { range: { bytes: [0x20, 0x02, ...zeros(14)], prefixLength: 16 }, at: 2 },
  { range: { bytes: [...zeros(8), 0xff, 0xff, ...zeros(6)], prefixLength: 96 }, at: 12 },
  { range: { bytes: zeros(16), prefixLength: 96 }, at: 12 },
];

function zeros(count: number): number[] {
  return new Array<number>(count).fill(0);
}
