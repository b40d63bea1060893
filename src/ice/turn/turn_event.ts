/** What a TURN client tells its driver. */
import type { TransportAddress } from "../stun/address.ts";
import type { TurnFailureCode } from "./turn_failure.ts";

/** After `alternate` and `failed` nothing comes any more. */
export type TurnEvent =
  | {
    readonly type: "allocated";
    /** Where peers reach us. */
    readonly relayed: TransportAddress;
    /** Where the server sees us. */
    readonly mapped: TransportAddress;
    readonly lifetimeSeconds: number;
  }
  /** RFC 8489 section 10: the server wants another one to be asked; it may be the one before. */
  | { readonly type: "alternate"; readonly server: TransportAddress }
  | { readonly type: "failed"; readonly code: TurnFailureCode; readonly reason: string }
  /** The server does not let us send to this address. */
  | { readonly type: "refused"; readonly address: string; readonly reason: string };
