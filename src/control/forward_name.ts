/** How a user names a forward that is running: by where it listens, or by its whole spec. */
import { BadInput } from "../bad_input.ts";
import {
  formatForwardSpec,
  formatListenAddress,
  type ListenAddress,
  parseForwardSpecs,
} from "../forward/forward_spec.ts";
import { formatServedSpec, type ServedSpec } from "../forward/served_spec.ts";
import { formatEndpoint, parseHost, parsePort, SpecError, splitSpec } from "../socket/endpoint.ts";

const udpSuffix = "/udp";

/**
 * Reads what names one forward or, of a range, several: a spec, `[lhost:]lport[/udp]` or a path.
 * The result is compared with {@link namesOf}. Throws {@link BadInput}.
 */
export function parseForwardName(text: string): string[] {
  try {
    return [parseListenName(text)];
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
  }
  try {
    return parseForwardSpecs(text).map(formatForwardSpec);
  } catch (error) {
    if (!(error instanceof BadInput)) throw error;
    throw new BadInput(
      `${JSON.stringify(text)} names no forward: give the address where it listens, or its spec. ` +
        "Example: 127.0.0.1:8080",
    );
  }
}

/** All names of a forward: its spec, where it was told to listen, and where it does. */
export function namesOf(spec: ServedSpec, addresses: readonly string[]): string[] {
  const { listen } = spec;
  return [
    formatServedSpec(spec),
    withKind(formatListenAddress(listen), listen.kind),
    ...addresses.map((address) => withKind(address, listen.kind)),
  ];
}

function parseListenName(text: string): string {
  if (text.startsWith("/")) {
    if (text.includes(":")) throw new SpecError(1, "a path has no colon");
    return text;
  }
  const isUdp = text.endsWith(udpSuffix);
  const fields = splitSpec(isUdp ? text.slice(0, -udpSuffix.length) : text);
  if (fields.length === 1) fields.unshift({ text: "localhost", column: 1 });
  const [host, port, extra] = fields;
  if (host === undefined || port === undefined || extra !== undefined) {
    throw new SpecError(1, "no address");
  }
  const endpoint = { host: parseHost(host), port: parsePort(port, { min: 0 }) };
  return withKind(formatEndpoint(endpoint), isUdp ? "udp" : "tcp");
}

/** One address may be listened on for TCP and for UDP. */
function withKind(address: string, kind: ListenAddress["kind"]): string {
  return kind === "udp" ? address + udpSuffix : address;
}
