/**
 * The key under which the server knows its own challenges again. It lives in the store, so that
 * each instance can check what any other issued, and each is used for an hour only.
 */
import type { Store } from "./store.ts";

const PERIOD_MILLISECONDS = 3_600_000;
const CACHE_MILLISECONDS = 60_000;
const CACHE_LENGTH = 4;
const KEY_LENGTH = 32;

interface Cached {
  readonly key: CryptoKey;
  readonly goodUntil: number;
}

/** The server's HMAC keys, one for each hour. */
export class Secrets {
  readonly #store: Store;
  readonly #cache = new Map<number, Cached>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** The HMAC key of the hour that a time (ms since 1970) lies in; made where there is none. */
  async keyAt(time: number): Promise<CryptoKey> {
    const period = Math.floor(time / PERIOD_MILLISECONDS);
    const cached = this.#cache.get(period);
    const now = this.#store.now();
    if (cached !== undefined && cached.goodUntil > now) return cached.key;
    const key = await this.#load(period);
    this.#cache.delete(period);
    this.#cache.set(period, { key, goodUntil: now + CACHE_MILLISECONDS });
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= CACHE_LENGTH) break;
      this.#cache.delete(oldest);
    }
    return key;
  }

  async #load(period: number): Promise<CryptoKey> {
    const bytes = await this.#store.retry(["secret", period], async () => {
      const entry = await this.#store.get<Uint8Array<ArrayBuffer>>(["secret", period]);
      if (entry.value !== undefined) return entry.value;
      const value = crypto.getRandomValues(new Uint8Array(KEY_LENGTH));
      // For as long again as its hour: a challenge of its last second is still to be checked.
      const expiresAt = (period + 2) * PERIOD_MILLISECONDS;
      const isOurs = await this.#store.commit({
        check: [entry],
        set: [{ key: entry.key, value, expiresAt }],
      });
      return isOurs ? value : undefined;
    });
    return await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, [
      "sign",
      "verify",
    ]);
  }
}
