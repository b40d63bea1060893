/** How an association comes about: RFC 9260, section 5. */
import type { Instant } from "../sans_io.ts";
import { agree } from "./capabilities.ts";
import type { Context } from "./context.ts";
import { createTag } from "./own_init.ts";
import { writeAbort } from "./packet/abort_chunk.ts";
import { chunkTypes } from "./packet/chunk_type.ts";
import { writeCookieAck, writeCookieEcho } from "./packet/cookie_chunk.ts";
import {
  cookieReceivedWhileShuttingDown,
  protocolViolation,
  staleCookie,
  unrecognizedParameters,
} from "./packet/error_cause.ts";
import { maxErrorLength, writeError } from "./packet/error_chunk.ts";
import { type InitFields, isUsableInit, parseInit, writeInit } from "./packet/init_chunk.ts";
import { type StateCookie, writeStateCookie } from "./state_cookie.ts";

/** RFC 9260 section 16: Valid.Cookie.Life, in ms. */
const cookieLifetime = 60_000;

/**
 * Section 5.1, A: sends INIT; but where each end was told the other's beforehand, nothing is left to
 * say (draft-hancke-tsvwg-snap).
 */
export function connect(context: Context, now: Instant): void {
  const { ownInit, config: { peerInit } } = context;
  if (peerInit !== undefined) {
    adoptInit(context, peerInit, now);
    return context.establish(now);
  }
  context.state = "cookie-wait";
  const chunk = writeInit(chunkTypes.init, ownInit);
  context.startRequest({ chunk: () => chunk, name: "INIT" }, now);
}

/**
 * Sections 5.1, B, 5.2.1 and 5.2.2: an INIT is answered, and nothing is remembered of it but in the
 * cookie. CHECK S2
 */
export function handleInit(
  context: Context,
  bytes: Uint8Array,
  start: number,
  end: number,
  now: Instant,
): void {
  const init = parseInit(bytes, start, end);
  if (init === undefined) return;
  if (!isUsableInit(init)) {
    return context.outbox.reply(init.initiateTag, refusal("an INIT without a tag or streams"));
  }
  // Section 9.2: "If an endpoint is in the SHUTDOWN-ACK-SENT state and receives an INIT chunk ...,
  // it SHOULD discard the INIT chunk and retransmit the SHUTDOWN ACK chunk."
  if (context.state === "shutdown-ack-sent") return context.request?.repeat();
  const { peer } = context;
  // Section 5.2.2: "unless it is in the COOKIE-WAIT or COOKIE-ECHOED state", the tag is a new one.
  const isRestart = peer !== undefined && context.state !== "cookie-echoed";
  const localTag = isRestart ? createTag(context.config.random) : context.localTag;
  const stateCookie = writeStateCookie({
    createdAt: now,
    localTag,
    peerTag: init.initiateTag,
    peerInitialTsn: init.initialTsn,
    peerWindow: init.advertisedReceiverWindowCredit,
    capabilities: agree(context.offered, init),
    localTieTag: peer === undefined ? 0 : context.localTag,
    peerTieTag: peer?.tag ?? 0,
  }, context.config.mac);
  const { unrecognized } = init;
  const answer = { ...context.ownInit, initiateTag: localTag, stateCookie, unrecognized };
  context.outbox.reply(init.initiateTag, writeInit(chunkTypes.initAck, answer));
}

/** Section 5.1, C. */
export function handleInitAck(
  context: Context,
  bytes: Uint8Array,
  start: number,
  end: number,
  now: Instant,
): void {
  // Section 5.2.3: "in any state other than COOKIE-WAIT or CLOSED, the endpoint SHOULD discard the
  // INIT ACK chunk." One that was not asked for is no better.
  if (context.state !== "cookie-wait") return;
  const init = parseInit(bytes, start, end);
  if (init === undefined) return;
  const { stateCookie, unrecognized } = init;
  if (!isUsableInit(init) || stateCookie === undefined) {
    const problem = "an INIT ACK without a tag, streams or a cookie";
    context.outbox.reply(init.initiateTag, refusal(problem));
    return context.end("protocol", `the peer sent ${problem}`, now);
  }
  adoptInit(context, init, now);
  if (unrecognized.length > 0) {
    context.outbox.add(writeError([unrecognizedParameters(unrecognized)], maxErrorLength));
  }
  context.state = "cookie-echoed";
  const chunk = writeCookieEcho(stateCookie);
  context.startRequest({ chunk: () => chunk, name: "COOKIE ECHO" }, now);
}

/** Sections 5.1, D and 5.2.4, with its table. The cookie is ours, and the packet has its tag. */
export function handleCookieEcho(context: Context, cookie: StateCookie, now: Instant): void {
  const staleness = now - cookie.createdAt - cookieLifetime;
  if (staleness > 0) {
    // Section 5.2.6.
    const error = writeError([staleCookie(staleness * 1_000)], maxErrorLength);
    return context.outbox.reply(cookie.peerTag, error);
  }
  const { peer } = context;
  const isLocalTagOurs = cookie.localTag === context.localTag;
  const isPeerTagKnown = cookie.peerTag === peer?.tag;
  if (isLocalTagOurs) {
    // D: "both tags match": the COOKIE ACK may have been lost.
    if (isPeerTagKnown) return acceptCookie(context, now);
    // Or nothing was there yet; or B: both have sent an INIT, and this is what the peer chose.
    if (peer === undefined || context.state === "cookie-echoed") {
      adoptCookie(context, cookie, now);
      return acceptCookie(context, now);
    }
    return;
  }
  // A: the peer has restarted. All others are of C: the cookie came late, and is discarded.
  const isTied = cookie.localTieTag === context.localTag && cookie.peerTieTag === peer?.tag;
  if (!isPeerTagKnown && isTied) handleRestart(context, now);
}

/** Section 5.1, E. */
export function handleCookieAck(context: Context, now: Instant): void {
  // Section 5.2.5: "At any state other than COOKIE-ECHOED", it is discarded.
  if (context.state === "cookie-echoed") context.establish(now);
}

function acceptCookie(context: Context, now: Instant): void {
  context.outbox.add(writeCookieAck());
  if (
    context.state === "closed" || context.state === "cookie-wait" ||
    context.state === "cookie-echoed"
  ) context.establish(now);
}

function adoptInit(context: Context, init: InitFields, now: Instant): void {
  context.adoptPeer({
    tag: init.initiateTag,
    initialTsn: init.initialTsn,
    window: init.advertisedReceiverWindowCredit,
    capabilities: agree(context.offered, init),
  }, now);
}

function adoptCookie(context: Context, cookie: StateCookie, now: Instant): void {
  context.adoptPeer({
    tag: cookie.peerTag,
    initialTsn: cookie.peerInitialTsn,
    window: cookie.peerWindow,
    capabilities: cookie.capabilities,
  }, now);
}

function handleRestart(context: Context, now: Instant): void {
  if (context.state === "shutdown-ack-sent") {
    // Section 5.2.4, A: the endpoint "MUST NOT set up a new association".
    context.outbox.add(writeError([cookieReceivedWhileShuttingDown()], maxErrorLength));
    return context.request?.repeat();
  }
  // Departs from section 5.2.4.1: data channels do not outlive it, so whoever made this association
  // is to make another.
  context.end("restarted", "the peer has begun the association anew", now);
}

function refusal(problem: string): Uint8Array {
  return writeAbort([protocolViolation(problem)], false);
}
