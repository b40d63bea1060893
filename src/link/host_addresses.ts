/** Where this host can be reached, and when that changes. */
import { canonicalAddress } from "../socket/endpoint.ts";

/** How often the addresses are looked at while anybody wants to know, in ms. */
const watchInterval = 1_000;

const watchers = new Set<(addresses: readonly string[]) => void>();
let watched = "";
let timer: ReturnType<typeof setInterval> | undefined;

/** Tells of all addresses when they have changed, until the returned function is called. */
export function watchHostAddresses(
  handleChanged: (addresses: readonly string[]) => void,
): () => void {
  if (watchers.size === 0) {
    watched = hostAddresses().join();
    timer = setInterval(look, watchInterval);
  }
  // Two watchers may be the same function.
  const watcher = (addresses: readonly string[]) => handleChanged(addresses);
  watchers.add(watcher);
  return () => {
    if (watchers.delete(watcher) && watchers.size === 0) clearInterval(timer);
  };
}

function look(): void {
  const addresses = hostAddresses();
  if (addresses.join() === watched) return;
  watched = addresses.join();
  for (const watcher of watchers) watcher(addresses);
}

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
