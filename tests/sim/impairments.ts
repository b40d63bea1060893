/** What a lane does to what passes it. Probabilities are from 0 to 1, times in ms. */
import type { Instant } from "../../src/sans_io.ts";

export interface Impairments {
  readonly delayMs?: number;
  /** Up to so much more delay, uniformly. It does not reorder: who is behind another waits. */
  readonly jitterMs?: number;
  /** Jitter does reorder: each datagram arrives after its own delay, whoever is behind it. */
  readonly isJitterReordering?: boolean;
  /** Each datagram is lost with this probability, whatever happened to the last one. */
  readonly loss?: number;
  /** Losses that come in bursts; with `loss`, a datagram has to survive both. */
  readonly burstLoss?: GilbertElliott;
  readonly reorder?: Reordering;
  /** Each datagram comes twice with this probability; each copy queues and is damaged for itself. */
  readonly duplicate?: number;
  /**
   * Each datagram arrives with one to four different bits flipped with this probability, in the
   * place of the true one: never with it, unless it was duplicated as well.
   */
  readonly corrupt?: number;
  readonly rate?: Rate;
  /** Drops what is beyond a rate, without a queue. */
  readonly policer?: Policer;
  /** What each datagram has on the wire besides its bytes, for the rate and the policer. */
  readonly overheadBytes?: number;
  /** Longer datagrams are dropped. It is UDP's payload that is measured, here and by the rate. */
  readonly mtuBytes?: number;
  /** While a lane is cut nothing enters it and nothing arrives: both is lost. */
  readonly cuts?: readonly Cut[];
}

/**
 * Loss as a chain of two states, one step a datagram: in the good state `lossInGood` of them are
 * lost (0 unless given), in the bad one `lossInBad` (1 unless given). A burst is 1 / `leaveBad`
 * datagrams long on average, and `enterBad` / (`enterBad` + `leaveBad`) of all are in one.
 */
export interface GilbertElliott {
  readonly enterBad: number;
  readonly leaveBad: number;
  readonly lossInGood?: number;
  readonly lossInBad?: number;
}

/** With the probability a datagram takes so much longer, and those behind it overtake it. */
export interface Reordering {
  readonly probability: number;
  readonly extraDelayMs: number;
}

/**
 * A bottleneck. A datagram is on the wire for its length over the rate; those that wait, and the one
 * on the wire, may have `queueBytes` together, and what does not fit is dropped. An idle lane takes
 * any length.
 */
export interface Rate {
  readonly bitsPerSecond: number;
  readonly queueBytes: number;
}

/**
 * A token bucket that fills at the rate, up to `burstBytes`; a datagram that finds less than its
 * length in it is dropped.
 */
export interface Policer {
  readonly bitsPerSecond: number;
  readonly burstBytes: number;
}

/** From the first instant to before the second. */
export interface Cut {
  readonly from: Instant;
  readonly until: Instant;
}

/** Throws when a value can only be a mistake, such as 20 for 20 %. */
export function verifyImpairments(impairments: Impairments): void {
  const { loss, burstLoss, reorder, duplicate, corrupt, rate, delayMs, jitterMs } = impairments;
  const probabilities = {
    loss,
    duplicate,
    corrupt,
    "reorder.probability": reorder?.probability,
    "burstLoss.enterBad": burstLoss?.enterBad,
    "burstLoss.leaveBad": burstLoss?.leaveBad,
    "burstLoss.lossInGood": burstLoss?.lossInGood,
    "burstLoss.lossInBad": burstLoss?.lossInBad,
  };
  for (const [name, value] of Object.entries(probabilities)) {
    if (value !== undefined && !(value >= 0 && value <= 1)) refuse(name, value, "from 0 to 1");
  }
  const times = { delayMs, jitterMs, "reorder.extraDelayMs": reorder?.extraDelayMs };
  for (const [name, value] of Object.entries(times)) {
    if (value !== undefined && !(value >= 0 && value < Infinity)) refuse(name, value, "0 or more");
  }
  if (rate !== undefined && !(rate.bitsPerSecond > 0)) {
    refuse("rate.bitsPerSecond", rate.bitsPerSecond, "more than 0");
  }
}

function refuse(name: string, value: number, range: string): never {
  throw new RangeError(`Impairing a lane: ${name} is ${value}, but has to be ${range}`);
}
