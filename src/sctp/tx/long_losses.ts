/**
 * Black hole detection (RFC 8899, section 4.3): all long packets are lost, for some time, while the
 * path carries others.
 */
import type { Instant } from "../../sans_io.ts";

/** So many long ones in a row. */
const minCount = 6;

/** What became of packets on one path. */
export class LongLosses {
  #count = 0;
  #firstAt: Instant = 0;
  #isPathAlive = false;

  /** A long one was lost. */
  handleLost(now: Instant): void {
    if (this.#count++ > 0) return;
    this.#firstAt = now;
    this.#isPathAlive = false;
  }

  /** A long one has arrived. */
  handleDelivered(): void {
    this.#count = 0;
  }

  /** Something else has arrived. */
  handleAlive(): void {
    this.#isPathAlive = true;
  }

  /** Whether that has gone on for two timeouts, in ms. */
  isBlackHole(timeout: number, now: Instant): boolean {
    return this.#count >= minCount && this.#isPathAlive && now - this.#firstAt >= 2 * timeout;
  }

  /** Packets have another length, or another path. */
  reset(): void {
    this.#count = 0;
  }
}
