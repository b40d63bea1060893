/**
 * How much the other side of a stream may have under way: as much as its path holds, found out from
 * what arrives within a round trip (dynamic right-sizing, as Linux does it for TCP). Beyond a base all
 * streams share a budget.
 */
import type { Budget } from "../budget.ts";
import type { Instant } from "../sans_io.ts";

/** What every stream has, in bytes. */
export const baseWindow = 1_048_576;
/** What none has more of, in bytes: 500 Mbit/s for half a second. */
const maxWindow = 33_554_432;
/** A round trip is taken for no shorter, in ms: timers and bursts make less of it mean nothing. */
const minRoundTrip = 4;
/**
 * On a path as short as that, in bytes: what is under way lies with the nodes, which wait for each
 * other less often where it is more, and find it in no cache where it is much more.
 */
const maxShortPathWindow = 2_097_152;

/** The window of one stream. */
export class ReceiveWindow {
  readonly #budget: Budget;
  #length = baseWindow;
  /** The round trip that is being looked at. */
  #begunAt: Instant = -Infinity;
  #consumedLength = 0;
  /** The least that waited for its reader meanwhile. */
  #leastLeft = Infinity;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  /** In bytes. */
  get length(): number {
    return this.#length;
  }

  /**
   * So many bytes were handed on, and so many are left that were not. A window that was used up within
   * a round trip is doubled; one of whose bytes half wait for their reader all the while falls back.
   * What a lost packet held back comes at once, and waits for no slow reader.
   */
  handleConsumed(
    length: number,
    { left, roundTrip = 0, now }: {
      readonly left: number;
      readonly roundTrip: number | undefined;
      readonly now: Instant;
    },
  ): void {
    this.#consumedLength += length;
    this.#leastLeft = Math.min(this.#leastLeft, left);
    if (now < this.#begunAt + Math.max(roundTrip, minRoundTrip)) return;
    const isUsedUp = this.#begunAt > -Infinity && 2 * this.#consumedLength > this.#length;
    if (2 * this.#leastLeft > this.#length) this.close();
    else if (isUsedUp) this.#growTo(roundTrip < minRoundTrip ? maxShortPathWindow : maxWindow);
    this.#begunAt = now;
    this.#consumedLength = 0;
    this.#leastLeft = Infinity;
  }

  /** Gives back what it has beyond the base. */
  close(): void {
    this.#begunAt = -Infinity;
    this.#consumedLength = 0;
    this.#leastLeft = Infinity;
    this.#budget.give(this.#length - baseWindow);
    this.#length = baseWindow;
  }

  #growTo(most: number): void {
    const length = Math.min(2 * this.#length, most);
    if (length > this.#length && this.#budget.take(length - this.#length)) this.#length = length;
  }
}
