/**
 * The PROXY protocol, versions 1 and 2 (HAProxy, "The PROXY protocol", sections 2.1 and 2.2): what a
 * proxy says of its client before the first byte of a connection, or of a datagram.
 *
 *     PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n
 *
 *      0                   1                   2                   3
 *     |  signature: 0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A               |
 *     |  ver  |  cmd  |  fam  | proto |            length             |
 *     |  source address, destination address: 4 or 16 bytes each      |
 *     |          source port          |       destination port        |
 *     |     type      |            length             |  value ...    |
 */
import { type Endpoint, formatEndpoint } from "../socket/endpoint.ts";
import { encodeSockaddr } from "../socket/sockaddr.ts";

/** Of whom it speaks. */
export interface ProxyHeaderOptions {
  readonly version: 1 | 2;
  readonly transport: "tcp" | "udp";
  /** The client; without one the header says that nothing is known. An address, not a name. */
  readonly source: Endpoint | undefined;
  /** What the client asked for; any address and port 0 where it has none. An address, not a name. */
  readonly destination: Endpoint | undefined;
  /** Who the other node is, in version 2. */
  readonly peerName?: string | undefined;
}

/** Section 2.2: types 0xE0 to 0xEF are for applications; this one has the other node's name. */
export const peerNameType = 0xe0;

const signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
const commands = { local: 0x20, proxy: 0x21 } as const;
const families = { ipv4: 0x10, ipv6: 0x20 } as const;
const protocols = { tcp: 0x01, udp: 0x02 } as const;
/** ::ffff:0:0/96, before an IPv4 address. */
const mappedPrefix = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/**
 * Writes a header. Where one address is of IPv4 and the other of IPv6, the former is mapped: a header
 * has one family.
 * @throws {RangeError} where an endpoint is no address
 */
export function writeProxyHeader(options: ProxyHeaderOptions): Uint8Array<ArrayBuffer> {
  return options.version === 1 ? writeText(options) : writeBinary(options);
}

/** Version 1 knows TCP only. */
function writeText(options: ProxyHeaderOptions): Uint8Array<ArrayBuffer> {
  const { source, transport } = options;
  const encoder = new TextEncoder();
  if (source === undefined || transport === "udp") return encoder.encode("PROXY UNKNOWN\r\n");
  const destination = options.destination ?? anyEndpoint(source);
  const isIpv6 = isOfIpv6(source) || isOfIpv6(destination);
  const [from, to] = [source, destination].map(({ host }) =>
    isIpv6 && !host.includes(":") ? `::ffff:${host}` : host
  );
  const ports = `${source.port} ${destination.port}`;
  return encoder.encode(`PROXY ${isIpv6 ? "TCP6" : "TCP4"} ${from} ${to} ${ports}\r\n`);
}

function writeBinary(options: ProxyHeaderOptions): Uint8Array<ArrayBuffer> {
  const { source, transport, peerName } = options;
  if (source === undefined) return Uint8Array.of(...signature, commands.local, 0, 0, 0);
  const destination = options.destination ?? anyEndpoint(source);
  const isIpv6 = isOfIpv6(source) || isOfIpv6(destination);
  const family = (isIpv6 ? families.ipv6 : families.ipv4) | protocols[transport];
  const body = [
    ...addressBytes(source, isIpv6),
    ...addressBytes(destination, isIpv6),
    ...uint16(source.port),
    ...uint16(destination.port),
    ...peerName === undefined ? [] : writePeerName(peerName),
  ];
  return Uint8Array.of(...signature, commands.proxy, family, ...uint16(body.length), ...body);
}

function writePeerName(name: string): number[] {
  const value = new TextEncoder().encode(name);
  return [peerNameType, ...uint16(value.length), ...value];
}

/** 4 bytes, or 16. */
function addressBytes(endpoint: Endpoint, isIpv6: boolean): number[] {
  const sockaddr = encodeSockaddr({ address: endpoint.host, port: endpoint.port });
  if (sockaddr === undefined) throw new RangeError(`${formatEndpoint(endpoint)} is no address`);
  if (isOfIpv6(endpoint)) return [...sockaddr.subarray(8, 24)];
  return [...(isIpv6 ? mappedPrefix : []), ...sockaddr.subarray(4, 8)];
}

function isOfIpv6({ host }: Endpoint): boolean {
  return host.includes(":");
}

function anyEndpoint(source: Endpoint): Endpoint {
  return { host: isOfIpv6(source) ? "::" : "0.0.0.0", port: 0 };
}

function uint16(value: number): [number, number] {
  return [value >> 8, value & 255];
}
