/** Who may reach what at this node: what every ingress asks, at every open, before it dials. */
import type { Peer } from "../identity/verify.ts";
import type { Target } from "./target.ts";

/** The node that asks. */
export interface AccessPeer {
  /** As the log names it. */
  readonly name: string;
  /** By its certificate; undefined on a link without certificates. */
  readonly identity: Peer | undefined;
}

/** What may be asked for: a target, to listen here, or a measurement of the link. */
export type Wanted =
  | Target
  | { readonly kind: "listen"; readonly host: string; readonly port: number }
  | { readonly kind: "bench" };

/** One request. */
export interface Opening {
  readonly peer: AccessPeer;
  readonly wanted: Wanted;
  /** The address that is to be dialled, where what is wanted has one. */
  readonly address?: string;
}

/** Whether it is allowed; else why not, in words for the peer and the log. */
export type Verdict =
  | { readonly isAllowed: true }
  | { readonly isAllowed: false; readonly reason: string };

/** The rules of one node. */
export interface Access {
  judge(opening: Opening): Verdict;
}
