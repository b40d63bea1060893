/** Forwards that could not all listen. */
import { BadInput } from "../bad_input.ts";
import type { ListenAddress } from "../forward/forward_spec.ts";
import { formatServedSpec, type ServedSpec } from "../forward/served_spec.ts";
import { formatEndpoint } from "../socket/endpoint.ts";

/** Throws {@link BadInput} where two of them listen at one address. */
export function requireOwnAddresses(specs: readonly ServedSpec[]): void {
  const taken = new Map<string, ServedSpec>();
  for (const spec of specs) {
    for (const address of addressesOf(spec.listen)) {
      const other = taken.get(address);
      if (other !== undefined) throw conflict(address, [other, spec]);
      taken.set(address, spec);
    }
  }
}

/** Any free port is another one. */
function addressesOf(listen: ListenAddress): string[] {
  if (listen.kind === "unix") return [listen.path];
  const { kind, host, port } = listen;
  if (port === 0) return [];
  const hosts = host === "localhost" ? ["127.0.0.1", "::1"] : [host];
  return hosts.map((one) => formatEndpoint({ host: one, port }) + (kind === "udp" ? "/udp" : ""));
}

function conflict(address: string, specs: readonly ServedSpec[]): BadInput {
  const [one = "", other = ""] = specs.map((spec) => JSON.stringify(formatServedSpec(spec)));
  return new BadInput(`${one} and ${other} both listen at ${address}: give one another address`);
}
