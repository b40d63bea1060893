/** Forwards that could not all listen. */
import { BadInput } from "../bad_input.ts";
import { formatServedSpec, type ServedSpec } from "../forward/served_spec.ts";
import { canonicalAddress, formatEndpoint } from "../socket/endpoint.ts";

/** On Linux a TCP listener of all IPv6 addresses takes those of IPv4, too. */
const isDualStack = Deno.build.os === "linux";

/** Where a forward listens, in one of its places. */
interface Place {
  readonly spec: ServedSpec;
  /** The protocol and port; a path. */
  readonly door: string;
  /** Empty where the door is a path. */
  readonly host: string;
  /** For people. */
  readonly text: string;
}

/** Throws {@link BadInput} where two of them listen at one address. */
export function requireOwnAddresses(specs: readonly ServedSpec[]): void {
  const taken = new Map<string, Place[]>();
  for (const place of specs.flatMap(placesOf)) {
    const others = taken.get(place.door) ?? [];
    const other = others.find((other) => covers(other, place) || covers(place, other));
    if (other !== undefined) throw conflict(other, place);
    taken.set(place.door, [...others, place]);
  }
}

/** Any free port is another one. */
function placesOf(spec: ServedSpec): Place[] {
  const { listen } = spec;
  if (listen.kind === "unix") return [{ spec, door: listen.path, host: "", text: listen.path }];
  const { kind, host, port } = listen;
  if (port === 0) return [];
  const hosts = host === "localhost" ? ["127.0.0.1", "::1"] : [host];
  return hosts.map((host) => ({
    ...{ spec, door: `${kind} ${port}`, host },
    text: formatEndpoint({ host, port }) + (kind === "udp" ? "/udp" : ""),
  }));
}

/** Whether all of one place, at the same door, lies in the other. */
function covers(outer: Place, inner: Place): boolean {
  if (outer.host === inner.host) return true;
  const isIpv6 = inner.host.includes(":");
  // Where a name leads is known when it is listened on.
  if (canonicalAddress(inner.host) === undefined) return false;
  if (outer.host === "0.0.0.0") return !isIpv6;
  return outer.host === "::" && (isIpv6 || (isDualStack && inner.spec.listen.kind === "tcp"));
}

function conflict(one: Place, other: Place): BadInput {
  const [first = "", second = ""] = [one, other].map(({ spec }) =>
    JSON.stringify(formatServedSpec(spec))
  );
  const { text } = covers(one, other) ? other : one;
  return new BadInput(`${first} and ${second} both listen at ${text}: give one another address`);
}
