/** The end of paths: consent that has expired (RFC 7675), and checks that all have failed. */
import type { Instant } from "../sans_io.ts";
import type { Context } from "./context.ts";

/**
 * RFC 8863 section 4: "The RECOMMENDED duration for the PAC timer is equal to the agent's connectivity
 * check transaction timeout, including all retransmissions."
 */
const patience = 39_500;

/**
 * RFC 7675 section 5.1: "if a valid STUN binding response has not been received from the remote peer's
 * transport address in 30 seconds, the endpoint MUST cease transmission on that 5-tuple." Departs from
 * it: checks go on with the same credentials, so that the path returns by itself when the network
 * does.
 */
export function expireConsent(context: Context, now: Instant): void {
  for (const pair of context.pairs()) {
    if (pair.state !== "succeeded" || pair.monitor?.hasConsent(now) !== false) continue;
    pair.state = "failed";
    if (context.nominee === pair) context.nominee = undefined;
    if (context.selected === pair) context.deselect(now); // CHECK I5
  }
}

/** When the next path loses its consent. */
export function nextExpiryAt(context: Context): Instant {
  let next = Infinity;
  for (const { state, monitor } of context.pairs()) {
    if (state === "succeeded") next = Math.min(next, monitor?.consentExpiresAt ?? Infinity);
  }
  return next;
}

/** Says that it is lost, when it is: where a path was, or never was. */
export function judgeFailure(context: Context, now: Instant): void {
  if (context.selected !== undefined) return;
  if (context.state === "connected") {
    context.setState("disconnected", "no check was answered for 30 s, or the network is gone");
  }
  if (context.state !== "checking" || now < failureAt(context)) return;
  const pairs = context.generation.checkList.all();
  // RFC 8863 section 4: not before, however soon all pairs have failed.
  const isOpen = pairs.some(({ state }) => state === "waiting" || state === "in-progress");
  if (!isOpen) context.setState("failed", reasonOf(context));
}

/** Before which nothing has failed, since candidates of the peer may still come. */
export function failureAt({ generation, state }: Context): Instant {
  if (state !== "checking" || generation.peer === undefined) return Infinity;
  const { hasAllRemoteCandidates, lastRemoteCandidateAt, peer } = generation;
  const since = hasAllRemoteCandidates ? peer.since : Math.max(peer.since, lastRemoteCandidateAt);
  return since + patience;
}

function reasonOf({ generation, local }: Context): string {
  const { checkList, remotes } = generation;
  if ([...local.bases()].length === 0) return "there is no network here";
  if (remotes.all().length === 0) return "the peer has told no address";
  if (checkList.all().length === 0) return "no address of the peer can be reached from here";
  return `none of ${checkList.all().length} pairs of addresses has answered`;
}
