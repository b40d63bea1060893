/** CONNECT by SOCKS5 (RFC 1928), with user and password (RFC 1929). */
import ipaddr from "ipaddr.js";
import type { Endpoint } from "./endpoint.ts";
import type { Proxy } from "./proxy.ts";

const version = 5;
const method = { none: 0, password: 2 } as const;
const connectCommand = 1;
const addressType = { ipv4: 1, name: 3, ipv6: 4 } as const;
/** A name, user or password has one byte for its length. */
const maxTextLength = 255;

/** RFC 1928, section 6, by number. */
const refusals: readonly string[] = [
  "succeeded",
  "a general failure",
  "not allowed",
  "the network is unreachable",
  "the host is unreachable",
  "the connection was refused",
  "it takes too long",
  "CONNECT is not supported",
  "that kind of address is not supported",
];

/** Asks for a connection. Throws an Error naming the proxy where it refuses. */
export async function connectBySocks5(
  connection: Deno.TcpConn,
  { label, credentials }: Proxy,
  destination: Endpoint,
): Promise<void> {
  const wire = new Wire(connection, label);
  const offered = credentials === undefined ? [method.none] : [method.none, method.password];
  await wire.write([version, offered.length, ...offered]);
  const [answeredVersion, chosen] = await wire.read(2);
  if (answeredVersion !== version) throw new Error(`${label} does not answer as a SOCKS5 proxy`);
  if (!offered.some((one) => one === chosen)) {
    throw new Error(
      `${label} wants ${
        credentials === undefined ? "a user and password" : "another kind of proof"
      }`,
    );
  }
  if (credentials !== undefined && chosen === method.password) {
    const { username, password } = credentials;
    await wire.write([1, ...textOf(username, label), ...textOf(password, label)]);
    const [, status] = await wire.read(2);
    if (status !== 0) throw new Error(`${label} wants another user and password`);
  }
  const port = [destination.port >> 8, destination.port & 0xff];
  await wire.write([version, connectCommand, 0, ...addressOf(destination.host, label), ...port]);
  await readReply(wire, label, destination);
}

async function readReply(wire: Wire, label: string, { host, port }: Endpoint): Promise<void> {
  const [, status = 1, , type] = await wire.read(4);
  if (status !== 0) {
    const reason = refusals[status] ?? `reason ${status}`;
    throw new Error(`${label} does not connect to ${host}, port ${port}: ${reason}`);
  }
  const [nameLength = 0] = type === addressType.name ? await wire.read(1) : [];
  const length = type === addressType.ipv4 ? 4 : type === addressType.ipv6 ? 16 : nameLength;
  await wire.read(length + 2);
}

function addressOf(host: string, label: string): number[] {
  if (!ipaddr.isValid(host)) return [addressType.name, ...textOf(host, label)];
  const bytes = ipaddr.parse(host).toByteArray();
  return [bytes.length === 4 ? addressType.ipv4 : addressType.ipv6, ...bytes];
}

function textOf(text: string, label: string): number[] {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > maxTextLength) throw new Error(`a text for ${label} is longer than 255 bytes`);
  return [bytes.length, ...bytes];
}

/** Reads no more than it is asked for: the rest is the destination's. */
class Wire {
  readonly #connection: Deno.TcpConn;
  readonly #label: string;

  constructor(connection: Deno.TcpConn, label: string) {
    this.#connection = connection;
    this.#label = label;
  }

  async write(numbers: readonly number[]): Promise<void> {
    let rest = Uint8Array.from(numbers);
    while (rest.length > 0) rest = rest.subarray(await this.#connection.write(rest));
  }

  async read(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const count = await this.#connection.read(bytes.subarray(at));
      if (count === null) throw new Error(`${this.#label} has closed the connection`);
      at += count;
    }
    return bytes;
  }
}
