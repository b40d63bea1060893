/** What someone on the path does to single datagrams, as opposed to what chance does to them. */
import type { Instant } from "../../src/sans_io.ts";

/** A datagram that enters a lane. */
export interface LaneDatagram {
  /** Lent until the hook returns. */
  readonly bytes: Uint8Array;
  /** How many were sent before it, whatever became of them. */
  readonly index: number;
  readonly at: Instant;
}

/**
 * `replaceWith` puts datagrams in the place of one: none drops it, two of which one is the original
 * inject the other before or behind it. `extraDelayMs` holds it back, and others overtake it.
 */
export type Verdict =
  | "pass"
  | "drop"
  | { readonly replaceWith: readonly Uint8Array[] }
  | { readonly extraDelayMs: number };

/** Drops the datagrams with these indices. */
export function dropAt(indices: Iterable<number>): (datagram: { index: number }) => Verdict {
  const doomed = new Set(indices);
  return ({ index }) => doomed.has(index) ? "drop" : "pass";
}

/** Every index below `count` by itself, then every pair: for 40, 40 + 780 sets. */
export function* singlesAndPairs(count: number): Generator<readonly number[]> {
  for (let first = 0; first < count; first++) yield [first];
  for (let first = 0; first < count; first++) {
    for (let second = first + 1; second < count; second++) yield [first, second];
  }
}
