/**
 * What a node needs of a signaling server: an ingress waits with {@link IngressWaiter}, an egress
 * calls with {@link openEgressSession}. Both carry sealed text and cannot read it; sealing, opening
 * and judging is done by those who use them.
 *
 * @module
 */
export { AetherlightError, type AetherlightErrorCode, isTransient } from "./aetherlight_request.ts";
export { backoffDelay } from "./aetherlight_backoff.ts";
export { type ClientTiming } from "./aetherlight_timing.ts";
export {
  IngressWaiter,
  type IngressWaiterOptions,
  type WaiterState,
} from "./aetherlight_waiter.ts";
export {
  EgressSession,
  type EgressSessionOptions,
  openEgressSession,
} from "./aetherlight_session.ts";
