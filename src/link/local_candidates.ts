/** Which of this node's candidates the other one is told, and in which order they are preferred. */
import { canonicalAddress } from "../socket/endpoint.ts";
import { type Candidate, isLoopback } from "./session_description.ts";

/** RFC 8445, section 5.1.2.2. */
const typePreference = { host: 126, prflx: 110, srflx: 100, relay: 0 } as const;

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

/**
 * The candidates to give. Loopback addresses reach nobody but this host: they are given where there
 * is no other address, or where the other side names one of our own addresses and so may be here.
 */
export function candidatesToGive(
  gathered: readonly Candidate[],
  otherSide: readonly Candidate[],
): Candidate[] {
  const own = new Set(gathered.map(({ address }) => address));
  const elsewhere = gathered.filter((candidate) => !isLoopback(candidate));
  const isSameHost = otherSide.some(({ address }) => own.has(address));
  const given = elsewhere.length === 0 || isSameHost ? gathered : elsewhere;
  return given.map((candidate, position) => ({
    ...candidate,
    foundation: String(position + 1),
    priority: priorityOf(candidate, position),
  }));
}

/** RFC 8445, section 5.1.2.1, for component 1; loopback ranks below every other type. */
function priorityOf(candidate: Candidate, position: number): number {
  if (isLoopback(candidate)) return (255 - position) * 2 ** 8 + 255;
  return typePreference[candidate.type] * 2 ** 24 + (65_535 - position) * 2 ** 8 + 255;
}
