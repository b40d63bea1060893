/**
 * Addresses in SOCKS5 messages (RFC 1928, sections 4 to 7).
 *
 *     +------+----------+------+
 *     | ATYP |   ADDR   | PORT |
 *     +------+----------+------+
 *     |  1   | Variable |  2   |
 *     +------+----------+------+
 */
import { canonicalAddress, type Endpoint, parseHost, SpecError } from "../../socket/endpoint.ts";

const addressTypes = { ipv4: 1, name: 3, ipv6: 4 } as const;

/** What was read of one; `length` is of all its bytes. */
export type ReadAddress =
  /** The host in its canonical spelling; the port may be 0. */
  | { readonly kind: "endpoint"; readonly endpoint: Endpoint; readonly length: number }
  /** A name that is none; the message goes on behind it. */
  | { readonly kind: "invalid"; readonly length: number }
  | { readonly kind: "unknown-type" };

/** Reads one that begins at `start`; undefined while bytes are missing before `end`. */
export function parseSocksAddress(
  bytes: Uint8Array,
  start: number,
  end: number,
): ReadAddress | undefined {
  const type = bytes[start];
  const first = bytes[start + 1];
  if (start + 1 >= end || type === undefined || first === undefined) return undefined;
  const [at, length] = type === addressTypes.name
    ? [start + 2, first]
    : [start + 1, lengthOf(type)];
  if (length === undefined) return { kind: "unknown-type" };
  if (at + length + 2 > end) return undefined;
  const host = readHost(type, bytes.subarray(at, at + length));
  const port = (bytes[at + length] ?? 0) << 8 | (bytes[at + length + 1] ?? 0);
  const read = at + length + 2 - start;
  if (host === undefined) return { kind: "invalid", length: read };
  return { kind: "endpoint", endpoint: { host, port }, length: read };
}

/** Writes the address of a socket: an IP address, not a name. */
export function writeSocksAddress(
  { address, port }: { readonly address: string; readonly port: number },
): Uint8Array {
  const isIpv6 = address.includes(":");
  const type = isIpv6 ? addressTypes.ipv6 : addressTypes.ipv4;
  const octets = isIpv6 ? ipv6Octets(address) : address.split(".").map(Number);
  return Uint8Array.from([type, ...octets, port >> 8, port & 255]);
}

function lengthOf(type: number): number | undefined {
  if (type === addressTypes.ipv4) return 4;
  return type === addressTypes.ipv6 ? 16 : undefined;
}

function readHost(type: number, octets: Uint8Array): string | undefined {
  if (type === addressTypes.ipv4) return octets.join(".");
  if (type === addressTypes.ipv6) return canonicalAddress(ipv6Text(octets));
  return readName(octets);
}

/** Some clients write addresses as names. */
function readName(octets: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
    return canonicalAddress(text) ?? parseHost({ text, column: 1 });
  } catch (error) {
    if (error instanceof SpecError || error instanceof TypeError) return undefined;
    throw error;
  }
}

function ipv6Text(octets: Uint8Array): string {
  const groups = Array.from(
    { length: 8 },
    (_, at) => ((octets[2 * at] ?? 0) << 8 | (octets[2 * at + 1] ?? 0)).toString(16),
  );
  return groups.join(":");
}

/** Of an address in its canonical spelling. */
function ipv6Octets(address: string): number[] {
  const [before = [], after] = address.split("::").map((half) => half.split(":").filter(Boolean));
  const missing = 8 - before.length - (after?.length ?? 0);
  const groups = [...before, ...Array<string>(after === undefined ? 0 : missing).fill("0")];
  return [...groups, ...after ?? []].flatMap((group) => {
    const value = parseInt(group, 16);
    return [value >> 8, value & 255];
  });
}
