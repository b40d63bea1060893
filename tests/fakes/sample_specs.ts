/** Forwards and peers that tests name. */
import type { AccessPeer } from "../../src/access/access.ts";
import type { Peer } from "../../src/identity/verify.ts";
import { type ForwardSpec, parseForwardSpecs } from "../../src/forward/forward_spec.ts";

/** The one forward that a spec makes. */
export function forwardSpec(text: string): ForwardSpec {
  const [spec, other] = parseForwardSpecs(text);
  if (spec === undefined || other !== undefined) throw new Error(`${text} is not one forward`);
  return spec;
}

/** A peer without a certificate. */
export const somePeer: AccessPeer = { name: "AB:CD", identity: undefined };

/** A peer whose name and labels an authority vouches for. */
export function vouchedPeer(name: string, labels: Readonly<Record<string, string>>): AccessPeer {
  const identity: Peer = {
    ...{
      name,
      labels: new Map(Object.entries(labels)),
      keyId: "a".repeat(52),
      vouchedBy: "chain",
      fingerprint: "AB:CD",
    },
    ...{ publicKey: new Uint8Array(91), serialNumber: "01", authorities: [], notAfter: Infinity },
  };
  return { name, identity };
}
