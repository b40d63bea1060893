/** How long a client of a signaling server waits for what. */
import { backoffDelay, randomFraction } from "./aetherlight_backoff.ts";
import { HEARTBEAT_MILLISECONDS, POLL_MILLISECONDS, SESSION_MILLISECONDS } from "./wire.ts";

/** Times in ms. */
export interface ClientTiming {
  /** For one request with its answer. */
  readonly requestMilliseconds: number;
  /** For one long poll with its answer. */
  readonly pollMilliseconds: number;
  /** Between a poll that brought nothing and the next. */
  readonly emptyPollMilliseconds: number;
  /** For a WebSocket to be ready; after it, polling takes its place. */
  readonly openMilliseconds: number;
  /** Between two signs of life over a WebSocket. A server is dead when it lets one pass. */
  readonly heartbeatMilliseconds: number;
  /** How long one message is tried to be posted. */
  readonly postMilliseconds: number;
  /** For the request with which a client leaves. */
  readonly leaveMilliseconds: number;
  /** A connection that held this long was a good one: the next loss is retried quickly again. */
  readonly stableMilliseconds: number;
  /** How long a session lasts. */
  readonly sessionMilliseconds: number;
  /** The wait before try number `attempt` + 2. */
  readonly backoff: (attempt: number) => number;
  /** The wait between two looks whether the node that took over is still there. */
  readonly standBy: () => number;
}

/** The times where none are given. */
export const DEFAULT_TIMING: ClientTiming = {
  requestMilliseconds: 10_000,
  pollMilliseconds: POLL_MILLISECONDS + 10_000,
  emptyPollMilliseconds: 500,
  openMilliseconds: 5_000,
  heartbeatMilliseconds: HEARTBEAT_MILLISECONDS,
  postMilliseconds: 20_000,
  leaveMilliseconds: 2_000,
  stableMilliseconds: 30_000,
  sessionMilliseconds: SESSION_MILLISECONDS,
  backoff: backoffDelay,
  standBy: () => 20_000 + 20_000 * randomFraction(),
};
