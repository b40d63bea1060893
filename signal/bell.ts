/**
 * How an instance hears of what another one stored. A bell is rung for a mailbox by its name; who
 * waits for that mailbox, at whatever instance, wakes up and reads it. All names share a few keys,
 * because a watch takes ten: each key holds the names rung last, so that an instance wakes only
 * those they concern. A bell carries nothing else, and one too many does no harm.
 */
import type { Entry, Store } from "./store.ts";

/** How changes by other instances come to be known. */
export type BellSource =
  /** By `Deno.Kv.watch`: fits every store but a file shared by processes. */
  | { readonly type: "watch" }
  /** By reading the bells again and again while someone waits: `watch` is blind to other processes. */
  | { readonly type: "poll"; readonly everyMilliseconds: number };

interface Rings {
  /** Of all rings so far. */
  readonly count: number;
  /** The names rung last, the newest at the end. */
  readonly names: readonly string[];
}

const SHARD_COUNT = 8;
const NAME_COUNT = 64;
const LIFETIME_MILLISECONDS = 3_600_000;
const RETRY_MILLISECONDS = 1_000;
const KEYS: readonly Deno.KvKey[] = Array.from({ length: SHARD_COUNT }, (_, at) => ["bell", at]);

/** The bells of one instance. */
export class Bell {
  readonly #store: Store;
  readonly #source: BellSource;
  readonly #listeners = new Map<string, Set<() => void>>();
  /** Rings that are not stored yet, by shard; present while one of the shard is being stored. */
  readonly #unstored = new Map<number, Set<string>>();
  readonly #seen = new Map<number, number>();
  #stopHearing: (() => void) | undefined;

  constructor(store: Store, source: BellSource) {
    this.#store = store;
    this.#source = source;
  }

  /** Calls `wake` at each ring of a name, until the returned function is called. */
  listen(name: string, wake: () => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(wake));
    this.#startHearing();
    return () => {
      listeners.delete(wake);
      if (listeners.size === 0 && this.#listeners.get(name) === listeners) {
        this.#listeners.delete(name);
      }
      if (this.#listeners.size === 0) this.#stopHearing?.();
    };
  }

  /** Wakes those who listen here, and then all others. Throws where the store does not answer. */
  async ring(name: string): Promise<void> {
    this.#wake(name);
    const shard = shardOf(name);
    const waiting = this.#unstored.get(shard);
    if (waiting !== undefined) {
      // The next write of this shard takes the name along. Whoever rings many times writes little.
      waiting.add(name);
      return;
    }
    this.#unstored.set(shard, new Set([name]));
    try {
      await this.#storeAll(shard);
    } finally {
      this.#unstored.delete(shard);
    }
  }

  async #storeAll(shard: number): Promise<void> {
    const key: Deno.KvKey = ["bell", shard];
    for (;;) {
      const names = [...this.#unstored.get(shard) ?? []];
      if (names.length === 0) return;
      this.#unstored.set(shard, new Set());
      await this.#store.retry(key, async () => {
        const entry = await this.#store.get<Rings>(key);
        const now = this.#store.now();
        // Counting from the time in ms keeps the count growing where an old record was forgotten.
        const rings = entry.value ?? { count: now, names: [] };
        const value: Rings = {
          count: rings.count + names.length,
          names: [...rings.names, ...names].slice(-NAME_COUNT),
        };
        const put = { key, value, expiresAt: now + LIFETIME_MILLISECONDS };
        return await this.#store.commit({ check: [entry], set: [put] }) || undefined;
      });
    }
  }

  #wake(name: string): void {
    for (const wake of this.#listeners.get(name) ?? []) wake();
  }

  #startHearing(): void {
    if (this.#stopHearing !== undefined) return;
    const stopped = new AbortController();
    this.#stopHearing = () => {
      this.#stopHearing = undefined;
      stopped.abort();
    };
    this.#hear(stopped.signal);
  }

  async #hear(stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) {
      // What was rung before now is unknown: the first look at each bell wakes everyone.
      this.#seen.clear();
      try {
        if (this.#source.type === "watch") await this.#watch(stopped);
        else await this.#poll(this.#source.everyMilliseconds, stopped);
      } catch (error) {
        // The store will be back; until then those who wait look for themselves now and then.
        if (!(error instanceof Error)) throw error;
      }
      await pause(RETRY_MILLISECONDS, stopped);
    }
  }

  async #watch(stopped: AbortSignal): Promise<void> {
    const reader = this.#store.watch<Rings>(KEYS).getReader();
    const cancel = () => {
      reader.cancel().catch(() => {
        // It had failed before: there is nothing left to cancel.
      });
    };
    stopped.addEventListener("abort", cancel, { once: true });
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done || stopped.aborted) return;
        this.#observe(value);
      }
    } finally {
      stopped.removeEventListener("abort", cancel);
    }
  }

  async #poll(everyMilliseconds: number, stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) {
      this.#observe(await this.#store.getMany<Rings[]>(KEYS));
      await pause(everyMilliseconds, stopped);
    }
  }

  #observe(entries: readonly Entry<Rings>[]): void {
    for (const [shard, { value }] of entries.entries()) {
      const count = value?.count ?? 0;
      const seen = this.#seen.get(shard);
      this.#seen.set(shard, count);
      if (seen === undefined) this.#wakeShard(shard);
      else if (value !== undefined && count > seen) this.#wakeRung(shard, value, count - seen);
    }
  }

  #wakeRung(shard: number, { names }: Rings, newCount: number): void {
    if (newCount > names.length) this.#wakeShard(shard);
    else for (const name of new Set(names.slice(-newCount))) this.#wake(name);
  }

  #wakeShard(shard: number): void {
    for (const name of this.#listeners.keys()) {
      if (shardOf(name) === shard) this.#wake(name);
    }
  }
}

/** Names end in characters that are random already. */
function shardOf(name: string): number {
  return (name.charCodeAt(name.length - 2) + name.charCodeAt(name.length - 3)) % SHARD_COUNT;
}

/** Waits so long, or until stopped. */
function pause(milliseconds: number, stopped: AbortSignal): Promise<void> {
  if (stopped.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      stopped.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    stopped.addEventListener("abort", end);
  });
}
