/** Time for limits and registries that passes when the test says so. */
import type { AccessClock } from "../../src/access/policy/clock.ts";

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

/** A clock whose timers run within `advance`. */
export class FakeAccessClock implements AccessClock {
  #elapsed = 0;
  #start: number;
  readonly #timers = new Set<Timer>();

  /** Begins at an instant, as ISO 8601. */
  constructor(start = "2026-11-23T09:00:00Z") {
    this.#start = Date.parse(start);
  }

  /** Timers that have not run. */
  get timerCount(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#start + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  after(delay: number, callback: () => void): () => void {
    const timer = { at: this.#elapsed + delay, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Someone sets the clock of the host. */
  setWall(instant: string): void {
    this.#start = Date.parse(instant) - this.#elapsed;
  }

  /** Lets so many ms pass, and what waits for nothing else run. */
  async advance(duration: number): Promise<void> {
    const end = this.#elapsed + duration;
    await settle();
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#timers.delete(next);
      this.#elapsed = Math.max(next.at, this.#elapsed);
      next.callback();
      await settle();
    }
    this.#elapsed = end;
  }

  #next(end: number): Timer | undefined {
    const due = [...this.#timers].filter(({ at }) => at <= end);
    return due.sort((one, other) => one.at - other.at)[0];
  }
}

/** Promises that are resolved run their course. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
