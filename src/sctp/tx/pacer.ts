/**
 * Spreads what is sent over time (draft-ietf-ccwg-bbr, section 4.6): a bucket of bytes that fills at
 * the pacing rate. A timer is not as fine as packets are, so that each of its calls releases what is
 * due in the meantime at once: a quantum. Lengths are user data, in bytes; times in ms.
 */
import type { Instant } from "../../sans_io.ts";

/** What timers are able to: a quantum is at least what is due in so long. */
const granularity = 1;
/** What one call of the system sends as one batch: a quantum is no longer. */
const maxQuantumLength = 65_536;
/** Packets that are sent at once however slow the path is, as a SACK comes for every second. */
const minQuantumPackets = 2;
/** A timer that comes too late is made up for, as far as it is no later than this. */
const maxLateness = 5;

/** Tells when something may be sent. */
export class Pacer {
  #rate = Infinity;
  #pieceLength = 0;
  #credit = 0;
  #updatedAt: Instant = -Infinity;
  /** Something waits for a quantum to be full. */
  #isWaiting = false;

  /** Whether a packet may be sent, as of the last `advance`. */
  get isReady(): boolean {
    return this.#rate === Infinity || (!this.#isWaiting && this.#credit > 0);
  }

  /** When a quantum is full. */
  get readyAt(): Instant {
    return this.#updatedAt + Math.max(0, this.#quantum - this.#credit) / this.#rate;
  }

  /** The rate in bytes/ms, and what fits one packet. */
  setRate(rate: number, pieceLength: number): void {
    this.#rate = rate;
    this.#pieceLength = pieceLength;
  }

  /** Time has passed. */
  advance(now: Instant): void {
    const elapsed = Math.max(0, now - this.#updatedAt);
    this.#updatedAt = Math.max(now, this.#updatedAt);
    if (this.#rate === Infinity) return;
    const quantum = this.#quantum;
    // Who had nothing to send has nothing to make up for.
    const limit = this.#isWaiting ? quantum + maxLateness * this.#rate : quantum;
    const earned = elapsed === Infinity ? limit : elapsed * this.#rate;
    this.#credit = Math.min(this.#credit + earned, Math.max(limit, this.#credit));
    // A rounding error is no reason to wait on.
    if (this.#credit > quantum - 1) this.#isWaiting = false;
  }

  /** So much is sent. */
  spend(length: number): void {
    if (this.#rate === Infinity) return;
    this.#credit -= length;
    if (this.#credit <= 0) this.#isWaiting = true;
  }

  /** Sending begins anew: a first quantum, and nothing is owed. */
  restart(): void {
    this.#credit = this.#quantum;
    this.#isWaiting = false;
  }

  get #quantum(): number {
    const due = Math.min(granularity * this.#rate, maxQuantumLength);
    return Math.max(due, minQuantumPackets * this.#pieceLength);
  }
}
