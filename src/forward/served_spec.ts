/** Whatever a node listens for on behalf of its clients, and how it is named. */
import { formatTarget } from "../access/target.ts";
import { formatForwardSpec, formatListenAddress, type ForwardSpec } from "./forward_spec.ts";
import type { SocksSpec } from "./socks/socks_spec.ts";

/** A forward to a target, or to whatever each client asks for. */
export type ServedSpec = ForwardSpec | SocksSpec;

/** As a user would write it, of any kind. */
export function formatServedSpec(spec: ServedSpec): string {
  return "socks" in spec ? `socks:${formatListenAddress(spec.listen)}` : formatForwardSpec(spec);
}

/** What is reached by it, in a word or two. */
export function describeTarget(spec: ServedSpec): string {
  return "socks" in spec ? "SOCKS5 and HTTP CONNECT" : formatTarget(spec.target);
}
