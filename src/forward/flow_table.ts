/**
 * Flows of datagrams, which nobody ends by a message: they end when they are idle for long, and the
 * one idle longest when there are too many.
 */
import type { Instant } from "../sans_io.ts";

/** What is ended. */
export interface Expiring {
  /** It has left the table. */
  expire(reason: string): void;
}

/** What a table holds at most. */
export interface FlowLimits {
  readonly maxCount: number;
  /** In ms. */
  readonly idleTimeout: number;
}

/** A node's, unless it was told others. */
export const defaultIdleTimeout = 60_000;

/** Some flows, with one timer for all. */
export class FlowTable<Flow extends Expiring> {
  readonly #limits: FlowLimits;
  /** When each was used last; the one idle longest is the first. */
  readonly #usedAt = new Map<Flow, Instant>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(limits: FlowLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#usedAt.size;
  }

  /** Adds a flow, in the place of the one idle longest where there are too many. */
  add(flow: Flow): void {
    const [oldest] = this.#usedAt.keys();
    if (oldest !== undefined && this.size >= this.#limits.maxCount) {
      this.delete(oldest);
      oldest.expire(`it was idle longest, and there are ${this.#limits.maxCount} others`);
    }
    this.#usedAt.set(flow, performance.now());
    this.#timer ??= setTimeout(this.#handleTimer, this.#limits.idleTimeout);
  }

  /** A flow is used; does nothing for one that has left. */
  touch(flow: Flow): void {
    if (this.#usedAt.delete(flow)) this.#usedAt.set(flow, performance.now());
  }

  /** Forgets a flow. */
  delete(flow: Flow): void {
    this.#usedAt.delete(flow);
    if (this.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Ends all. */
  clear(reason: string): void {
    for (const flow of [...this.#usedAt.keys()]) {
      this.delete(flow);
      flow.expire(reason);
    }
  }

  readonly #handleTimer = (): void => {
    this.#timer = undefined;
    const { idleTimeout } = this.#limits;
    const now = performance.now();
    for (const [flow, usedAt] of this.#usedAt) {
      if (usedAt + idleTimeout > now) {
        this.#timer = setTimeout(this.#handleTimer, usedAt + idleTimeout - now);
        return;
      }
      this.#usedAt.delete(flow);
      flow.expire(`idle for ${idleTimeout / 1_000} s`);
    }
  };
}
