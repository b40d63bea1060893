/** The time, and timers: handed in, so that tests need not wait. */

/** What limits and registries know of time. */
export interface AccessClock {
  /** In ms since 1970. */
  now(): number;
  /** In ms since some instant; never goes back. */
  monotonic(): number;
  /** Calls back after so many ms, unless the returned function was called before. */
  after(delay: number, callback: () => void): () => void;
}

/** The system's. Its timers keep no process alive. */
export const systemClock: AccessClock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delay, callback) => {
    const timer = setTimeout(callback, delay);
    Deno.unrefTimer(timer);
    return () => clearTimeout(timer);
  },
};
