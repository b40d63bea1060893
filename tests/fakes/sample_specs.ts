/** Forwards and peers that tests name. */
import type { AccessPeer } from "../../src/access/access.ts";
import { type ForwardSpec, parseForwardSpecs } from "../../src/forward/forward_spec.ts";

/** The one forward that a spec makes. */
export function forwardSpec(text: string): ForwardSpec {
  const [spec, other] = parseForwardSpecs(text);
  if (spec === undefined || other !== undefined) throw new Error(`${text} is not one forward`);
  return spec;
}

/** A peer without a certificate. */
export const somePeer: AccessPeer = { name: "AB:CD", identity: undefined };
