/**
 * Time for what sets timers and reads the clock by itself: it passes only when a test says so. While
 * one is in use nobody else's timers run, so a test uses it alone and disposes of it.
 */
import { setImmediate } from "node:timers";
import { VirtualClock } from "../sim/virtual_clock.ts";

interface Timer {
  readonly id: number;
  readonly run: () => void;
}

/** `performance.now`, `setTimeout` and `clearTimeout`, replaced. */
export class FakeTime implements Disposable {
  readonly #clock = new VirtualClock<Timer>();
  readonly #pending = new Set<number>();
  readonly #restore: () => void;
  #lastId = 0;

  constructor() {
    const { setTimeout, clearTimeout } = globalThis;
    const now = performance.now;
    this.#restore = () => {
      Object.assign(globalThis, { setTimeout, clearTimeout });
      performance.now = now;
    };
    Object.assign(globalThis, {
      setTimeout: (run: () => void, delay = 0) => this.#schedule(run, delay),
      clearTimeout: (id: number | undefined) => void this.#pending.delete(id ?? 0),
    });
    performance.now = () => this.#clock.now;
  }

  get now(): number {
    return this.#clock.now;
  }

  /** Timers that are set. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Lets so much time pass, in ms, and whatever is due in it happen. */
  async pass(duration: number): Promise<void> {
    const end = this.#clock.now + duration;
    await settle();
    for (let next = this.#clock.nextInstant(); next !== undefined && next <= end;) {
      await this.#step();
      next = this.#clock.nextInstant();
    }
    this.#clock.advanceTo(end);
  }

  /** Lets time pass until something holds. Throws where it does not hold within a virtual hour. */
  async passUntil(isReached: () => boolean, what: string): Promise<void> {
    const end = this.#clock.now + 3_600_000;
    await settle();
    while (!isReached()) {
      if ((this.#clock.nextInstant() ?? Infinity) > end) throw new Error(`no ${what} came`);
      await this.#step();
    }
  }

  [Symbol.dispose](): void {
    this.#restore();
  }

  #schedule(run: () => void, delay: number): number {
    const id = ++this.#lastId;
    this.#pending.add(id);
    this.#clock.schedule(this.#clock.now + Math.max(0, delay), { id, run });
    return id;
  }

  async #step(): Promise<void> {
    const timer = this.#clock.advance();
    if (timer === undefined || !this.#pending.delete(timer.id)) return;
    timer.run();
    await settle();
  }
}

/** Lets all that waits for promises alone go on. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
