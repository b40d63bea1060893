/** How long to wait before trying again, so that neither a client nor a server wears itself out. */

// The first minute is for a server that restarts: it is found within seconds. Later each try costs
// the rest of an hour's budget of three calls a minute.
const EARLY_MILLISECONDS = [1_000, 2_000, 4_000, 8_000, 8_000, 8_000, 8_000];
const LATE_MILLISECONDS = 30_000;

/**
 * The time (ms) to wait before try number `attempt` + 2, from 0.5 s to 30 s. `random` is from 0 to
 * 1, below 1; without it, random bits are drawn. The wait is jittered, for all clients of a server
 * lose it at the same moment.
 */
export function backoffDelay(attempt: number, random: number = randomFraction()): number {
  const early = EARLY_MILLISECONDS[attempt];
  return early === undefined
    ? LATE_MILLISECONDS * (0.8 + 0.2 * random)
    : early * (0.5 + 0.5 * random);
}

/** Waits so long (ms). Throws the signal's reason where it is aborted before. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** A random number from 0 to 1, below 1. */
export function randomFraction(): number {
  const [bits = 0] = crypto.getRandomValues(new Uint32Array(1));
  return bits / 2 ** 32;
}
