/** Our own checks (RFC 8445, section 7.2): what they say, and what their answers mean. */
import type { Instant } from "../sans_io.ts";
import type { CandidatePair } from "./candidate_pair.ts";
import type { Context, OutgoingDatagram } from "./context.ts";
import { follow, handleNominated, reconsider } from "./nomination.ts";
import { PathMonitor } from "./path_monitor.ts";
import { isSameAddress, type TransportAddress } from "./stun/address.ts";
import { errorCodes } from "./stun/error_code.ts";
import { verifyIntegrity } from "./stun/integrity.ts";
import { type StunMessage, writeStunMessage } from "./stun/message.ts";
import { methods, transactionIdLength, transactionKey } from "./stun/message_header.ts";
import { CheckTransaction } from "./transaction.ts";

/** RFC 8445 section 14.3: "RTO = MAX (500ms, Ta * N * (Num-Waiting + Num-In-Progress))". */
const minTimeout = 500;

/**
 * Writes a check. One of a pair that was not checked yet is sent again until it is answered or has
 * failed; any other is sent once. Undefined while the peer's credentials are not known.
 */
export function writeCheck(
  context: Context,
  pair: CandidatePair,
  now: Instant,
): OutgoingDatagram | undefined {
  const { generation, base, remote, monitor } = pair;
  const { peer, local } = generation;
  if (peer === undefined) return undefined;
  const transactionId = context.random(transactionIdLength);
  // Section 7.1.2: "The controlled agent MUST NOT include the USE-CANDIDATE attribute". On the path
  // that carries data each check repeats it, so that a lost or overtaken one is made good.
  const isNominating = context.role.isControlling &&
    (pair === context.nominee || pair === context.selected);
  const bytes = writeStunMessage({
    messageClass: "request",
    method: methods.binding,
    transactionId,
    attributes: {
      username: `${peer.ufrag}:${local.ufrag}`,
      priority: context.local.reflexivePriority(base),
      ...context.role.attributes(),
      ...(isNominating ? { useCandidate: true } : {}),
    },
  }, { key: peer.key });
  const rto = pair.state === "waiting" ? timeoutOf(context) : undefined;
  const key = transactionKey(transactionId);
  const role = context.role.name;
  context.transactions.add(
    new CheckTransaction({ key, pair, role, isNominating, bytes, rto }, now),
  );
  if (pair.state === "waiting") pair.state = "in-progress";
  pair.lastSentAt = now;
  monitor?.handleSent(now);
  const { address, port } = remote.candidate;
  return { baseId: base.baseId, destination: { address, port }, bytes };
}

/** N is 1 here, as it was in RFC 5245 for one stream: RFC 8445 would have minutes come of it. */
function timeoutOf({ pacing, generation }: Context): number {
  const open = generation.checkList.all().filter(({ state }) =>
    state === "waiting" || state === "in-progress"
  );
  return Math.max(minTimeout, pacing * open.length);
}

/** A response to one of our checks; false where it answers none of them, or is not the peer's. */
export function handleResponse(
  context: Context,
  message: StunMessage,
  { baseId, source, now }: {
    readonly baseId: number;
    readonly source: TransportAddress;
    readonly now: Instant;
  },
): boolean {
  const transaction = context.transactions.get(transactionKey(message.transactionId));
  if (transaction === undefined) return false;
  const { pair } = transaction;
  // Section 7.2.5.2.1: "the source and destination transport addresses in the Binding request and
  // response" are to be symmetric. Departs from it: the pair does not fail, as anybody could send
  // such a response. CHECK I2
  if (pair.base.baseId !== baseId || !isSameAddress(pair.remote.candidate, source)) return false;
  const { peer } = pair.generation;
  if (peer === undefined || !verifyIntegrity(message, peer.key)) return false; // CHECK I2
  context.transactions.remove(transaction);
  const { xorMappedAddress } = message.attributes;
  const isSuccess = message.messageClass === "success" && xorMappedAddress !== undefined &&
    // RFC 8489 section 6.3.3: with attributes that are not understood "the transaction is
    // considered to have failed".
    message.unknownRequired.length === 0;
  if (isSuccess) handleSuccess(context, transaction, xorMappedAddress, now);
  else handleError(context, transaction, message);
  return true;
}

function handleSuccess(
  context: Context,
  transaction: CheckTransaction,
  mapped: TransportAddress,
  now: Instant,
): void {
  const { pair } = transaction;
  pair.isAuthenticated = true;
  if (pair.monitor?.isDead(now) === true) pair.noteReturn(now);
  pair.monitor ??= new PathMonitor(context.random, now);
  pair.monitor.handleResponse(now, transaction.roundTrip(now));
  // Section 7.2.5.3.2: the valid pair has the mapped address as its local candidate.
  pair.local = context.local.seenAs(pair.base, mapped);
  if (pair.state !== "succeeded") {
    pair.state = "succeeded";
    pair.generation.checkList.untrigger(pair);
    context.transactions.cancelOf(pair, now);
  }
  if (transaction.isNominating && context.role.isControlling) handleNominated(context, pair, now);
  follow(context, pair, now);
  reconsider(context, now);
}

/** Section 7.2.5.1 and 7.2.5.2.4. */
function handleError(context: Context, transaction: CheckTransaction, message: StunMessage): void {
  const { pair, role } = transaction;
  if (message.attributes.errorCode?.code === errorCodes.roleConflict) { // CHECK I8
    // A request that crossed a switch says nothing of the role we have now.
    if (role === context.role.name) {
      context.switchRole();
      context.role.changeTieBreaker();
    }
    if (pair.state !== "succeeded") pair.state = "waiting";
    pair.generation.checkList.trigger(pair);
    return;
  }
  if (transaction.isRetransmitting) pair.state = "failed";
}

/** Checks that were given up. */
export function failChecks(context: Context, now: Instant): void {
  for (const { isRetransmitting, pair } of context.transactions.takeFailed(now)) {
    if (isRetransmitting && pair.state === "in-progress") pair.state = "failed";
  }
}
