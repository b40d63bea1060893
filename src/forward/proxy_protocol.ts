/** Which targets are told of the client by a PROXY header, and telling them. */
import type { AccessPeer } from "../access/access.ts";
import {
  type ExecTarget,
  parseTarget,
  type StreamTarget,
  type Target,
  type UdpTarget,
} from "../access/target.ts";
import { BadInput } from "../bad_input.ts";
import { messageOf } from "../message_of.ts";
import type { Connection } from "../socket/connection.ts";
import { type Endpoint, isThisHost, SpecError } from "../socket/endpoint.ts";
import { parseClient } from "./client_address.ts";
import { DialError } from "./dial_error.ts";
import { type ProxyHeaderOptions, writeProxyHeader } from "./proxy_header.ts";

/** One target that expects headers. */
export interface ProxyRule {
  readonly version: ProxyHeaderOptions["version"];
  readonly target: Exclude<Target, ExecTarget>;
}

/** For whom a target was dialled. */
export interface ProxyClient {
  readonly peer: AccessPeer;
  /** As the other node tells it; it may never come, from nodes that know nothing of this. */
  readonly client: Promise<string | undefined>;
}

/** What knows of it says with its first message; others are waited for so long, in ms. */
const clientTimeout = 2_000;
const usage = "expected v1=host:port or v2=host:port";

/** Reads one `--proxy-protocol` value, `v1=host:port` or `v2=/path`. Throws {@link BadInput}. */
export function parseProxyRule(spec: string): ProxyRule {
  const [prefix = "", version] = /^v([12])=/.exec(spec) ?? [];
  try {
    if (version === undefined) throw new SpecError(1, usage);
    const target = parseTarget(spec.slice(prefix.length));
    if (target.kind === "udp" && version === "1") {
      throw new SpecError(1, "version 1 knows no datagrams, version 2 does");
    }
    if (target.kind === "exec") throw new SpecError(prefix.length + 1, "a command takes no header");
    return { version: version === "1" ? 1 : 2, target };
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw new BadInput(
      `--proxy-protocol ${JSON.stringify(spec)}: ${error.message}. ` +
        "Example: --proxy-protocol v2=127.0.0.1:80",
    );
  }
}

/**
 * Writes the header that the target expects, where it expects one, before anything else. Throws
 * {@link DialError} where the target does not take it; the connection is reset then.
 */
export async function greetTarget(
  connection: Connection,
  { rules, target, peer, client }: ProxyClient & {
    readonly rules: readonly ProxyRule[];
    readonly target: StreamTarget;
  },
): Promise<void> {
  const rule = rules.find((one) => isSameTarget(one.target, target));
  if (rule === undefined) return;
  const source = await withinTimeout(client);
  const header = writeProxyHeader({
    version: rule.version,
    transport: "tcp",
    source: source === undefined ? undefined : parseClient(source),
    destination: parseClient(connection.remote),
    peerName: vouchedName(peer),
  });
  try {
    await connection.write(header);
  } catch (error) {
    connection.reset();
    throw new DialError("unreachable", `the target took no PROXY header: ${messageOf(error)}`);
  }
}

async function withinTimeout(client: Promise<string | undefined>): Promise<string | undefined> {
  const { promise: tooLate, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), clientTimeout);
  try {
    return await Promise.race([client, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

/** What stands before each datagram for the target; undefined where it expects nothing. */
export function datagramHeader(
  { rules, target, address, peer, client }: {
    readonly rules: readonly ProxyRule[];
    readonly target: UdpTarget;
    /** What the target's name was resolved to. */
    readonly address: string;
    readonly peer: AccessPeer;
    readonly client: Endpoint | undefined;
  },
): Uint8Array<ArrayBuffer> | undefined {
  const rule = rules.find((one) => isSameTarget(one.target, target));
  return rule && writeProxyHeader({
    ...{ version: rule.version, transport: "udp", source: client },
    destination: { host: address, port: target.port },
    peerName: vouchedName(peer),
  });
}

/** Where nobody vouches for a name it is a claim, which the target could not tell from others. */
function vouchedName({ identity }: AccessPeer): string | undefined {
  return identity?.vouchedBy === "chain" ? identity.name : undefined;
}

/** Whether both name one target; as in `--allow`, the names of this host are one. */
export function isSameTarget(one: Target, other: Target): boolean {
  if (one.kind === "unix") return other.kind === "unix" && one.path === other.path;
  if (one.kind === "exec" || other.kind === "exec" || other.kind === "unix") return false;
  if (one.kind !== other.kind || one.port !== other.port) return false;
  return one.host === other.host || (isThisHost(one.host) && isThisHost(other.host));
}
