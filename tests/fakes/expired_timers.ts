/** Timers that expire before their time. */

/** Runs the timers of so many milliseconds that `action` sets, at once. */
export async function withExpiredTimers<T>(delay: number, action: () => Promise<T>): Promise<T> {
  const realSetTimeout = globalThis.setTimeout;
  const expire = (callback: () => void, milliseconds?: number) =>
    realSetTimeout(callback, milliseconds === delay ? 0 : milliseconds);
  globalThis.setTimeout = Object.assign(expire, realSetTimeout) as typeof setTimeout;
  try {
    return await action();
  } finally {
    globalThis.setTimeout = realSetTimeout;
  }
}
