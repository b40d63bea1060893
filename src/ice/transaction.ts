/** Requests that wait for their response (RFC 8489, section 6.2.1). */
import type { Instant } from "../sans_io.ts";
import type { CandidatePair } from "./candidate_pair.ts";
import type { IceRole } from "./role.ts";

/**
 * Section 6.2.1 has the interval double six times. Departs from it: it doubles no further than to
 * this, or the first where that is longer, so that a network that returns is found soon.
 */
const maxInterval = 2_000;
/**
 * With an RTO of 500 ms: "If the client has not received a response after 39500 ms, the client will
 * consider the transaction to have timed out." Departs from it where the RTO is longer, as it is with
 * many pairs: then the request is sent less often.
 */
const lifetime = 39_500;
/** RFC 7675 section 5.1 has consent checks not retransmitted: one is waited for so long. */
const singleLifetime = 5_000;

/** A check under way (RFC 8445, section 7.2). */
export class CheckTransaction {
  readonly key: string;
  readonly pair: CandidatePair;
  /** Ours when the request was written. */
  readonly role: IceRole;
  readonly isNominating: boolean;
  readonly bytes: Uint8Array;
  readonly #firstSentAt: Instant;
  readonly #rto: number;
  #deadline: Instant;
  #isRetransmitting: boolean;
  #sentCount = 1;
  #nextAt: Instant;

  /** It was sent just now. Without an RTO it is not sent again. */
  constructor(
    options: {
      readonly key: string;
      readonly pair: CandidatePair;
      readonly role: IceRole;
      readonly isNominating: boolean;
      readonly bytes: Uint8Array;
      readonly rto: number | undefined;
    },
    now: Instant,
  ) {
    this.key = options.key;
    this.pair = options.pair;
    this.role = options.role;
    this.isNominating = options.isNominating;
    this.bytes = options.bytes;
    this.#firstSentAt = now;
    this.#rto = options.rto ?? 0;
    this.#isRetransmitting = options.rto !== undefined;
    this.#nextAt = now + this.#rto;
    this.#deadline = now + (this.#isRetransmitting ? lifetime : singleLifetime);
  }

  /** Whether its end decides on the pair. */
  get isRetransmitting(): boolean {
    return this.#isRetransmitting;
  }

  /** When it is to be sent again; undefined when that will not be. */
  get retransmitAt(): Instant | undefined {
    return this.#isRetransmitting && this.#nextAt < this.#deadline ? this.#nextAt : undefined;
  }

  /** When it has failed. */
  get failsAt(): Instant {
    return this.#deadline;
  }

  /** It is sent again, "doubling after each retransmission". */
  handleSent(now: Instant): void {
    const interval = this.#rto * 2 ** this.#sentCount++;
    this.#nextAt = now + Math.min(interval, Math.max(this.#rto, maxInterval));
  }

  /**
   * RFC 8445 section 7.3.1.4: "the agent will not retransmit the Binding requests associated with
   * the connectivity-check transaction, will not treat the lack of response to be a failure, but
   * will wait the duration of the transaction timeout for a response".
   */
  cancel(now: Instant): void {
    this.#isRetransmitting = false;
    this.#deadline = now + singleLifetime;
  }

  /** The round trip; undefined where it cannot be known which request was answered. */
  roundTrip(now: Instant): number | undefined {
    return this.#sentCount === 1 ? now - this.#firstSentAt : undefined;
  }
}

/** Of single ones the oldest are forgotten where there are more: many more than pacing lets be. */
const maxTransactionCount = 400;

/** All checks under way, by transaction id. */
export class CheckTransactions {
  readonly #byKey = new Map<string, CheckTransaction>();

  get size(): number {
    return this.#byKey.size;
  }

  add(transaction: CheckTransaction): void {
    this.#byKey.set(transaction.key, transaction);
    if (this.#byKey.size > maxTransactionCount) this.#forgetOne();
  }

  #forgetOne(): void {
    for (const { key, isRetransmitting } of this.#byKey.values()) {
      // The end of one that is sent again decides on its pair.
      if (isRetransmitting) continue;
      this.#byKey.delete(key);
      return;
    }
  }

  get(key: string): CheckTransaction | undefined {
    return this.#byKey.get(key);
  }

  remove(transaction: CheckTransaction): void {
    this.#byKey.delete(transaction.key);
  }

  /** Forgets the checks of these pairs. */
  removeOf(isGone: (pair: CandidatePair) => boolean): void {
    for (const [key, { pair }] of this.#byKey) {
      if (isGone(pair)) this.#byKey.delete(key);
    }
  }

  cancelOf(pair: CandidatePair, now: Instant): void {
    for (const transaction of this.#byKey.values()) {
      if (transaction.pair === pair && transaction.isRetransmitting) transaction.cancel(now);
    }
  }

  /** Takes out those that have failed. */
  *takeFailed(now: Instant): Generator<CheckTransaction> {
    for (const transaction of this.#byKey.values()) {
      if (transaction.failsAt > now) continue;
      this.#byKey.delete(transaction.key);
      yield transaction;
    }
  }

  /** The one that is to be sent again first. */
  nextRetransmission(): CheckTransaction | undefined {
    let next: CheckTransaction | undefined;
    for (const transaction of this.#byKey.values()) {
      const at = transaction.retransmitAt;
      if (at !== undefined && at < (next?.retransmitAt ?? Infinity)) next = transaction;
    }
    return next;
  }

  nextFailureAt(): Instant {
    let next = Infinity;
    for (const { failsAt } of this.#byKey.values()) next = Math.min(next, failsAt);
    return next;
  }
}
