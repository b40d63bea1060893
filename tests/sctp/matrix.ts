/**
 * The cells of goal G2: every combination of loss, round trip, reordering, duplicates and damage.
 *
 * @module
 */
import type { Impairments } from "../sim/impairments.ts";
import type { Transfer } from "./transfer.ts";

const losses = [0, 0.01, 0.05, 0.1, 0.2] as const;
const rtts = [0, 20, 100, 300] as const;
const reorderings = [0, 0.1] as const;
const duplications = [0, 0.05] as const;
const corruptions = [0, 0.01] as const;
/** Messages of one packet and of many, turn by turn. */
const maxMessageLengths = [100, 1_100, 5_000, 65_536] as const;

/** 160 of them. */
export function* cells(): Generator<Impairments> {
  for (const loss of losses) {
    for (const rtt of rtts) {
      for (const probability of reorderings) {
        for (const duplicate of duplications) {
          for (const corrupt of corruptions) {
            const extraDelayMs = Math.max(1, rtt / 4);
            const reorder = { probability, extraDelayMs };
            yield { loss, delayMs: rtt / 2, reorder, duplicate, corrupt };
          }
        }
      }
    }
  }
}

/** The transfers of one seed, a cell each: numbers wrap in half of them, and half have DATA chunks. */
export function* transfersOf(seed: number, length: number): Generator<Transfer> {
  let index = seed;
  for (const impairments of cells()) {
    index++;
    yield {
      seed: seed * 1_000 + index,
      impairments,
      length,
      streamCount: 6,
      maxMessageLength: maxMessageLengths[(index >> 1) % 4],
      isWrapping: index % 2 === 0,
      // Else a damaged packet would be taken: the lower layer promises that there are none.
      // Where five in a row may be lost, RTO has doubled to its longest.
      patience: impairments.loss === 0.2 ? 7_500 : undefined,
      config: { isZeroChecksumAcceptable: false, isInterleavingOffered: (index >> 3) % 2 === 0 },
    };
  }
}
