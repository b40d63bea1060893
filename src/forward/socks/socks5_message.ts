/**
 * What a client and a SOCKS5 server say before the stream (RFC 1928, sections 3, 4 and 6; RFC 1929).
 * Each parser reads a message from the beginning of what came; undefined while some of it is missing.
 */
import type { Endpoint } from "../../socket/endpoint.ts";
import { parseSocksAddress, writeSocksAddress } from "./socks_address.ts";

/** The first byte of all messages but those of RFC 1929. */
export const socksVersion = 5;
/** Of RFC 1929's messages. */
const authenticationVersion = 1;

/** How a client may authenticate itself, as numbered on the wire. */
export const authenticationMethods = { none: 0, password: 2, noneAcceptable: 255 } as const;

/** RFC 1928, section 6. */
export const replyCodes = {
  succeeded: 0,
  generalFailure: 1,
  notAllowed: 2,
  networkUnreachable: 3,
  hostUnreachable: 4,
  connectionRefused: 5,
  ttlExpired: 6,
  commandNotSupported: 7,
  addressTypeNotSupported: 8,
} as const;

/** A reply to a request. */
export type ReplyCode = typeof replyCodes[keyof typeof replyCodes];

/** A message that was read, and how many bytes it had. */
export type Read<Message> = Message & { readonly length: number };

/** The methods that a client offers, 0 to 255 of them. */
export interface Greeting {
  readonly methods: readonly number[];
}

/** What a client authenticates itself with; bytes, since no encoding is said. */
export interface UserAndPassword {
  readonly user: Uint8Array;
  readonly password: Uint8Array;
}

/** What a client asks for, or what it is answered where that cannot be. */
export type Request =
  | {
    readonly kind: "connect" | "associate";
    /** To connect to; of "associate", what the client sends datagrams from (port 0: not said). */
    readonly endpoint: Endpoint;
  }
  | { readonly kind: "failed"; readonly code: ReplyCode };

const commands: ReadonlyMap<number, "connect" | "associate"> = new Map([
  [1, "connect"],
  [3, "associate"],
]);

/** Reads VER, NMETHODS, METHODS; the version was looked at before. */
export function parseGreeting(bytes: Uint8Array): Read<Greeting> | undefined {
  const count = bytes[1];
  if (count === undefined || bytes.length < 2 + count) return undefined;
  return { methods: [...bytes.subarray(2, 2 + count)], length: 2 + count };
}

/** Reads VER, ULEN, UNAME, PLEN, PASSWD; "malformed" where a length is 0 or the version another. */
export function parseUserAndPassword(
  bytes: Uint8Array,
): Read<UserAndPassword> | "malformed" | undefined {
  const [version, userLength] = bytes;
  if (version !== undefined && version !== authenticationVersion) return "malformed";
  if (userLength === undefined) return undefined;
  const passwordLength = bytes[2 + userLength];
  if (userLength === 0 || passwordLength === 0) return "malformed";
  const at = 3 + userLength;
  if (passwordLength === undefined || bytes.length < at + passwordLength) return undefined;
  return {
    user: bytes.slice(2, 2 + userLength),
    password: bytes.slice(at, at + passwordLength),
    length: at + passwordLength,
  };
}

/** Reads VER, CMD, RSV, ATYP, DST.ADDR, DST.PORT. */
export function parseRequest(bytes: Uint8Array): Read<Request> | undefined {
  const [version, command, reserved] = bytes;
  if (command === undefined || reserved === undefined) return undefined;
  if (version !== socksVersion || reserved !== 0) return failed(replyCodes.generalFailure);
  const kind = commands.get(command);
  if (kind === undefined) return failed(replyCodes.commandNotSupported);
  const address = parseSocksAddress(bytes, 3, bytes.length);
  if (address === undefined) return undefined;
  if (address.kind === "unknown-type") return failed(replyCodes.addressTypeNotSupported);
  const length = 3 + address.length;
  const isUsable = address.kind === "endpoint" &&
    (kind === "associate" || address.endpoint.port !== 0);
  if (!isUsable) return { ...failed(replyCodes.generalFailure), length };
  return { kind, endpoint: address.endpoint, length };
}

/** Writes VER, METHOD. */
export function writeMethod(method: number): Uint8Array {
  return Uint8Array.of(socksVersion, method);
}

/** Writes VER, STATUS (RFC 1929, section 2). */
export function writeAuthenticationStatus(isGranted: boolean): Uint8Array {
  return Uint8Array.of(authenticationVersion, isGranted ? 0 : 1);
}

/** Writes VER, REP, RSV, ATYP, BND.ADDR, BND.PORT; zeros where no address means anything. */
export function writeReply(
  code: ReplyCode,
  bound: { readonly address: string; readonly port: number } = { address: "0.0.0.0", port: 0 },
): Uint8Array {
  return Uint8Array.from([socksVersion, code, 0, ...writeSocksAddress(bound)]);
}

/** The rest of the message is not looked at. */
function failed(code: ReplyCode): Read<Request & { kind: "failed" }> {
  return { kind: "failed", code, length: 0 };
}
