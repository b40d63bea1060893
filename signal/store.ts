/**
 * Records that end, in Deno KV. Deno KV deletes an expired key some time after its expiry, not at
 * it, so each record carries its expiry too and is absent from that moment on.
 */

/** The part of `Deno.Kv` that the server uses. */
export type KvStore = Pick<Deno.Kv, "get" | "getMany" | "list" | "atomic" | "watch">;

/** A record, or its absence, with the version that a later {@link Change} checks. */
export interface Entry<T> {
  readonly key: Deno.KvKey;
  readonly value: T | undefined;
  /** Of an expired record too: it is still what a commit must replace. */
  readonly versionstamp: string | null;
}

/** What one commit does, or fails to do as a whole. */
export interface Change {
  /** Entries as they were read: the commit fails if any has changed since. */
  readonly check?: readonly Entry<unknown>[];
  readonly set?: readonly Put[];
  readonly remove?: readonly Deno.KvKey[];
}

/** A record to be written, with the time (ms since 1970) from which it is absent. */
export interface Put {
  readonly key: Deno.KvKey;
  readonly value: unknown;
  readonly expiresAt: number;
}

/** The store does not answer: the client may try again. */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";
}

interface Stored {
  readonly value: unknown;
  readonly expiresAt: number;
}

const ROOT = "aetherlight";
/** In the message of the error for a file that another process is writing to. */
const LOCKED = "database is locked";
const ANSWER_MILLISECONDS = 5_000;
const MAX_ATTEMPTS = 24;
const MAX_PAUSE_MILLISECONDS = 40;

/** Records that end. Every method throws {@link StoreUnavailable} where Deno KV fails. */
export class Store {
  readonly #kv: KvStore;
  /** The end of each line of attempts. */
  readonly #lines = new Map<string, Promise<void>>();
  /** The clock: ms since 1970. */
  readonly now: () => number;

  constructor(kv: KvStore, now: () => number) {
    this.#kv = kv;
    this.now = now;
  }

  /**
   * Reads one record. The type is the caller's word: only this server writes these keys, each
   * always with one type.
   */
  async get<T>(key: Deno.KvKey): Promise<Entry<T>> {
    const entry = await answered(() => this.#kv.get<Stored>([ROOT, ...key]));
    return this.#entryOf<T>(key, entry.value, entry.versionstamp);
  }

  /** Reads up to ten records in one go. The types are the caller's word, as with {@link get}. */
  async getMany<T extends readonly unknown[]>(
    keys: { readonly [At in keyof T]: Deno.KvKey },
  ): Promise<{ [At in keyof T]: Entry<T[At]> }> {
    const entries = await answered(
      () => this.#kv.getMany<Stored[]>(keys.map((key) => [ROOT, ...key])),
    );
    // As many and in the same order as the keys.
    return entries.map(({ key, value, versionstamp }) =>
      this.#entryOf(key.slice(1), value, versionstamp)
    ) as { [At in keyof T]: Entry<T[At]> };
  }

  /** Reads the records right below `prefix` whose last part is above `after`, in order. */
  async listAfter<T>(
    prefix: Deno.KvKey,
    { after, limit }: { readonly after: number; readonly limit: number },
  ): Promise<Entry<T>[]> {
    const selector = {
      start: [ROOT, ...prefix, after + 1],
      end: [ROOT, ...prefix, Number.MAX_SAFE_INTEGER],
    };
    const entries = await answered(
      () => Array.fromAsync(this.#kv.list<Stored>(selector, { limit, batchSize: limit })),
    );
    return entries
      .map(({ key, value, versionstamp }) => this.#entryOf<T>(key.slice(1), value, versionstamp))
      .filter((entry) => entry.value !== undefined);
  }

  /** Commits a change. False: an entry has changed since it was read, and nothing was done. */
  async commit({ check = [], set = [], remove = [] }: Change): Promise<boolean> {
    const operation = this.#kv.atomic();
    for (const { key, versionstamp } of check) {
      operation.check({ key: [ROOT, ...key], versionstamp });
    }
    for (const { key, value, expiresAt } of set) {
      const expireIn = Math.max(1, expiresAt - this.now());
      operation.set([ROOT, ...key], { value, expiresAt } satisfies Stored, { expireIn });
    }
    for (const key of remove) operation.delete([ROOT, ...key]);
    return (await answered(() => operation.commit())).ok;
  }

  /**
   * Runs an attempt (read, decide, commit) until its commit holds. The attempt answers undefined
   * where the commit failed because another instance was faster; those of this instance that
   * contend for the same record wait for each other.
   */
  async retry<T>(contended: Deno.KvKey, attempt: () => Promise<T | undefined>): Promise<T> {
    const name = JSON.stringify(contended);
    const before = this.#lines.get(name) ?? Promise.resolve();
    const result = before.then(() => retry(attempt));
    const settled = result.then(() => {}, () => {});
    this.#lines.set(name, settled);
    try {
      return await result;
    } finally {
      if (this.#lines.get(name) === settled) this.#lines.delete(name);
    }
  }

  /** The entries now and after each change. Ends when the stream is cancelled. */
  watch<T>(keys: readonly Deno.KvKey[]): ReadableStream<Entry<T>[]> {
    const stream = this.#kv.watch<Stored[]>(keys.map((key) => [ROOT, ...key]));
    return stream.pipeThrough(
      new TransformStream({
        transform: (entries, controller) => {
          controller.enqueue(
            entries.map(({ value, versionstamp }, at) =>
              this.#entryOf<T>(keys[at] ?? [], value, versionstamp)
            ),
          );
        },
      }),
    );
  }

  #entryOf<T>(key: Deno.KvKey, stored: Stored | null, versionstamp: string | null): Entry<T> {
    const isLive = stored !== null && stored.expiresAt > this.now();
    // Only this class writes below ROOT; T is what the caller wrote there.
    return { key, value: isLive ? stored.value as T : undefined, versionstamp };
  }
}

async function retry<T>(attempt: () => Promise<T | undefined>): Promise<T> {
  for (let count = 0; count < MAX_ATTEMPTS; count++) {
    const result = await attempt();
    if (result !== undefined) return result;
    await pause(count);
  }
  throw new StoreUnavailable("too many others write to the same record");
}

/** Waits a random time that grows with the count, so that those who collided do not again. */
function pause(count: number): Promise<void> {
  const [random = 0] = crypto.getRandomValues(new Uint32Array(1));
  const milliseconds = Math.min(2 ** count, MAX_PAUSE_MILLISECONDS) * random / 2 ** 32;
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** The result of an operation. One that found the file locked by another process is repeated. */
async function answered<T>(operate: () => Promise<T>): Promise<T> {
  for (let count = 0;; count++) {
    try {
      return await inTime(operate());
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (!message.includes(LOCKED) || count >= MAX_ATTEMPTS) {
        throw new StoreUnavailable(`Deno KV: ${message}`, { cause: error });
      }
      await pause(count);
    }
  }
}

async function inTime<T>(operation: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer in time")), ANSWER_MILLISECONDS);
  });
  try {
    return await Promise.race([operation, late]);
  } finally {
    clearTimeout(timer);
  }
}
