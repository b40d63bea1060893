/** STUN and TURN servers, as `--ice-server` names them (RFC 7064, RFC 7065). */
import { BadInput } from "../bad_input.ts";
import { messageOf } from "../message_of.ts";
import { type Endpoint, parseHost, parsePort, SpecError, splitSpec } from "../socket/endpoint.ts";

/** One server. */
export interface IceServer {
  readonly scheme: "stun" | "turn" | "turns";
  /** `host` or `host:port`, IPv6 in brackets. */
  readonly address: string;
  readonly transport?: "udp" | "tcp";
  readonly username?: string;
  /** Of a TURN server; absent until it is read where `secret` is present. */
  readonly password?: string;
  /** Where the password is, if not in the URL. */
  readonly secret?: SecretSource;
}

/** Where a password may be that is not to be seen in a list of processes. */
export interface SecretSource {
  readonly type: "file" | "environment";
  /** The path, or the variable's name. */
  readonly name: string;
}

/** Reads what a {@link SecretSource} names; throws, or gives undefined, where there is nothing. */
export interface SecretReader {
  readFile(path: string): string;
  readVariable(name: string): string | undefined;
}

/** Asked where none is named. */
export const publicIceServers: readonly IceServer[] = [
  { scheme: "stun", address: "stun.l.google.com:19302" },
];

/** RFC 8489 section 18.6, RFC 8656 section 6. */
const defaultPorts = { stun: 3_478, turn: 3_478, turns: 5_349 } as const;

/** RFC 8489 section 14.3: a USERNAME has less than 509 bytes. */
const maxUsernameLength = 508;

const urlPattern =
  /^(stun|turns?):(?:([^:@/?]+)(?::([^@/?]+))?@)?((?:\[[\da-f:.]+\]|[a-z\d._-]+)(?::(\d{1,5}))?)(?:\?([^?#\s]*))?$/i;

/** Reads one `--ice-server` URL. Throws {@link BadInput} with an example. */
export function parseIceServer(url: string): IceServer {
  const match = urlPattern.exec(url);
  if (match === null) throw refuse("not a stun: or turn: URL");
  const [, schemeText = "", username, password, address = "", port, query] = match;
  const scheme = schemeText.toLowerCase() as IceServer["scheme"];
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) {
    throw refuse(`${port} is not a port (1 to 65535)`);
  }
  const { transport, secret } = parseQuery(query);
  if (scheme === "turns" && transport === "udp") {
    throw refuse("turns: goes over TCP: leave transport=udp out");
  }
  requireUser({ isTurn: scheme !== "stun", username, password, secret });
  return {
    scheme,
    address,
    ...(transport === undefined ? {} : { transport }),
    ...(username === undefined ? {} : { username: unescape(username) }),
    ...(password === undefined ? {} : { password: unescape(password) }),
    ...(secret === undefined ? {} : { secret }),
  };
}

/** A URL with another path for `secret-file=`. What is badly escaped stays, to be refused when read. */
export function resolveSecretFile(url: string, resolve: (path: string) => string): string {
  return url.replace(/(?<=[?&]secret-file=)[^&]+/i, (text) => {
    try {
      return encodeURIComponent(resolve(decodeURIComponent(text)));
    } catch {
      return text;
    }
  });
}

/** The server with its password, read from where it is said to be. Throws {@link BadInput}. */
export function readSecret(server: IceServer, reader: SecretReader): IceServer {
  const { secret, ...rest } = server;
  if (secret === undefined) return server;
  const password = secretOf(secret, reader);
  if (password !== "") return { ...rest, password };
  throw refuse(`the ${describeSecret(secret)} holds no secret`);
}

/** Where a server is. Throws {@link BadInput} where `address` is no endpoint. */
export function endpointOf({ scheme, address }: IceServer): Endpoint {
  try {
    const [host, port] = splitSpec(address);
    return {
      host: parseHost(host ?? { text: "", column: 1 }),
      port: port === undefined ? defaultPorts[scheme] : parsePort(port, { min: 1 }),
    };
  } catch (error) {
    if (error instanceof SpecError) throw refuse(error.message);
    throw error;
  }
}

/** What carries a TURN server's messages. */
export function transportOf({ scheme, transport = "udp" }: IceServer): "udp" | "tcp" | "tls" {
  return scheme === "turns" ? "tls" : transport;
}

type Query = Pick<IceServer, "transport" | "secret">;

function parseQuery(query: string | undefined): Query {
  let read: Query = {};
  for (const part of query?.split("&") ?? []) {
    const [, name = "", text = ""] = /^([^=]*)=(.+)$/.exec(part) ?? [];
    const more = parseParameter(name.toLowerCase(), text);
    const isTwice = Object.keys(more).some((key) => Object.hasOwn(read, key));
    if (isTwice) throw refuse(`${name} is given where it is given already`);
    read = { ...read, ...more };
  }
  return read;
}

function parseParameter(name: string, text: string): Query {
  switch (name) {
    case "transport": {
      const transport = text.toLowerCase();
      if (transport === "udp" || transport === "tcp") return { transport };
      throw refuse("transport is udp or tcp");
    }
    case "secret-file":
      return { secret: { type: "file", name: unescape(text) } };
    case "secret-env":
      return { secret: { type: "environment", name: unescape(text) } };
    default:
      throw refuse("after ? there may be transport=, secret-file= or secret-env=, joined by &");
  }
}

function requireUser(
  { isTurn, username, password, secret }: {
    readonly isTurn: boolean;
    readonly username: string | undefined;
    readonly password: string | undefined;
    readonly secret: SecretSource | undefined;
  },
): void {
  if (!isTurn && (username !== undefined || secret !== undefined)) {
    throw refuse("a STUN server takes no user and secret");
  }
  if (!isTurn) return;
  if (new TextEncoder().encode(unescape(username ?? "")).length > maxUsernameLength) {
    throw refuse(`the user is longer than ${maxUsernameLength} bytes`);
  }
  if (password !== undefined && secret !== undefined) {
    throw refuse("the secret is in the URL, and named elsewhere too: leave one of them out");
  }
  if (username === undefined || (password === undefined && secret === undefined)) {
    throw refuse("a TURN server needs turn:user:secret@host, or turn:user@host?secret-file=path");
  }
}

function secretOf(secret: SecretSource, reader: SecretReader): string {
  if (secret.type === "environment") {
    const text = reader.readVariable(secret.name);
    if (text !== undefined) return text;
    throw refuse(`the ${describeSecret(secret)} is not set`);
  }
  try {
    // Editors end a file with a line end, which is no part of the secret.
    return reader.readFile(secret.name).replace(/\r?\n$/, "");
  } catch (error) {
    throw refuse(`the ${describeSecret(secret)} cannot be read: ${messageOf(error)}`);
  }
}

function describeSecret({ type, name }: SecretSource): string {
  return `${type === "file" ? "file" : "variable"} ${JSON.stringify(name)}`;
}

function unescape(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refuse("something in it is badly escaped (% is written %25)");
  }
}

/** The value may hold a password: it is not repeated. */
function refuse(problem: string): BadInput {
  const example = "Example: --ice-server stun:stun.example.org:3478";
  return new BadInput(`--ice-server: ${problem}. ${example}`);
}
