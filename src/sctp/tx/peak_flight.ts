/**
 * The most that was in flight within the last round trips. Who sends in gusts has less in flight in
 * between, which says nothing of whether the congestion window is used (RFC 7661, section 4.1).
 */
import { isAfter32 } from "../serial.ts";

/** Knows flights by their round trips. Lengths are user data, in bytes. */
export class PeakFlight {
  #previous = 0;
  #current = 0;
  /** The round trip is over when this is acknowledged. */
  #lastTsn: number;

  constructor(initialTsn: number) {
    this.#lastTsn = initialTsn;
  }

  /** Something was sent: so much is in flight now. */
  handleSent(flightLength: number): void {
    if (flightLength > this.#current) this.#current = flightLength;
  }

  /** All up to `cumulativeTsn` is acknowledged; the peak, before the next round trip begins. */
  handleAcknowledged(
    { cumulativeTsn, nextTsn, flightLength }: {
      readonly cumulativeTsn: number;
      readonly nextTsn: number;
      readonly flightLength: number;
    },
  ): number {
    const peak = Math.max(this.#previous, this.#current);
    if (isAfter32(this.#lastTsn, cumulativeTsn)) return peak;
    this.#previous = this.#current;
    this.#current = flightLength;
    this.#lastTsn = nextTsn;
    return peak;
  }
}
