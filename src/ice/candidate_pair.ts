/** A base of ours with an address of the peer's: one way there may be (RFC 8445, section 6.1.2). */
import type { Instant } from "../sans_io.ts";
import type { Candidate } from "./candidate.ts";
import type { Generation } from "./generation.ts";
import type { Base } from "./local_candidates.ts";
import type { PathMonitor } from "./path_monitor.ts";
import type { RemoteCandidate } from "./remote_candidates.ts";
import { familyOf } from "./stun/address.ts";

/**
 * RFC 8445, section 6.1.2.6. Departs from it: no pair is Frozen. With one component of one stream
 * pairs share a foundation only if the peer says so, and would only wait for each other.
 */
export type PairState = "waiting" | "in-progress" | "succeeded" | "failed";

/** A path that died while it carried data has to prove itself for so long, twice so each time. */
const firstProbation = 5_000;
const maxProbation = 60_000;

/** One pair. */
export class CandidatePair {
  readonly generation: Generation;
  readonly base: Base;
  readonly remote: RemoteCandidate;
  state: PairState = "waiting";
  /** As the peer sees us. */
  local: Candidate;
  /** Since it first worked. */
  monitor: PathMonitor | undefined;
  /** Whether the peer has shown that it is there, by its password. */
  isAuthenticated = false;
  /** When a check was last begun. */
  lastSentAt: Instant = -Infinity;
  /** When the peer last nominated it, if it ever did. */
  nominatedAt: Instant | undefined;
  /** The request that did so: repeated, it says nothing new. */
  nominationKey: string | undefined;
  /** It is not preferred to another before. */
  trustedAt: Instant = -Infinity;
  #probation = 0;
  #priority = 0n;

  constructor(
    options: {
      readonly generation: Generation;
      readonly base: Base;
      readonly remote: RemoteCandidate;
      readonly isControlling: boolean;
    },
  ) {
    this.generation = options.generation;
    this.base = options.base;
    this.remote = options.remote;
    this.local = options.base.candidate;
    this.computePriority(options.isControlling);
  }

  get priority(): bigint {
    return this.#priority;
  }

  /** Whether it has ever worked. */
  get hasWorked(): boolean {
    return this.monitor !== undefined;
  }

  /**
   * RFC 8445 section 6.1.2.3: pair priority = 2^32*MIN(G,D) + 2*MAX(G,D) + (G>D?1:0), where G is the
   * priority of the controlling agent's candidate.
   */
  computePriority(isControlling: boolean): void {
    const own = this.base.candidate.priority;
    const peers = this.remote.candidate.priority;
    const [controlling, controlled] = isControlling ? [own, peers] : [peers, own];
    this.#priority = (BigInt(Math.min(own, peers)) << 32n) + 2n * BigInt(Math.max(own, peers)) +
      (controlling > controlled ? 1n : 0n);
  }

  /** Whether it is to be preferred, where both work. A new generation is (RFC 8445, section 9). */
  outranks(other: CandidatePair): boolean {
    if (this.generation !== other.generation) return this.generation.isNewerThan(other.generation);
    return this.#priority > other.priority;
  }

  /** Whether a check is being answered, as far as is known. */
  isAlive(now: Instant): boolean {
    return this.state === "succeeded" && this.monitor !== undefined &&
      this.monitor.hasConsent(now) && !this.monitor.isSuspect(now);
  }

  /** Whether it no longer works, or never did. */
  isDead(now: Instant): boolean {
    return this.state !== "succeeded" || this.monitor === undefined || this.monitor.isDead(now);
  }

  /** It was left for another. */
  noteDeath(): void {
    this.#probation = Math.min(maxProbation, this.#probation * 2 || firstProbation);
    this.trustedAt = Infinity;
  }

  /** It answers, after it did not. */
  noteReturn(now: Instant): void {
    this.trustedAt = now + this.#probation;
  }
}

/** Whether datagrams may get from here to there. */
export function canPair(
  base: Base,
  remote: Candidate,
  { isRemoteLoopback, isProven }: {
    readonly isRemoteLoopback: boolean;
    readonly isProven: boolean;
  },
): boolean {
  // RFC 8445 section 6.1.2.2 pairs what has the same IP version. Loopback reaches loopback, and
  // nothing else is tried; but another agent on this host may have come to us with any address of it.
  return familyOf(base.candidate.address) === familyOf(remote.address) &&
    (isProven || base.isLoopback === isRemoteLoopback);
}
