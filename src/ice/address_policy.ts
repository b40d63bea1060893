/**
 * Which addresses checks are never sent to. The other side names the addresses that we send to: it
 * is not to make us knock at our own services, at the whole network, or at what only we can reach.
 */
import type { Candidate } from "./candidate.ts";
import { parseAddress, type TransportAddress } from "./stun/address.ts";

/** What kind of place an address is. */
export type AddressScope = "unspecified" | "multicast" | "loopback" | "link-local" | "unicast";

/** The scope of an address in canonical spelling; undefined where the text is no such address. */
export function scopeOf(address: string): AddressScope | undefined {
  const bytes = parseAddress(address);
  if (bytes === undefined) return undefined;
  return bytes.length === 4 ? ipv4Scope(bytes) : ipv6Scope(bytes);
}

/** RFC 6890, section 2.2.2. What is reserved for ever (240/4) and broadcast count as multicast. */
function ipv4Scope([first = 0, second = 0]: Uint8Array): AddressScope {
  if (first === 0) return "unspecified";
  if (first === 127) return "loopback";
  if (first >= 224) return "multicast";
  return first === 169 && second === 254 ? "link-local" : "unicast";
}

/** RFC 4291, section 2.4. */
function ipv6Scope(bytes: Uint8Array): AddressScope {
  const [first = 0, second = 0] = bytes;
  if (first === 0xff) return "multicast";
  if (first === 0xfe && (second & 0xc0) === 0x80) return "link-local";
  // Section 2.5.5.1: addresses compatible with IPv4 are long out of use.
  if (bytes.subarray(0, 12).some((byte) => byte !== 0)) return "unicast";
  const isLoopback = bytes[15] === 1 && bytes.subarray(12, 15).every((byte) => byte === 0);
  return isLoopback ? "loopback" : "unspecified";
}

/** What is refused, and why. */
export interface AddressPolicy {
  readonly isLinkLocalAllowed: boolean;
  readonly isLoopbackAllowed: boolean;
}

/** RFC 8445, section 5.1.2: "a positive integer between 1 and (2**31 - 1)". */
const maxPriority = 2 ** 31 - 1;

/** Why a candidate of the peer is refused; undefined where it is fine. */
export function candidateDefect(candidate: Candidate, policy: AddressPolicy): string | undefined {
  const { priority } = candidate;
  const isPriority = Number.isInteger(priority) && priority >= 1 && priority <= maxPriority;
  return isPriority ? addressDefect(candidate, policy) : "its priority is not 1 to 2^31 - 1";
}

/** Why an address is refused; undefined where it is fine. */
export function addressDefect(
  { address, port }: TransportAddress,
  policy: AddressPolicy,
): string | undefined {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return "its port is not 1 to 65535";
  const scope = scopeOf(address);
  switch (scope) {
    case undefined: // A name, as those in .local that stand for a hidden address.
      return "it is not an IP address";
    case "unspecified":
    case "multicast":
      return `its address is ${scope}`; // CHECK I10
    case "link-local":
      return policy.isLinkLocalAllowed ? undefined : "its address is link-local"; // CHECK I10
    case "loopback":
      return policy.isLoopbackAllowed ? undefined : "its address is loopback"; // CHECK I10
    case "unicast":
      return undefined;
    default:
      return scope satisfies never;
  }
}
