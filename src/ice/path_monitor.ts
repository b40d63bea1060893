/**
 * Whether a path that has worked still does: consent (RFC 7675), and the much earlier suspicion that
 * it is dead. Only authenticated responses to our own checks count.
 */
import type { Instant } from "../sans_io.ts";

/** RFC 7675 section 5.1: "Consent expires after 30 seconds." */
export const consentLifetime = 30_000;
/** "each interval MUST be randomized from between 0.8 and 1.2 times the basic period", of 5 s. */
const keptInterval = 5_000;
const minJitter = 0.8;
const jitterRange = 0.4;
/**
 * The path that carries data, where another could take its place. These checks are more than consent
 * needs, and more often than RFC 7675 has consent asked for: a dead path is to be left within 3 s.
 */
const watchedInterval = 1_000;
/** A path that may have to take another's place at once. */
const probedInterval = 400;

/** How soon a check is repeated that was not answered: so much, or the time that two answers take. */
const minPatience = 300;
/** A path is dead that has not answered for so long, and at least this many checks in a row. */
const deadAfter = 1_200;
const deadAfterPatiences = 4;
const minSilence = 2_000;

/** How closely a path is watched. */
export type Attention = "kept" | "watched" | "probed";

/** What is known of one path since it was first found to work. */
export class PathMonitor {
  readonly #random: (length: number) => Uint8Array;
  #lastResponseAt: Instant;
  #consentedAt: Instant;
  #lastSentAt: Instant;
  #unansweredSince: Instant | undefined;
  #jitter = 1;
  #srtt: number | undefined;

  /** A check was answered just now. */
  constructor(random: (length: number) => Uint8Array, now: Instant) {
    this.#random = random;
    this.#lastResponseAt = now;
    this.#consentedAt = now;
    this.#lastSentAt = now;
    this.#draw();
  }

  /** The round trip, smoothed, in ms; undefined before one was measured. */
  get srtt(): number | undefined {
    return this.#srtt;
  }

  get lastResponseAt(): Instant {
    return this.#lastResponseAt;
  }

  /** When the first check was sent that has no answer, if the last one has none. */
  get unansweredSince(): Instant | undefined {
    return this.#unansweredSince;
  }

  /**
   * RFC 7675 section 5.1: nothing may be sent from here on, but checks. Counted from the request that
   * was answered, since nobody knows when the peer consented but that it was later.
   */
  get consentExpiresAt(): Instant {
    return this.#consentedAt + consentLifetime;
  }

  hasConsent(now: Instant): boolean {
    return now < this.consentExpiresAt; // CHECK I5
  }

  handleSent(now: Instant): void {
    this.#lastSentAt = now;
    this.#unansweredSince ??= now;
    this.#draw();
  }

  /** An authenticated response; its round trip where it is known for sure. */
  handleResponse(now: Instant, roundTrip: number | undefined): void {
    this.#lastResponseAt = now;
    this.#consentedAt = Math.max(this.#consentedAt, now - (roundTrip ?? 0));
    this.#unansweredSince = undefined;
    if (roundTrip === undefined) return;
    this.#srtt = this.#srtt === undefined ? roundTrip : this.#srtt * 7 / 8 + roundTrip / 8;
  }

  /** Whether an answer is late. */
  isSuspect(now: Instant): boolean {
    return this.#unansweredSince !== undefined && now >= this.#unansweredSince + this.#patience();
  }

  /** When the path is taken for dead, if nothing comes. */
  deadAt(): Instant {
    if (this.#unansweredSince === undefined) return Infinity;
    const patience = Math.max(deadAfter, deadAfterPatiences * this.#patience());
    return Math.max(this.#unansweredSince + patience, this.#lastResponseAt + minSilence);
  }

  isDead(now: Instant): boolean {
    return now >= this.deadAt();
  }

  /** When the next check is due. */
  dueAt(attention: Attention, now: Instant): Instant {
    const interval = this.#interval(attention);
    if (this.isDead(now)) return this.#lastSentAt + Math.max(interval, watchedInterval);
    const isWaiting = this.#unansweredSince !== undefined;
    return this.#lastSentAt + (isWaiting ? Math.min(interval, this.#patience()) : interval);
  }

  #interval(attention: Attention): number {
    switch (attention) {
      case "kept":
        return keptInterval * this.#jitter;
      case "watched":
        return watchedInterval;
      case "probed":
        return Math.max(probedInterval, this.#patience());
      default:
        return attention satisfies never;
    }
  }

  #patience(): number {
    return Math.max(minPatience, 2 * (this.#srtt ?? 0));
  }

  #draw(): void {
    this.#jitter = minJitter + jitterRange * (this.#random(1)[0] ?? 0) / 255;
  }
}
