/** What the parts of a TURN client share. */
import type { Instant } from "../../sans_io.ts";
import type { Requests } from "./requests.ts";
import type { TurnEvent } from "./turn_event.ts";
import type { TurnFailure } from "./turn_failure.ts";

/** The client, as its parts see it. */
export interface TurnContext {
  readonly requests: Requests;
  emit(event: TurnEvent): void;
  /** The allocation is lost. */
  fail(failure: TurnFailure): void;
  /** A request that the server refused may mean that it has lost the allocation: it is asked. */
  doubt(now: Instant): void;
}

/** Peers that are remembered, and addresses of theirs. */
export const maxPeerCount = 64;

/** What was asked for in vain is asked for again after so long, in ms. */
export const retryDelays = { transient: 1_000, refused: 60_000 } as const;

/** What has not been used for so long is not refreshed any more, in ms. */
export const idleTimeout = 240_000;
