/** How fast something comes. */
import type { Instant } from "../sans_io.ts";

/** What a meter has counted. */
export interface MeterReading {
  /** What came, in bytes. */
  readonly bytes: number;
  /** Within so long, in ms. */
  readonly duration: number;
}

/**
 * Counts from the first arrival, so that the way there does not count as time of the transfer, to a
 * deadline. What comes later counts only where before it nothing could be measured.
 */
export class Meter {
  readonly #begunAt: Instant;
  readonly #deadline: Instant;
  #firstAt: Instant | undefined;
  #firstLength = 0;
  #lastAt: Instant = 0;
  #length = 0;

  constructor({ begunAt, deadline }: { begunAt: Instant; deadline: Instant }) {
    this.#begunAt = begunAt;
    this.#deadline = deadline;
  }

  /** So many bytes came. */
  add(length: number, now: Instant): void {
    if (now > this.#deadline && this.#hasInterval) return;
    if (this.#firstAt === undefined) {
      this.#firstAt = now;
      this.#firstLength = length;
    }
    this.#lastAt = now;
    this.#length += length;
  }

  read(): MeterReading {
    const { bytes, since } = this.#hasInterval && this.#firstAt !== undefined
      ? { bytes: this.#length - this.#firstLength, since: this.#firstAt }
      : { bytes: this.#length, since: this.#begunAt };
    return { bytes, duration: Math.max(0, this.#lastAt - since) };
  }

  get #hasInterval(): boolean {
    return this.#firstAt !== undefined && this.#lastAt > this.#firstAt;
  }
}
