/** Where this host can be reached. */
import { canonicalAddress } from "../socket/endpoint.ts";

/**
 * The addresses that host candidates are gathered on: all of this host but link-local ones, which
 * mean nothing without an interface. Loopback is among them, and comes last.
 */
export function hostAddresses(): string[] {
  const addresses = Deno.networkInterfaces()
    .map(({ address }) => canonicalAddress(address.split("%")[0] ?? ""))
    .filter((address): address is string =>
      address !== undefined && !/^(169\.254\.|fe[89ab])/.test(address)
    );
  const isLocal = (address: string) => address === "::1" || address.startsWith("127.");
  return [
    ...new Set([
      ...addresses.filter((address) => !isLocal(address)),
      ...addresses.filter(isLocal),
    ]),
  ];
}
