/**
 * Dials a target that was allowed: a port, whose name is resolved once and whose addresses are tried
 * in turn, a Unix socket, or a command.
 */
import type { StreamTarget } from "../access/target.ts";
import { canonicalAddress, type Endpoint, isThisHost } from "../socket/endpoint.ts";
import { dialTcp } from "../socket/choose_tcp_sockets.ts";
import type { Connection } from "../socket/connection.ts";
import { dialUnix } from "../socket/unix_socket.ts";
import { DialError } from "./dial_error.ts";

/** For all of it: the name, and every address. In ms. */
const dialTimeout = 10_000;
/** Further addresses of a name are not tried. */
const maxAddressCount = 8;

/** How a target is dialled. */
export interface DialTargetOptions {
  /** Gives up early. */
  readonly signal: AbortSignal;
  /** Starts the command of that name. Throws {@link DialError}; there is none unless given. */
  readonly startCommand?: (name: string) => Connection;
  /**
   * Is given all addresses of a host, once, and returns those that may be dialled: no others are; none
   * where nothing but an address is dialled. What it throws ends the dial.
   */
  readonly permit?: (addresses: readonly string[]) => readonly string[];
  /** All addresses of a name; the system's resolver unless given. */
  readonly lookup?: (name: string) => Promise<string[]>;
}

/** Dials the target. Throws {@link DialError}. */
export async function dialTarget(
  target: StreamTarget,
  options: DialTargetOptions,
): Promise<Connection> {
  const { signal, permit, startCommand = noCommand } = options;
  if (target.kind === "tcp") return await dialEndpoint(target, options);
  permit?.([]);
  return target.kind === "unix" ? await dialPath(target.path, signal) : startCommand(target.name);
}

async function dialPath(path: string, signal: AbortSignal): Promise<Connection> {
  const limit = AbortSignal.timeout(dialTimeout);
  try {
    return await dialUnix({ path, signal: AbortSignal.any([signal, limit]) });
  } catch (error) {
    throw limit.aborted ? overdue() : toDialError(error);
  }
}

async function dialEndpoint(
  target: Endpoint,
  { signal, permit = (all) => all, lookup = systemLookup }: DialTargetOptions,
): Promise<Connection> {
  const deadline = Date.now() + dialTimeout;
  const addresses = permit(await resolveHost(target.host, { signal, deadline, lookup }));
  let failure = new DialError("unresolved", `${target.host} has no address`);
  for (const [position, address] of addresses.entries()) {
    const share = (deadline - Date.now()) / (addresses.length - position);
    if (share <= 0 || signal.aborted) break;
    const limit = AbortSignal.timeout(Math.ceil(share));
    try {
      const both = AbortSignal.any([signal, limit]);
      return await dialTcp({ address, port: target.port, signal: both });
    } catch (error) {
      failure = limit.aborted ? overdue() : toDialError(error);
    }
  }
  throw failure;
}

/** The addresses a host means, in the order they are tried. Rejects with a {@link DialError}. */
export async function resolveHost(
  host: string,
  { signal, deadline, lookup = systemLookup }:
    & { readonly deadline: number }
    & Pick<DialTargetOptions, "signal" | "lookup">,
): Promise<string[]> {
  if (isThisHost(host)) return host.includes(":") ? ["::1", "127.0.0.1"] : ["127.0.0.1", "::1"];
  if (canonicalAddress(host) !== undefined) return [host];
  const limit = AbortSignal.any([signal, AbortSignal.timeout(deadline - Date.now())]);
  const { promise: gaveUp, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(new DialError("timeout", `${host} did not resolve in time`));
  limit.addEventListener("abort", giveUp, { once: true });
  try {
    const found = await Promise.race([lookup(host), gaveUp]);
    return found.slice(0, maxAddressCount);
  } catch (error) {
    if (error instanceof DialError) throw error;
    throw new DialError("unresolved", `${host} does not resolve`);
  } finally {
    limit.removeEventListener("abort", giveUp);
  }
}

function overdue(): DialError {
  return new DialError("timeout", "the target did not answer in time");
}

function noCommand(name: string): never {
  throw new DialError("denied", `there is no command ${name}`);
}

async function systemLookup(name: string): Promise<string[]> {
  const { lookup } = await import("node:dns/promises");
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

function toDialError(error: unknown): DialError {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ECONNREFUSED":
      return new DialError("unreachable", "the target refused the connection");
    case "ENOENT":
      return new DialError("unreachable", "there is no such socket");
    case "ETIMEDOUT":
      return overdue();
    case "EMFILE":
    case "ENFILE":
      return new DialError("exhausted", "this node has no descriptors left");
    default:
      return new DialError("unreachable", message);
  }
}
