/**
 * struct sockaddr_in and sockaddr_in6 of Linux: read and written without making a string for each
 * datagram.
 *
 * @module
 */
import type { SocketAddress } from "./datagram.ts";
import { canonicalAddress } from "./endpoint.ts";
import { family } from "./linux_constants.ts";

/** Bytes of struct sockaddr_in and of sockaddr_in6. */
export const sockaddrLength = { ipv4: 16, ipv6: 28 } as const;

/** Addresses remembered. A flood from invented addresses must not fill the memory. */
const cacheLength = 256;

/** The address as C has it; undefined where it is not one. */
export function encodeSockaddr({ address, port }: SocketAddress): Uint8Array | undefined {
  const canonical = canonicalAddress(address);
  if (canonical === undefined || !(Number.isInteger(port) && 0 <= port && port <= 0xffff)) {
    return undefined;
  }
  return canonical.includes(":") ? encodeIpv6(canonical, port) : encodeIpv4(canonical, port);
}

//  sockaddr_in:   0 family (host order)  2 port (network order)  4 address  8 zeros
function encodeIpv4(address: string, port: number): Uint8Array {
  const bytes = new Uint8Array(sockaddrLength.ipv4);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, family.ipv4, true);
  view.setUint16(2, port);
  bytes.set(address.split(".").map(Number), 4);
  return bytes;
}

//  sockaddr_in6:  0 family  2 port  4 flow information  8 address  24 scope
function encodeIpv6(address: string, port: number): Uint8Array {
  const bytes = new Uint8Array(sockaddrLength.ipv6);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, family.ipv6, true);
  view.setUint16(2, port);
  for (const [at, group] of groupsOf(address).entries()) view.setUint16(8 + 2 * at, group);
  return bytes;
}

/** The eight groups of a canonical IPv6 address. */
function groupsOf(address: string): number[] {
  const [head = [], tail = []] = address.split("::").map((half) =>
    half.split(":").filter((group) => group !== "").map((group) => parseInt(group, 16))
  );
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

/** The address at an offset; undefined where it is of another family. */
export function readSockaddr(view: DataView, offset: number): SocketAddress | undefined {
  const port = view.getUint16(offset + 2);
  switch (view.getUint16(offset, true)) {
    case family.ipv4: {
      const [a, b] = [view.getUint8(offset + 4), view.getUint8(offset + 5)];
      const [c, d] = [view.getUint8(offset + 6), view.getUint8(offset + 7)];
      return { address: `${a}.${b}.${c}.${d}`, port };
    }
    case family.ipv6: {
      const groups = Array.from({ length: 8 }, (_, at) => view.getUint16(offset + 8 + 2 * at));
      const address = canonicalAddress(groups.map((group) => group.toString(16)).join(":"));
      return address === undefined ? undefined : { address, port };
    }
    default:
      return undefined;
  }
}

interface CacheEntry {
  /** Family and port, and the words of the address. */
  readonly words: readonly [number, number, number, number, number];
  readonly value: SocketAddress | undefined;
}

/**
 * Reads addresses, and gives the same object again for those it has seen lately. An address has one
 * place in it, of which the last comer has the use.
 */
export class SockaddrCache {
  readonly #entries: (CacheEntry | undefined)[] = new Array(cacheLength).fill(undefined);

  /** The address at an offset of a view that has room for the longest. */
  read(view: DataView, offset: number): SocketAddress | undefined {
    const first = view.getUint32(offset, true);
    const isIpv6 = (first & 0xffff) === family.ipv6;
    // The address of sockaddr_in lies where sockaddr_in6 has its flow information.
    const a = view.getUint32(offset + (isIpv6 ? 8 : 4), true);
    const b = isIpv6 ? view.getUint32(offset + 12, true) : 0;
    const c = isIpv6 ? view.getUint32(offset + 16, true) : 0;
    const d = isIpv6 ? view.getUint32(offset + 20, true) : 0;
    const place = placeOf(first ^ a ^ b ^ c ^ d);
    const entry = this.#entries[place];
    if (entry !== undefined) {
      const { words } = entry;
      if (
        words[0] === first && words[1] === a && words[2] === b && words[3] === c && words[4] === d
      ) return entry.value;
    }
    const value = readSockaddr(view, offset);
    this.#entries[place] = { words: [first, a, b, c, d], value };
    return value;
  }
}

/** Multiplicative hashing: the highest 8 bits depend on all. */
function placeOf(mixed: number): number {
  return Math.imul(mixed, 0x9e3779b1) >>> 24;
}
