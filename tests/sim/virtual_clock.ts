/** Time that passes only when something happens: no timer, no waiting. */
import type { Instant } from "../../src/sans_io.ts";

/** What a lane needs of the clock: to know the time, and to have something happen later. */
export interface Schedule<Event> {
  readonly now: Instant;
  schedule(at: Instant, event: Event): void;
}

/**
 * The time, and all that is to happen, in a binary heap. Of events for the same instant the one that
 * was scheduled first happens first.
 */
export class VirtualClock<Event> implements Schedule<Event> {
  #now: Instant;
  #scheduledCount = 0;
  // One entry is spread over three arrays, which the engine keeps as plain numbers and pointers.
  readonly #instants: Instant[] = [];
  readonly #orders: number[] = [];
  readonly #events: Event[] = [];

  constructor(now: Instant = 0) {
    this.#now = now;
  }

  get now(): Instant {
    return this.#now;
  }

  /** How many events are still to come. */
  get pendingCount(): number {
    return this.#events.length;
  }

  schedule(at: Instant, event: Event): void {
    if (!(at >= this.#now && at < Infinity)) {
      throw new RangeError(`Scheduling at ${at} ms, but it is ${this.#now} ms: not in the future`);
    }
    this.#riseFrom(this.#events.length, at, this.#scheduledCount++, event);
  }

  /** When the next event happens; undefined when none will. */
  nextInstant(): Instant | undefined {
    return this.#instants[0];
  }

  /** Moves time to the next event and takes it; undefined when there is none. */
  advance(): Event | undefined {
    const event = this.#events[0];
    const at = this.#instants[0];
    if (event === undefined || at === undefined) return undefined;
    const lastInstant = this.#instants.pop();
    const lastOrder = this.#orders.pop();
    const lastEvent = this.#events.pop();
    if (
      this.#events.length > 0 && lastInstant !== undefined && lastOrder !== undefined &&
      lastEvent !== undefined
    ) this.#sinkFromTop(lastInstant, lastOrder, lastEvent);
    this.#now = at;
    return event;
  }

  /** Lets time pass in which nothing happens. */
  advanceTo(instant: Instant): void {
    const next = this.nextInstant();
    if (!(instant >= this.#now) || (next !== undefined && instant > next)) {
      throw new RangeError(
        `Advancing from ${this.#now} to ${instant} ms, with an event due at ${next ?? "no time"}`,
      );
    }
    this.#now = instant;
  }

  #riseFrom(hole: number, at: Instant, order: number, event: Event): void {
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      // The newest order is the highest: among equals it stays below.
      if ((this.#instants[parent] ?? 0) <= at) break;
      this.#move(parent, hole);
      hole = parent;
    }
    this.#put(hole, at, order, event);
  }

  #sinkFromTop(at: Instant, order: number, event: Event): void {
    const count = this.#events.length;
    let hole = 0;
    for (let child = 1; child < count; child = 2 * hole + 1) {
      if (child + 1 < count && this.#isEarlier(child + 1, child)) child++;
      const childAt = this.#instants[child] ?? 0;
      if (at < childAt || (at === childAt && order < (this.#orders[child] ?? 0))) break;
      this.#move(child, hole);
      hole = child;
    }
    this.#put(hole, at, order, event);
  }

  #isEarlier(one: number, other: number): boolean {
    const difference = (this.#instants[one] ?? 0) - (this.#instants[other] ?? 0);
    return difference < 0 ||
      (difference === 0 && (this.#orders[one] ?? 0) < (this.#orders[other] ?? 0));
  }

  #move(from: number, to: number): void {
    const event = this.#events[from];
    if (event === undefined) return;
    this.#put(to, this.#instants[from] ?? 0, this.#orders[from] ?? 0, event);
  }

  #put(hole: number, at: Instant, order: number, event: Event): void {
    this.#instants[hole] = at;
    this.#orders[hole] = order;
    this.#events[hole] = event;
  }
}
