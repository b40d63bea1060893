/** Dials a target that was allowed: resolves its name once, tries its addresses in turn. */
import type { StreamTarget } from "../access/target.ts";
import { canonicalAddress, type Endpoint, isThisHost } from "../socket/endpoint.ts";
import { dialTcp } from "../socket/choose_tcp_sockets.ts";
import type { Connection } from "../socket/connection.ts";

import type { RefusalCode } from "../tunnel/control_message.ts";

/** For all of it: the name, and every address. In ms. */
const dialTimeout = 10_000;
/** Further addresses of a name are not tried. */
const maxAddressCount = 8;

/** Why a target could not be dialled. */
export class DialError extends Error {
  override readonly name = "DialError";

  constructor(readonly code: RefusalCode, message: string) {
    super(message);
  }
}

/** Dials the target. Throws {@link DialError}; the signal gives up early. */
export function dialTarget(
  target: StreamTarget,
  { signal }: { signal: AbortSignal },
): Promise<Connection> {
  if (target.kind !== "tcp") throw new DialError("unreachable", "not there yet");
  return dialEndpoint(target, signal);
}

async function dialEndpoint(target: Endpoint, signal: AbortSignal): Promise<Connection> {
  const deadline = Date.now() + dialTimeout;
  const addresses = await resolveHost(target.host, { signal, deadline });
  let failure = new DialError("unresolved", `${target.host} has no address`);
  for (const [position, address] of addresses.entries()) {
    const share = (deadline - Date.now()) / (addresses.length - position);
    if (share <= 0 || signal.aborted) break;
    const limit = AbortSignal.timeout(Math.ceil(share));
    try {
      const both = AbortSignal.any([signal, limit]);
      return await dialTcp({ address, port: target.port, signal: both });
    } catch (error) {
      failure = limit.aborted
        ? new DialError("timeout", "the target did not answer in time")
        : toDialError(error);
    }
  }
  throw failure;
}

/** The addresses a host means, in the order they are tried. */
async function resolveHost(
  host: string,
  { signal, deadline }: { signal: AbortSignal; deadline: number },
): Promise<string[]> {
  if (isThisHost(host)) return host.includes(":") ? ["::1", "127.0.0.1"] : ["127.0.0.1", "::1"];
  if (canonicalAddress(host) !== undefined) return [host];
  const limit = AbortSignal.any([signal, AbortSignal.timeout(deadline - Date.now())]);
  const { promise: gaveUp, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(new DialError("timeout", `${host} did not resolve in time`));
  limit.addEventListener("abort", giveUp, { once: true });
  try {
    const { lookup } = await import("node:dns/promises");
    const found = await Promise.race([lookup(host, { all: true }), gaveUp]);
    return found.slice(0, maxAddressCount).map(({ address }) => address);
  } catch (error) {
    if (error instanceof DialError) throw error;
    throw new DialError("unresolved", `${host} does not resolve`);
  } finally {
    limit.removeEventListener("abort", giveUp);
  }
}

function toDialError(error: unknown): DialError {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ECONNREFUSED":
      return new DialError("unreachable", "the target refused the connection");
    case "ETIMEDOUT":
      return new DialError("timeout", "the target did not answer in time");
    case "EMFILE":
    case "ENFILE":
      return new DialError("exhausted", "this node has no descriptors left");
    default:
      return new DialError("unreachable", message);
  }
}
