/** A budget of requests for each client address: a token bucket, in the memory of one instance. */
import { Refusal } from "./refusal.ts";

interface Bucket {
  tokens: number;
  filledAt: number;
}

/** Token buckets by client address. The table is bounded: the address longest unseen goes first. */
export class RateLimit {
  readonly #buckets = new Map<string, Bucket>();
  readonly #options: RateLimitOptions;

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  /** Takes one request from the budget. Throws {@link Refusal} (429) where nothing is left. */
  take(address: string): void {
    const { perSecond, burst, addressCount, now } = this.#options;
    const time = now();
    const bucket = this.#buckets.get(address) ?? { tokens: burst, filledAt: time };
    const elapsedSeconds = Math.max(0, time - bucket.filledAt) / 1000;
    bucket.tokens = Math.min(burst, bucket.tokens + elapsedSeconds * perSecond);
    bucket.filledAt = time;
    // A Map keeps the order of insertion: what is put in again is the last to be forgotten.
    this.#buckets.delete(address);
    this.#buckets.set(address, bucket);
    if (this.#buckets.size > addressCount) this.#forgetOldest();
    if (bucket.tokens < 1) {
      const waitSeconds = Math.ceil((1 - bucket.tokens) / perSecond);
      throw new Refusal("too_many_requests", "too many requests from this address", waitSeconds);
    }
    bucket.tokens--;
  }

  #forgetOldest(): void {
    for (const oldest of this.#buckets.keys()) {
      this.#buckets.delete(oldest);
      return;
    }
  }
}

/** The budget of one address, and how many addresses are remembered. */
export interface RateLimitOptions {
  readonly perSecond: number;
  readonly burst: number;
  readonly addressCount: number;
  /** ms since any fixed moment. */
  readonly now: () => number;
}
