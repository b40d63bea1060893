/** What an agent tells its driver. */
import type { Candidate } from "./candidate.ts";
import type { TransportAddress } from "./stun/address.ts";

/** How far an agent has come. It is "failed" or "disconnected" until a check is answered again. */
export type IceState = "new" | "checking" | "connected" | "disconnected" | "failed" | "closed";

/** Where data goes. */
export interface IcePath {
  readonly baseId: number;
  readonly destination: TransportAddress;
  /** As the peer sees us on this path. */
  readonly local: Candidate;
  readonly remote: Candidate;
  /** Smoothed, in ms; undefined before one was measured. */
  readonly rtt: number | undefined;
  /** Whether a TURN server is on the way, of either side. */
  readonly isRelayed: boolean;
}

/** One of the pairs of addresses that were tried. */
export interface PairReport extends IcePath {
  readonly state: "waiting" | "in-progress" | "succeeded" | "failed";
  readonly isSelected: boolean;
}

/** What happened. */
export type IceEvent =
  /** To be told to the other side. */
  | { readonly type: "candidate"; readonly candidate: Candidate; readonly baseId: number }
  /** No more candidates come, unless bases are added (RFC 8838, section 13). */
  | { readonly type: "gathering-finished" }
  /** Data goes there from now on. */
  | { readonly type: "selected"; readonly path: IcePath }
  | {
    readonly type: "state";
    readonly state: "checking" | "connected" | "disconnected" | "failed";
    readonly reason?: string;
  };
