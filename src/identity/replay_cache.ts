/**
 * Which numbered messages were taken already. It remembers one small window a stream, for as long
 * as the stream's messages could be taken again, and reads no clock.
 */

// Bits of a 32-bit integer: how far messages may overtake each other.
const windowLength = 32;

/** A numbered message, as far as it matters here. */
export interface ReplayEntry {
  /** Who sent it: the one whose share of the cache it takes. */
  readonly sender: string;
  /** What its number counts in: unique within the sender's streams. */
  readonly stream: string;
  readonly sequence: number;
  /** From when on it would be refused as stale anyway; milliseconds since 1970. */
  readonly expiry: number;
}

interface Window {
  readonly sender: string;
  readonly highest: number;
  /** Bit n: whether the message numbered `highest - n` was taken. */
  readonly taken: number;
  readonly expiry: number;
}

/**
 * Takes every message at most once. Messages that overtook each other by fewer than 32 are good.
 * The cache is bounded in all and per sender; where it is full, messages of new streams are refused
 * rather than old ones forgotten. Give it authentic messages only: `take` is what spends room.
 */
export class ReplayCache {
  readonly #capacity: number;
  readonly #capacityPerSender: number;
  /** In the order of their last message. */
  readonly #windows = new Map<string, Window>();
  readonly #countBySender = new Map<string, number>();

  constructor(
    { capacity = 4096, capacityPerSender = 256 }: {
      capacity?: number;
      capacityPerSender?: number;
    } = {},
  ) {
    this.#capacity = capacity;
    this.#capacityPerSender = capacityPerSender;
  }

  /** How many streams it remembers. */
  get size(): number {
    return this.#windows.size;
  }

  /** Whether the message was not taken yet. Changes nothing. */
  isNew(entry: ReplayEntry): boolean {
    const window = this.#windows.get(keyOf(entry));
    if (window === undefined || entry.sequence > window.highest) return true;
    const age = window.highest - entry.sequence;
    return age < windowLength && (window.taken & (1 << age)) === 0;
  }

  /**
   * Takes a message: true once, and false from then on or where there is no room.
   *
   * @param now milliseconds since 1970
   */
  take(entry: ReplayEntry, now: number): boolean {
    this.#forgetExpired(now);
    const key = keyOf(entry);
    const window = this.#windows.get(key);
    if (!this.isNew(entry)) return false;
    if (window === undefined) {
      if (!this.#hasRoomFor(entry.sender)) return false;
      this.#count(entry.sender, 1);
    }
    this.#windows.delete(key);
    this.#windows.set(key, advanced(window, entry));
    return true;
  }

  #hasRoomFor(sender: string): boolean {
    return this.#windows.size < this.#capacity &&
      (this.#countBySender.get(sender) ?? 0) < this.#capacityPerSender;
  }

  /**
   * Stops at the first that is still needed. One behind it that expired earlier, by a sender whose
   * clock is slow, waits for it: no longer than messages are valid.
   */
  #forgetExpired(now: number): void {
    for (const [key, { sender, expiry }] of this.#windows) {
      if (expiry >= now) return;
      this.#windows.delete(key);
      this.#count(sender, -1);
    }
  }

  #count(sender: string, change: number): void {
    const count = (this.#countBySender.get(sender) ?? 0) + change;
    if (count === 0) this.#countBySender.delete(sender);
    else this.#countBySender.set(sender, count);
  }
}

function keyOf({ sender, stream }: ReplayEntry): string {
  return `${sender} ${stream}`;
}

function advanced(window: Window | undefined, { sender, sequence, expiry }: ReplayEntry): Window {
  if (window === undefined) return { sender, highest: sequence, taken: 1, expiry };
  const latest = Math.max(window.expiry, expiry);
  const step = sequence - window.highest;
  if (step <= 0) return { ...window, taken: window.taken | (1 << -step), expiry: latest };
  // A shift takes its count modulo 32, so a longer step would not clear the window.
  const kept = step < windowLength ? window.taken << step : 0;
  return { sender, highest: sequence, taken: kept | 1, expiry: latest };
}
