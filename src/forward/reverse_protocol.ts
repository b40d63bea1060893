/**
 * How a node asks another to listen for it, as docs/protocol.md has it: a channel for each address,
 * whose label is that address, and the channels that come back, whose labels name what was asked.
 */
import { parseObject } from "../parse_object.ts";
import {
  type Endpoint,
  formatEndpoint,
  parseEndpoint,
  parseHost,
  parsePort,
  SpecError,
  splitSpec,
} from "../socket/endpoint.ts";
import { parseControlMessage, type RefusalCode } from "../tunnel/control_message.ts";

/** DCEP's protocol field for a request to listen. */
export const listenProtocol = "aetherport-listen/1";

/** What the node that listens answers. */
export type ListenAnswer =
  /** Where it listens, as bound: `host:port`. */
  | { readonly type: "listening"; readonly addresses: readonly string[] }
  | { readonly type: "refused"; readonly code: RefusalCode; readonly reason: string };

/** Longer texts are a fault of the peer, in characters. */
const maxMessageLength = 2_048;
/** A name may stand for several addresses, but not for more that are listened on. */
const maxAddressCount = 4;
const idPattern = /^[0-9a-f]{32}$/;
const reversedLabel = /^reverse:([0-9a-f]{32})$/;

/** A name for one request that nobody can guess. */
export function createReverseId(): string {
  return crypto.getRandomValues(new Uint8Array(16)).toHex();
}

/** Writes the label of a connection that comes back. */
export function writeReversedLabel(id: string): string {
  return `reverse:${id}`;
}

/** The request that a label names; undefined where it names a target. Never throws. */
export function parseReversedLabel(label: string): string | undefined {
  return reversedLabel.exec(label)?.[1];
}

/** Reads the address that is asked for, `host:port`, port 0 for any. Throws {@link SpecError}. */
export function parseListenLabel(label: string): Endpoint {
  const [host, port, extra] = splitSpec(label);
  if (host === undefined || port === undefined) {
    throw new SpecError(label.length + 1, "a port is missing (host:port)");
  }
  if (extra !== undefined) throw new SpecError(extra.column, "too many parts (host:port)");
  return { host: parseHost(host), port: parsePort(port, { min: 0 }) };
}

/** Writes the request. */
export function writeListenRequest(id: string): string {
  return JSON.stringify({ type: "listen", id });
}

/** The id of a request; undefined where it is none. Never throws. */
export function parseListenRequest(text: string): string | undefined {
  if (text.length > maxMessageLength) return undefined;
  const { type, id } = parseObject(text);
  return type === "listen" && typeof id === "string" && idPattern.test(id) ? id : undefined;
}

/** Writes where the node listens. */
export function writeListening(addresses: readonly string[]): string {
  return JSON.stringify({ type: "listening", addresses });
}

/** Reads an answer; undefined where it is none. Never throws. */
export function parseListenAnswer(text: string): ListenAnswer | undefined {
  const refused = parseControlMessage(text);
  if (refused?.type === "refused") return refused;
  if (text.length > maxMessageLength) return undefined;
  const { type, addresses } = parseObject(text);
  if (type !== "listening" || !Array.isArray(addresses)) return undefined;
  if (addresses.length === 0 || addresses.length > maxAddressCount) return undefined;
  try {
    return { type, addresses: addresses.map((one) => formatEndpoint(parseEndpoint(String(one)))) };
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    return undefined;
  }
}
