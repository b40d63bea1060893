/** Checks of the peer (RFC 8445, section 7.3). */
import type { Instant } from "../sans_io.ts";
import { scopeOf } from "./address_policy.ts";
import type { CandidatePair } from "./candidate_pair.ts";
import type { Context } from "./context.ts";
import type { Generation } from "./generation.ts";
import type { Base } from "./local_candidates.ts";
import { handleNomination } from "./nomination.ts";
import type { RemoteCandidate } from "./remote_candidates.ts";
import type { TransportAddress } from "./stun/address.ts";
import type { StunAttributes } from "./stun/attributes.ts";
import { errorCodes } from "./stun/error_code.ts";
import { verifyIntegrity } from "./stun/integrity.ts";
import { type StunMessage, writeStunMessage } from "./stun/message.ts";
import { type MessageClass, transactionKey } from "./stun/message_header.ts";

/** A check, and where it came from and arrived. */
export interface IncomingCheck {
  readonly message: StunMessage;
  readonly base: Base;
  readonly source: TransportAddress;
}

/** The lowest priority: what a check without PRIORITY gives its sender. */
const lowestPriority = 1;
const maxPriority = 2 ** 31 - 1;

/**
 * Answers a check, if it is authenticated, or returns false: to all else there is no answer at all, so that nobody
 * learns that we are here, nor makes us write to others. (RFC 8489 section 9.1.3 would have 400 and
 * 401.)
 */
export function handleRequest(context: Context, check: IncomingCheck, now: Instant): boolean {
  const generation = verifySender(context, check.message);
  if (generation === undefined) return false;
  handleVerified(context, check, generation, now);
  return true;
}

function handleVerified(
  context: Context,
  check: IncomingCheck,
  generation: Generation,
  now: Instant,
): void {
  const { message } = check;
  // RFC 8489 section 6.3.1: with "unknown comprehension-required attributes, the server replies with
  // an error response with an error code of 420".
  if (message.unknownRequired.length > 0) {
    return respond(context, check, generation, "error", {
      errorCode: { code: errorCodes.unknownAttribute, reason: "Unknown Attribute" },
      unknownAttributes: message.unknownRequired,
    });
  }
  const conflict = context.role.judge(message.attributes); // CHECK I8
  if (conflict === "reject") {
    return respond(context, check, generation, "error", {
      errorCode: { code: errorCodes.roleConflict, reason: "Role Conflict" },
    });
  }
  if (conflict === "switch") context.switchRole();
  const { address, port } = check.source;
  respond(context, check, generation, "success", { xorMappedAddress: { address, port } });
  const pair = pairOf(context, check, generation, now);
  if (pair === undefined) return;
  pair.isAuthenticated = true;
  trigger(context, pair, now);
  // Section 7.3.1.5
  if (message.attributes.useCandidate === true) {
    handleNomination(context, pair, { key: transactionKey(message.transactionId), now });
  }
}

/**
 * The generation whose password the message was written with. Section 7.3: the USERNAME "consists of
 * two values separated by a colon, where the first value is equal to the username fragment generated
 * by the agent".
 */
function verifySender(context: Context, message: StunMessage): Generation | undefined {
  const { username } = message.attributes;
  if (username === undefined) return undefined;
  const generation = context.generations().find(({ local, peer }) =>
    // The peer may check before we have its description (RFC 8838, section 11).
    peer === undefined
      ? username.startsWith(`${local.ufrag}:`)
      : username === `${local.ufrag}:${peer.ufrag}`
  );
  if (generation === undefined || !verifyIntegrity(message, generation.localKey)) return undefined; // CHECK I1
  return generation;
}

function respond(
  context: Context,
  { message, base, source }: IncomingCheck,
  { localKey }: Generation,
  messageClass: MessageClass,
  attributes: StunAttributes,
): void {
  const { method, transactionId } = message;
  context.respond({
    baseId: base.baseId,
    destination: { address: source.address, port: source.port },
    bytes: writeStunMessage({ messageClass, method, transactionId, attributes }, { key: localKey }),
  });
}

/** The pair that a check came by; a new one where it came from an address we did not know of. */
function pairOf(
  context: Context,
  { message, base, source }: IncomingCheck,
  generation: Generation,
  now: Instant,
): CandidatePair | undefined {
  const known = generation.checkList.find(base.baseId, source);
  if (known !== undefined) return known;
  const remote = generation.remotes.find(source) ??
    learn(context, generation, source, message.attributes.priority ?? lowestPriority, now);
  if (remote === undefined) return undefined;
  return context.addPair(generation, base, remote, { isProven: true });
}

/** Section 7.3.1.3: a peer-reflexive candidate. */
function learn(
  context: Context,
  generation: Generation,
  source: TransportAddress,
  priority: number,
  now: Instant,
): RemoteCandidate | undefined {
  const needed = new Set([context.selected?.remote, context.nominee?.remote]);
  for (const pair of generation.checkList.all()) {
    if (pair.isAlive(now)) needed.add(pair.remote);
  }
  return generation.remotes.learn(source, {
    priority: Math.min(Math.max(priority, lowestPriority), maxPriority),
    isLoopback: scopeOf(source.address) === "loopback",
    isNeeded: (remote) => needed.has(remote),
    forget: (remote) => context.removePairs((pair) => pair.remote === remote, now),
  });
}

/** Section 7.3.1.4: the way back is checked at once. */
function trigger(context: Context, pair: CandidatePair, now: Instant): void {
  const { checkList } = pair.generation;
  switch (pair.state) {
    case "succeeded":
      // Nothing is to be done, but where the path was thought dead: it may have returned.
      if (pair.monitor?.isSuspect(now) === true) checkList.trigger(pair);
      return;
    case "in-progress":
      context.transactions.cancelOf(pair, now);
      break;
    case "waiting":
    case "failed":
      break;
    default:
      return pair.state satisfies never;
  }
  pair.state = "waiting";
  checkList.trigger(pair);
}
