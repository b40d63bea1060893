/**
 * Bytes a second, shared by flows: each flow that wants has as many bytes as any other, however it
 * cuts them (start-time fair queueing: who has had least is served next).
 */
import type { AccessClock } from "./clock.ts";

/** One flow's share. */
export interface RateFlow {
  /** Resolves when so many bytes may be moved. */
  spend(length: number): Promise<void>;
  /** Whether what it wanted last may not be moved yet. */
  isWaiting(): boolean;
  /** How long it would wait now, in ms, behind those that have had less: about. */
  delay(): number;
  /** What it waits for is let through. */
  close(): void;
}

interface Waiter {
  readonly flow: Flow;
  readonly length: number;
  readonly resolve: () => void;
}

interface Flow {
  /** How far it has been served, in bytes of a flow that was always served. */
  served: number;
  servedAt: number;
}

/** What may have been saved up while nobody wanted any, in ms. */
const maxSaved = 20;
/** A flow that was served and has had less than others is waited for so long, in ms. */
const returnGrace = 5;

/** One rate, for any number of flows; each of them waits for one thing at a time. */
export class RateGate {
  readonly #clock: AccessClock;
  #rate: number;
  /** Negative while what was let through is yet to be paid for. */
  #balance = 0;
  #paidAt: number;
  #served = 0;
  readonly #waiters = new Set<Waiter>();
  /** Flows that were served a moment ago and have not asked again. */
  readonly #returning = new Set<Flow>();
  #cancelTimer: (() => void) | undefined;

  /** The rate is in bytes a second. */
  constructor(rate: number, clock: AccessClock) {
    this.#clock = clock;
    this.#rate = rate;
    this.#paidAt = clock.monotonic();
  }

  get rate(): number {
    return this.#rate;
  }

  /** In bytes a second. */
  setRate(rate: number): void {
    this.#pay();
    this.#rate = rate;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#serve();
  }

  open(): RateFlow {
    const flow: Flow = { served: this.#served, servedAt: -Infinity };
    let waiting: Waiter | undefined;
    return {
      spend: (length) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        // A flow that had nothing to send has saved nothing.
        flow.served = Math.max(flow.served, this.#served);
        waiting = { flow, length, resolve };
        this.#pay();
        this.#returning.delete(flow);
        this.#waiters.add(waiting);
        this.#serve();
        return promise;
      },
      isWaiting: () => waiting !== undefined && this.#waiters.has(waiting),
      delay: () => this.#delayOf(flow),
      close: () => {
        this.#returning.delete(flow);
        if (waiting === undefined || !this.#waiters.delete(waiting)) return;
        waiting.resolve();
        if (this.#waiters.size > 0) return;
        this.#cancelTimer?.();
        this.#cancelTimer = undefined;
      },
    };
  }

  #delayOf(flow: Flow): number {
    this.#pay();
    const served = Math.max(flow.served, this.#served);
    let length = -this.#balance;
    for (const waiter of this.#waiters) if (waiter.flow.served <= served) length += waiter.length;
    return Math.max(0, length / this.#rate * 1_000);
  }

  #pay(): void {
    const now = this.#clock.monotonic();
    this.#balance += (now - this.#paidAt) * this.#rate / 1_000;
    this.#paidAt = now;
    if (this.#waiters.size > 0) return;
    this.#balance = Math.min(this.#balance, maxSaved * this.#rate / 1_000);
  }

  #serve(): void {
    let next = this.#next();
    while (next !== undefined && this.#balance >= 0 && this.#heldUntil(next) === undefined) {
      this.#waiters.delete(next);
      this.#balance -= next.length;
      this.#served = next.flow.served;
      next.flow.served += next.length;
      next.flow.servedAt = this.#paidAt;
      this.#returning.add(next.flow);
      next.resolve();
      next = this.#next();
    }
    if (next !== undefined) this.#waitFor(next);
  }

  #waitFor(next: Waiter): void {
    if (this.#cancelTimer !== undefined) return;
    const held = (this.#heldUntil(next) ?? this.#paidAt) - this.#paidAt;
    const delay = Math.max(-this.#balance / this.#rate * 1_000, held, 1);
    this.#cancelTimer = this.#clock.after(delay, () => {
      this.#cancelTimer = undefined;
      this.#pay();
      this.#serve();
    });
  }

  /** When another, which had less and may be about to ask again, is waited for no more. */
  #heldUntil({ flow }: Waiter): number | undefined {
    let until: number | undefined;
    for (const other of this.#returning) {
      const end = other.servedAt + returnGrace;
      if (end <= this.#paidAt) this.#returning.delete(other);
      else if (other.served < flow.served) until = Math.max(until ?? end, end);
    }
    return until;
  }

  #next(): Waiter | undefined {
    let next: Waiter | undefined;
    for (const waiter of this.#waiters) {
      if (next === undefined || waiter.flow.served < next.flow.served) next = waiter;
    }
    return next;
  }
}
