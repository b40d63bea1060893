/** STUN and TURN servers, as `--ice-server` names them (RFC 7064, RFC 7065). */
import { BadInput } from "../bad_input.ts";

/** One server. */
export interface IceServer {
  readonly scheme: "stun" | "turn" | "turns";
  /** `host` or `host:port`, IPv6 in brackets. */
  readonly address: string;
  readonly transport?: "udp" | "tcp";
  readonly username?: string;
  readonly password?: string;
}

/** Asked where none is named. */
export const publicIceServers: readonly IceServer[] = [
  { scheme: "stun", address: "stun.l.google.com:19302" },
];

const urlPattern =
  /^(stun|turns?):(?:([^:@/?]+):([^@/?]+)@)?((?:\[[\da-f:.]+\]|[a-z\d._-]+)(?::(\d{1,5}))?)(?:\?transport=(udp|tcp))?$/i;

/** Reads one `--ice-server` URL. Throws {@link BadInput} with an example. */
export function parseIceServer(url: string): IceServer {
  const match = urlPattern.exec(url);
  if (match === null) throw refuse("not a stun: or turn: URL");
  const [, schemeText = "", username, password, address = "", port, transport] = match;
  const scheme = schemeText.toLowerCase() as IceServer["scheme"];
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) {
    throw refuse(`${port} is not a port (1 to 65535)`);
  }
  if (scheme === "turns" && transport?.toLowerCase() === "udp") {
    throw refuse("turns: goes over TCP: leave transport=udp out");
  }
  const isTurn = scheme.startsWith("turn");
  if (isTurn && username === undefined) throw refuse("a TURN server needs turn:user:secret@host");
  if (!isTurn && username !== undefined) throw refuse("a STUN server takes no user and secret");
  return {
    scheme,
    address,
    ...(transport === undefined ? {} : { transport: transport.toLowerCase() as "udp" | "tcp" }),
    ...(username === undefined ? {} : { username: unescape(username) }),
    ...(password === undefined ? {} : { password: unescape(password) }),
  };
}

function unescape(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refuse("user and secret are badly escaped (% is written %25)");
  }
}

/** The value may hold a password: it is not repeated. */
function refuse(problem: string): BadInput {
  const example = "Example: --ice-server stun:stun.example.org:3478";
  return new BadInput(`--ice-server: ${problem}. ${example}`);
}
