/**
 * A full ICE agent for one component, without I/O (RFC 8445, 8838, 7675): it finds the ways to the
 * peer, says which is the best, and notices when it is not any more.
 *
 * Data never passes through it. The driver asks where data goes (`selectedPath`) and whether what
 * came is from the peer (`isFromPeer`), and may remember both between events.
 *
 * @module
 */
import type { Instant } from "../sans_io.ts";
import { candidateDefect } from "./address_policy.ts";
import type { Candidate } from "./candidate.ts";
import { failChecks, handleResponse } from "./checks.ts";
import { classify } from "./classify.ts";
import { expireConsent, failureAt, judgeFailure, nextExpiryAt } from "./consent.ts";
import { Context, type IceAgentOptions, pathOf } from "./context.ts";
import { type Credentials, isSameCredentials, isWellFormed } from "./credentials.ts";
import type { IceEvent, IcePath, IceState, PairReport } from "./ice_event.ts";
import { type BaseOptions, candidatesOf } from "./local_candidates.ts";
import { reconsider } from "./nomination.ts";
import { handleRequest } from "./requests.ts";
import type { IceRole } from "./role.ts";
import { Scheduler } from "./scheduler.ts";
import { canonicalAddress, type TransportAddress } from "./stun/address.ts";
import { parseStunMessage, type StunMessage } from "./stun/message.ts";
import { methods } from "./stun/message_header.ts";

/** A datagram that was written to the buffer that was lent. */
export interface IceTransmit {
  readonly baseId: number;
  readonly destination: TransportAddress;
  readonly length: number;
}

/** One end. After any call the driver polls both until undefined, then asks `nextTimeout`. */
export class IceAgent {
  readonly #context: Context;
  readonly #scheduler: Scheduler;
  /** What the other side was told of, in this generation. */
  #told = new Set<Candidate>();
  #hasFinishedGathering = false;
  /** The latest instant that was heard of. */
  #now: Instant;
  #nextTimeout: Instant | undefined;
  #isTimeoutKnown = false;
  #droppedCount = 0;

  /** Throws RangeError for a pacing that RFC 8445 does not allow. */
  constructor(options: IceAgentOptions, now: Instant) {
    this.#context = new Context(options, now);
    this.#scheduler = new Scheduler(this.#context);
    this.#now = now;
  }

  /** What the other side is to be told. They change with `restart`. Not to be logged. */
  get localCredentials(): Credentials {
    return this.#context.generation.local;
  }

  get role(): IceRole {
    return this.#context.role.name;
  }

  get state(): IceState {
    return this.#context.state;
  }

  /** STUN datagrams that were dropped: malformed, unauthenticated, or answers to nothing. */
  get droppedCount(): number {
    return this.#droppedCount;
  }

  /** Adds a socket, or an allocation on a TURN server. Throws RangeError for a mistake. */
  addBase(options: BaseOptions, now: Instant): void {
    if (!this.#begin(now)) return;
    const { local, gathering } = this.#context;
    gathering.addBase(local.addBase(options), now);
    this.#handleCandidates();
  }

  /** Adds an address that a base is seen at, such as a TURN server tells of its client. */
  addReflexiveAddress(
    baseId: number,
    mapped: TransportAddress,
    { serverAddress, now }: { readonly serverAddress: string; readonly now: Instant },
  ): void {
    if (!this.#begin(now)) return;
    const { local } = this.#context;
    const base = local.base(baseId);
    if (base === undefined) return;
    local.addReflexive(base, mapped, serverAddress);
    this.#handleCandidates();
  }

  /** The socket is closed, the allocation gone: nothing is sent from there any more. */
  removeBase(baseId: number, now: Instant): void {
    if (!this.#begin(now)) return;
    const context = this.#context;
    context.local.removeBase(baseId);
    context.gathering.removeBase(baseId);
    context.removePairs(({ base }) => base.baseId === baseId, now);
    this.#settle(now);
  }

  /** Adds a STUN server, resolved. Any number may be added, at any time. */
  addStunServer(server: TransportAddress, now: Instant): void {
    if (this.#begin(now)) this.#context.gathering.addServer(server, now);
  }

  /** There are no more bases and servers for now; "gathering-finished" will come. */
  endOfBases(now: Instant): void {
    if (!this.#begin(now)) return;
    this.#context.hasAllBases = true;
    this.#handleCandidates();
  }

  /**
   * What the other side has told. Throws RangeError where it is too short to be secret, or where it
   * differs from what was given before: then `restart` comes first.
   */
  setRemoteCredentials(credentials: Credentials, now: Instant): void {
    if (!this.#begin(now)) return;
    if (!isWellFormed(credentials)) { // CHECK I3
      throw new RangeError("Taking the ICE credentials of the peer: they are not long enough");
    }
    const { generation } = this.#context;
    if (generation.credentials !== undefined) {
      if (isSameCredentials(generation.credentials, credentials)) return;
      throw new RangeError("Taking other ICE credentials of the peer: restart first");
    }
    generation.setPeer(credentials, now);
    if (this.#context.selected === undefined) this.#context.setState("checking");
  }

  /**
   * Adds a candidate of the peer, at any time and in any order. Returns why it is refused, or
   * undefined.
   */
  addRemoteCandidate(candidate: Candidate, now: Instant): string | undefined {
    if (!this.#begin(now)) return undefined;
    const context = this.#context;
    const { generation, policy } = context;
    // Whether loopback is tried depends on all candidates: it is decided when they are paired.
    const defect = candidateDefect(candidate, { ...policy, isLoopbackAllowed: true });
    if (defect !== undefined) return defect; // CHECK I10
    const address = canonicalAddress(candidate.address) ?? candidate.address;
    const result = generation.remotes.add({ ...candidate, address });
    if (result.name === "too-many") return "there are too many";
    if (result.name === "known") return undefined;
    generation.lastRemoteCandidateAt = now;
    if (result.name === "updated") {
      for (const pair of generation.checkList.all()) {
        if (pair.remote === result.remote) pair.computePriority(context.role.isControlling);
      }
    }
    this.#handleCandidates();
    return undefined;
  }

  /** The peer has told all (RFC 8838, section 14): nothing more is waited for. */
  endOfRemoteCandidates(now: Instant): void {
    if (this.#begin(now)) this.#context.generation.hasAllRemoteCandidates = true;
  }

  /**
   * Begins another session (RFC 8445, section 9) and returns its credentials. All candidates are
   * told again. Data goes on over the old path until the new session has one.
   */
  restart(now: Instant): Credentials {
    if (!this.#begin(now)) return this.localCredentials;
    this.#context.restart(now);
    this.#context.gathering.restart(now);
    this.#told = new Set();
    this.#hasFinishedGathering = false;
    this.#handleCandidates();
    return this.localCredentials;
  }

  /** Ends it: nothing is sent or told any more. */
  close(): void {
    const context = this.#context;
    context.removePairs(() => true, this.#now);
    context.state = "closed";
    context.events.length = 0;
    context.responses.length = 0;
    this.#isTimeoutKnown = false;
  }

  /**
   * Takes the datagram in `bytes[start..end)`, lent, which came to a base from `source`, an address
   * in canonical spelling. False where it is not for the agent: not STUN, or of another method, as
   * those of TURN are.
   */
  handleDatagram(
    baseId: number,
    source: TransportAddress,
    bytes: Uint8Array,
    start: number,
    end: number,
    now: Instant,
  ): boolean {
    if (start >= end || classify(bytes[start]) !== "stun") return false;
    if (this.#context.state === "closed") return true;
    const message = parseStunMessage(bytes, start, end);
    if (message !== undefined && message.method !== methods.binding) return false;
    if (message === undefined || !this.#handleMessage(baseId, source, message, now)) {
      this.#droppedCount++;
    }
    return true;
  }

  /** Whether the peer has shown that it is there, so that what is not STUN is looked at. */
  isFromPeer(baseId: number, source: TransportAddress): boolean {
    const { generation, previous } = this.#context;
    return generation.checkList.find(baseId, source)?.isAuthenticated === true || // CHECK I1
      previous?.checkList.find(baseId, source)?.isAuthenticated === true;
  }

  /** Has the selected path checked at once: the driver hears nothing of what it has sent. */
  probe(now: Instant): void {
    if (!this.#begin(now)) return;
    const { selected } = this.#context;
    selected?.generation.checkList.trigger(selected);
  }

  /** Where data goes; undefined where none may be sent (RFC 7675, section 5.1). */
  selectedPath(): IcePath | undefined {
    const { selected } = this.#context;
    return selected === undefined ? undefined : pathOf(selected);
  }

  /** All pairs that were tried, the best first: for the log, and to tell why a path is not direct. */
  pairs(): PairReport[] {
    const { selected } = this.#context;
    return [...this.#context.pairs()]
      .sort((one, other) => Number(other.outranks(one)) - Number(one.outranks(other)))
      .map((pair) => ({ ...pathOf(pair), state: pair.state, isSelected: pair === selected }));
  }

  /** Lets timers expire; harmless when nothing is due. */
  handleTimeout(now: Instant): void {
    if (!this.#begin(now)) return;
    const context = this.#context;
    failChecks(context, now);
    expireConsent(context, now);
    context.gathering.handleTimeout(now);
    context.retirePrevious(now);
    this.#settle(now);
  }

  /** When `handleTimeout` is to be called next, if nothing happens before. */
  nextTimeout(): Instant | undefined {
    if (!this.#isTimeoutKnown) {
      this.#nextTimeout = this.#computeTimeout();
      this.#isTimeoutKnown = true;
    }
    return this.#nextTimeout;
  }

  /** Writes the next datagram into the buffer; undefined when there is nothing to send now. */
  pollTransmit(out: Uint8Array, now: Instant): IceTransmit | undefined {
    const { state, responses } = this.#context;
    const isIdle = this.#isTimeoutKnown && responses.length === 0 &&
      now < (this.#nextTimeout ?? Infinity);
    if (isIdle || state === "closed") return undefined;
    const datagram = responses.shift() ?? this.#scheduler.take(now);
    if (datagram === undefined) return undefined;
    this.#begin(now);
    const { baseId, destination, bytes } = datagram;
    if (bytes.length > out.length) throw new RangeError(`Writing a check into ${out.length} bytes`);
    out.set(bytes);
    return { baseId, destination, length: bytes.length };
  }

  /** The next event. */
  pollEvent(): IceEvent | undefined {
    return this.#context.events.shift();
  }

  /** False where the agent is closed. Else something changes. */
  #begin(now: Instant): boolean {
    this.#now = Math.max(this.#now, now);
    this.#isTimeoutKnown = false;
    return this.#context.state !== "closed";
  }

  /** False where the message changes nothing, as what is not authenticated does. */
  #handleMessage(
    baseId: number,
    source: TransportAddress,
    message: StunMessage,
    now: Instant,
  ): boolean {
    const context = this.#context;
    const base = context.local.base(baseId);
    if (base === undefined) return false;
    switch (message.messageClass) {
      case "request":
        if (!handleRequest(context, { message, base, source }, now)) return false;
        break;
      case "success":
      case "error":
        if (
          !handleResponse(context, message, { baseId, source, now }) &&
          !this.#handleReflection(message, { baseId, source, now })
        ) return false;
        break;
      case "indication":
        // RFC 8445 section 11: a keepalive. It is of use to NATs only.
        return false;
      default:
        return message.messageClass satisfies never;
    }
    this.#begin(now);
    this.#settle(now);
    return true;
  }

  #handleReflection(
    message: StunMessage,
    arrival: { readonly baseId: number; readonly source: TransportAddress; readonly now: Instant },
  ): boolean {
    const { gathering, local } = this.#context;
    const answer = gathering.handleResponse(message, arrival);
    if (answer === undefined) return false;
    if (answer.mapped !== undefined) {
      local.addReflexive(answer.base, answer.mapped, answer.server.address);
    }
    this.#tell();
    return true;
  }

  /** After a change of what there is on either side. */
  #handleCandidates(): void {
    this.#context.addPairs();
    this.#tell();
    this.#finishGathering();
  }

  /** After a change of what works. */
  #settle(now: Instant): void {
    reconsider(this.#context, now);
    judgeFailure(this.#context, now);
    this.#finishGathering();
  }

  /** Tells of the candidates that were not told of yet. */
  #tell(): void {
    const context = this.#context;
    const isLoopbackUsed = context.isLoopbackUsed(context.generation);
    for (const base of context.local.bases()) {
      if (base.isLoopback && !isLoopbackUsed) continue;
      for (const candidate of candidatesOf(base)) {
        if (this.#told.has(candidate)) continue;
        this.#told.add(candidate);
        context.emit({ type: "candidate", candidate, baseId: base.baseId });
      }
    }
  }

  #finishGathering(): void {
    const { hasAllBases, gathering } = this.#context;
    if (this.#hasFinishedGathering || !hasAllBases || !gathering.isFinished()) return;
    this.#hasFinishedGathering = true;
    this.#context.emit({ type: "gathering-finished" });
  }

  #computeTimeout(): Instant | undefined {
    const context = this.#context;
    if (context.state === "closed") return undefined;
    const now = this.#now;
    const next = Math.min(
      this.#scheduler.nextAt(now),
      context.gathering.nextTimeout(),
      context.transactions.nextFailureAt(),
      nextExpiryAt(context),
      context.previousRetiresAt,
      later(context.selected?.monitor?.deadAt(), now),
      later(failureAt(context), now),
    );
    return next === Infinity ? undefined : Math.max(next, now);
  }
}

/** An instant that is still to come. What is past was acted on, and may have changed nothing. */
function later(instant: Instant | undefined, now: Instant): Instant {
  return instant === undefined || instant <= now ? Infinity : instant;
}
