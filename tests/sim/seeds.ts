/**
 * Runs a test for many seeds. Set SIM_SEED to run it for that one seed only: so a failure is replayed.
 * Seeds that found a bug once are kept in the table below and run first, for ever.
 */

/** Names the one seed to run. */
export const SEED_VARIABLE = "SIM_SEED";

/** By the test's name: the seeds that failed before a fix, each with what was wrong. */
const REGRESSION_SEEDS: Readonly<Record<string, readonly number[]>> = {
  // "completes at 20 % loss": [
  //   4711, // a duplicated Finished was answered after close_notify
  // ],
};

export interface SeedOptions {
  /** Where the table is looked up. */
  readonly test?: string;
  readonly regressions?: Readonly<Record<string, readonly number[]>>;
  /** In the place of all others. */
  readonly onlySeed?: number | undefined;
}

/**
 * Calls with the seeds that `test` once failed with, then with 1 to `count`. What is thrown is thrown
 * on, with the seed in its message.
 */
export function forSeeds(
  count: number,
  body: (seed: number) => void,
  options: SeedOptions = {},
): void {
  for (const seed of seedsOf(count, { onlySeed: seedFromEnvironment(), ...options })) {
    try {
      body(seed);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const hint = replayHint(seed);
      if (reason.includes(hint)) throw error;
      throw new Error(`seed=${seed}: ${reason}\n${hint}`, { cause: error });
    }
  }
}

/** How to see a seed's run again. */
export function replayHint(seed: number): string {
  return `Replay it: ${SEED_VARIABLE}=${seed} deno test -A --filter "<the test's name>" tests/`;
}

function seedsOf(
  count: number,
  { test, regressions = REGRESSION_SEEDS, onlySeed }: SeedOptions,
): readonly number[] {
  if (onlySeed !== undefined) return [onlySeed];
  const known = test === undefined ? [] : regressions[test] ?? [];
  return [...known, ...Array.from({ length: count }, (_, at) => at + 1)];
}

function seedFromEnvironment(): number | undefined {
  const text = Deno.env.get(SEED_VARIABLE);
  if (text === undefined || text === "") return undefined;
  const seed = Number(text);
  if (Number.isSafeInteger(seed)) return seed;
  throw new RangeError(`Reading ${SEED_VARIABLE}: "${text}" is not a whole number`);
}
