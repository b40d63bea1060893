/**
 * Datagrams between a client and a SOCKS5 server's relay (RFC 1928, section 7).
 *
 *     +-----+------+------+----------+----------+----------+
 *     | RSV | FRAG | ATYP | DST.ADDR | DST.PORT |   DATA   |
 *     +-----+------+------+----------+----------+----------+
 *     |  2  |  1   |  1   | Variable |    2     | Variable |
 *     +-----+------+------+----------+----------+----------+
 */
import type { Endpoint } from "../../socket/endpoint.ts";
import { parseSocksAddress } from "./socks_address.ts";

/** The longest header, in bytes: a name has at most 255. */
export const maxSocksHeaderLength = 262;

/** Where a client's datagram goes, and the length of its header. */
export interface SocksDatagramHeader {
  readonly endpoint: Endpoint;
  readonly length: number;
}

/**
 * Reads the header of `bytes[start..end)`; undefined where the datagram is to be dropped: malformed,
 * or a fragment, "an implementation that does not support fragmentation MUST drop" it.
 */
export function parseSocksDatagram(
  bytes: Uint8Array,
  start: number,
  end: number,
): SocksDatagramHeader | undefined {
  if (end - start < 4) return undefined;
  if (bytes[start] !== 0 || bytes[start + 1] !== 0 || bytes[start + 2] !== 0) return undefined;
  const address = parseSocksAddress(bytes, start + 3, end);
  if (address?.kind !== "endpoint" || address.endpoint.port === 0) return undefined;
  return { endpoint: address.endpoint, length: 3 + address.length };
}
