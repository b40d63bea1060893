/** What the parts of an agent share. */
import type { Instant } from "../sans_io.ts";
import { type AddressPolicy, scopeOf } from "./address_policy.ts";
import { CandidatePair, canPair } from "./candidate_pair.ts";
import { createCredentials } from "./credentials.ts";
import { Gathering } from "./gathering.ts";
import { Generation } from "./generation.ts";
import type { IceEvent, IcePath, IceState } from "./ice_event.ts";
import { type Base, LocalCandidates } from "./local_candidates.ts";
import type { RemoteCandidate } from "./remote_candidates.ts";
import { type IceRole, Role } from "./role.ts";
import { CheckTransactions } from "./transaction.ts";
import type { TransportAddress } from "./stun/address.ts";

/** What makes an agent. Times in ms. */
export interface IceAgentOptions {
  /** RFC 8445 section 6.1.1: the side that offers first is controlling. */
  readonly role: IceRole;
  /** Unpredictable bytes. */
  readonly random: (length: number) => Uint8Array;
  /** Ta (RFC 8445, section 14.2): the time between two requests of ours, 5 or more. */
  readonly pacing?: number;
  /** Whether link-local addresses of the peer are tried. */
  readonly isLinkLocalAllowed?: boolean;
  /** Whether loopback is told and tried though there is no sign that the peer is on this host. */
  readonly isLoopbackAllowed?: boolean;
}

/** A datagram to be sent. */
export interface OutgoingDatagram {
  readonly baseId: number;
  readonly destination: TransportAddress;
  readonly bytes: Uint8Array;
}

/** RFC 8445 section 14.2: "ICE agents SHOULD use a default Ta value, 50 ms", and 5 ms at least. */
const defaultPacing = 50;
const minPacing = 5;
/** The old generation is answered for so long once the new one carries data. */
const retirementDelay = 5_000;
/** Responses that wait to be sent; more are dropped. */
const maxResponseCount = 64;

/** The state of one agent. */
export class Context {
  readonly random: (length: number) => Uint8Array;
  readonly role: Role;
  readonly pacing: number;
  readonly policy: AddressPolicy;
  readonly local: LocalCandidates;
  readonly gathering: Gathering;
  readonly transactions = new CheckTransactions();
  readonly events: IceEvent[] = [];
  readonly responses: OutgoingDatagram[] = [];
  /** The newest, whose candidates are told. */
  generation: Generation;
  /** The one before, while it still carries data or is answered. */
  previous: Generation | undefined;
  previousRetiresAt: Instant = Infinity;
  /** Where data goes. */
  selected: CandidatePair | undefined;
  /** What is being nominated, by us. */
  nominee: CandidatePair | undefined;
  state: IceState = "new";
  /** Whether the driver has added all bases it has for now. */
  hasAllBases = false;
  /** Since when there is no path. */
  pathlessSince: Instant;

  constructor(options: IceAgentOptions, now: Instant) {
    const { role, random, pacing = defaultPacing } = options;
    if (!(pacing >= minPacing)) {
      throw new RangeError(`an ICE pacing of ${pacing} ms: give 5 or more`);
    }
    this.random = random;
    this.role = new Role(role, random);
    this.pacing = pacing;
    this.policy = {
      isLinkLocalAllowed: options.isLinkLocalAllowed ?? false,
      isLoopbackAllowed: options.isLoopbackAllowed ?? false,
    };
    this.local = new LocalCandidates({ isLinkLocalAllowed: false, isLoopbackAllowed: false });
    this.gathering = new Gathering(random);
    this.generation = new Generation(1, createCredentials(random));
    this.pathlessSince = now;
  }

  /** The newest first. */
  generations(): readonly Generation[] {
    return this.previous === undefined ? [this.generation] : [this.generation, this.previous];
  }

  *pairs(): Generator<CandidatePair> {
    for (const { checkList } of this.generations()) yield* checkList.all();
  }

  emit(event: IceEvent): void {
    this.events.push(event);
  }

  setState(state: "checking" | "connected" | "disconnected" | "failed", reason?: string): void {
    if (this.state === state || this.state === "closed") return;
    this.state = state;
    this.emit({ type: "state", state, ...(reason === undefined ? {} : { reason }) });
  }

  respond(datagram: OutgoingDatagram): void {
    if (this.responses.length < maxResponseCount) this.responses.push(datagram);
  }

  /** Pairs a base with a candidate of the peer, if they can be and are not yet. */
  addPair(
    generation: Generation,
    base: Base,
    remote: RemoteCandidate,
    { isProven }: { readonly isProven: boolean },
  ): CandidatePair | undefined {
    const { candidate } = remote;
    const known = generation.checkList.find(base.baseId, candidate);
    if (known !== undefined) return known;
    const isLoopback = scopeOf(candidate.address) === "loopback";
    if (!canPair(base, candidate, { isRemoteLoopback: isLoopback, isProven })) return undefined;
    if (isLoopback && !isProven && !this.isLoopbackUsed(generation)) return undefined; // CHECK I10
    if (this.local.hasBaseAt(candidate)) return undefined; // CHECK I10
    const { isControlling } = this.role;
    const pair = new CandidatePair({ generation, base, remote, isControlling });
    return generation.checkList.add(pair) ? pair : undefined;
  }

  /** Pairs all that can be. */
  addPairs(): void {
    const { generation } = this;
    for (const remote of generation.remotes.all()) {
      for (const base of this.local.bases()) {
        this.addPair(generation, base, remote, { isProven: false });
      }
    }
  }

  /**
   * Whether loopback is told and tried: only where there is nothing else, or where the peer has one
   * of our own addresses, and so may be on this host.
   */
  isLoopbackUsed({ remotes }: Generation): boolean {
    return this.policy.isLoopbackAllowed ||
      (this.hasAllBases && this.local.isLoopbackOnly()) ||
      remotes.all().some(({ candidate }) => this.local.isOfThisHost(candidate.address));
  }

  /** Forgets pairs, with their checks. The selected one among them leaves nothing selected. */
  removePairs(isGone: (pair: CandidatePair) => boolean, now: Instant): void {
    for (const { checkList } of this.generations()) {
      for (const pair of checkList.all().filter(isGone)) checkList.remove(pair);
    }
    this.transactions.removeOf(isGone);
    if (this.nominee !== undefined && isGone(this.nominee)) this.nominee = undefined;
    if (this.selected !== undefined && isGone(this.selected)) this.deselect(now);
  }

  /** No data may be sent any more. */
  deselect(now: Instant): void {
    this.selected = undefined;
    this.pathlessSince = now;
  }

  /** RFC 8445 section 7.3.1.1: "A change in roles will require an agent to recompute pair priorities". */
  switchRole(): void {
    this.role.switch();
    this.nominee = undefined;
    for (const pair of this.pairs()) pair.computePriority(this.role.isControlling);
  }

  /** Sends data there from now on. */
  select(pair: CandidatePair, now: Instant): void {
    if (this.nominee === pair) this.nominee = undefined;
    if (this.selected === pair) return;
    this.selected = pair;
    if (this.previous !== undefined && pair.generation === this.generation) {
      this.previousRetiresAt = Math.min(this.previousRetiresAt, now + retirementDelay);
    }
    this.emit({ type: "selected", path: pathOf(pair) });
    this.setState("connected");
  }

  /** RFC 8445 section 9: another session; what carries data goes on doing so. */
  restart(now: Instant): void {
    const number = this.generation.number + 1;
    const kept = this.selected?.generation;
    const old = this.generations().filter((one) => one !== kept);
    this.removePairs(({ generation }) => old.includes(generation), now);
    this.previous = kept;
    this.previousRetiresAt = Infinity;
    this.nominee = undefined;
    this.generation = new Generation(number, createCredentials(this.random));
    this.pathlessSince = now;
  }

  retirePrevious(now: Instant): void {
    const { previous, selected } = this;
    if (previous === undefined || now < this.previousRetiresAt) return;
    this.previousRetiresAt = Infinity;
    // It had to take over again.
    if (selected?.generation === previous) return;
    this.removePairs(({ generation }) => generation === previous, now);
    this.previous = undefined;
  }
}

/** A pair, as the driver sees it. */
export function pathOf({ base, local, remote, monitor }: CandidatePair): IcePath {
  const { address, port } = remote.candidate;
  return {
    baseId: base.baseId,
    destination: { address, port },
    local,
    remote: remote.candidate,
    rtt: monitor?.srtt,
    isRelayed: base.candidate.type === "relay" || remote.candidate.type === "relay",
  };
}
