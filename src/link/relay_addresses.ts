/** The addresses of a server's name, in the order in which they are tried. */
import { lookup } from "node:dns/promises";
import { canonicalAddress, isThisHost } from "../socket/endpoint.ts";

/** Further ones are not tried. */
const maxAddressCount = 4;

/** Resolves a name; an address is its own. Rejects with what the system says. */
export async function resolveServer(host: string): Promise<string[]> {
  const address = canonicalAddress(host);
  if (address !== undefined) return [address];
  // Some systems' resolvers do not know it.
  if (isThisHost(host)) return ["127.0.0.1", "::1"];
  const found = await lookup(host, { all: true });
  return inTurns(found.map(({ address }) => canonicalAddress(address) ?? address))
    .slice(0, maxAddressCount);
}

/**
 * One of each family by turns (RFC 8305, section 4), beginning with the system's first: where one
 * family leads nowhere, the second attempt succeeds.
 */
export function inTurns(addresses: readonly string[]): string[] {
  const isIpv6 = (address: string) => address.includes(":");
  const [first] = addresses;
  if (first === undefined) return [];
  const preferred = addresses.filter((one) => isIpv6(one) === isIpv6(first));
  const others = addresses.filter((one) => isIpv6(one) !== isIpv6(first));
  return preferred.flatMap((one, at) => [one, ...others.slice(at, at + 1)])
    .concat(others.slice(preferred.length));
}
