/**
 * Tells loss that is a sign of congestion from loss that is the path's nature. What a path loses
 * whatever is sent over it, a radio link say, it also loses in its best rounds; what a full queue
 * drops ends once less is sent. Lengths are user data, in bytes.
 */

/** What one part in so many may be lost beyond the path's nature: draft-ietf-ccwg-bbr's LossThresh. */
const lossThreshold = 0.02;
/** Beyond this, loss is not taken for the path's nature: BBR's probes alone cause a fifth. */
const maxBaseRate = 0.15;
/** No path loses so much by its nature: a queue that is sent to at twice its rate does. */
const overflowRate = 0.3;
const minOverflowPackets = 20;
/** A rate that is told by fewer packets tells nothing. */
const minEpochPackets = 50;
/** Chance makes for so many standard deviations. */
const deviations = 2;
/** What a path loses is told by no fewer, and is the least of so many cycles. */
const minCyclePackets = 300;
const cycleCount = 3;

/** Loss by epochs: whole round trips, of as many packets as it takes. */
export class LossMonitor {
  #pieceLength: number;
  #lostAtStart = 0;
  #deliveredAtStart = 0;
  #lost = 0;
  #baseRate = 0;
  #delivered = 0;
  /** Of the quiet epochs of this cycle. */
  #quietLost = 0;
  #quietPackets = 0;
  /** Of the cycles before. */
  readonly #rates: number[] = [];

  constructor(pieceLength: number) {
    this.#pieceLength = pieceLength;
  }

  setPieceLength(pieceLength: number): void {
    this.#pieceLength = pieceLength;
  }

  /** The rate at which the path loses packets though nothing is congested. */
  get baseRate(): number {
    return this.#baseRate;
  }

  /** What was lost since the epoch began. */
  get lostLength(): number {
    return this.#lost - this.#lostAtStart;
  }

  /** All that was lost and delivered ever. */
  handleAcknowledgement(lost: number, delivered: number): void {
    this.#lost = lost;
    this.#delivered = delivered;
  }

  /** Whether more was lost in this epoch than the path and chance account for. */
  isTooHigh(flightLength: number): boolean {
    const lostCount = this.lostLength / this.#pieceLength;
    if (lostCount < 1) return false;
    const packetCount = Math.max(minEpochPackets, flightLength / this.#pieceLength, this.#packets);
    const expected = packetCount * (this.baseRate + lossThreshold);
    return lostCount > expected + deviations * Math.sqrt(expected);
  }

  /** Whether so much was lost in this epoch that it has to be a queue that overflows. */
  get isOverflowing(): boolean {
    const lostCount = this.lostLength / this.#pieceLength;
    return lostCount >= minOverflowPackets && lostCount >= overflowRate * this.#packets;
  }

  /** A round trip is over; whether the epoch is too. */
  isEpochOver(): boolean {
    return this.#packets >= minEpochPackets;
  }

  /** Begins the next epoch. Of a `quiet` one the loss is of the path. */
  startEpoch(isQuiet: boolean): void {
    if (isQuiet) {
      this.#quietLost += this.lostLength / this.#pieceLength;
      this.#quietPackets += this.#packets;
    }
    this.#lostAtStart = this.#lost;
    this.#deliveredAtStart = this.#delivered;
  }

  /** A cycle of probing is over: what was seen some cycles ago is forgotten. */
  handleCycle(): void {
    if (this.#quietPackets < minCyclePackets) return;
    this.#rates.unshift(Math.max(0, this.#quietLost) / this.#quietPackets);
    this.#rates.length = Math.min(this.#rates.length, cycleCount);
    this.#baseRate = Math.min(maxBaseRate, ...this.#rates);
    this.#quietLost = this.#quietPackets = 0;
  }

  get #packets(): number {
    const delivered = this.#delivered - this.#deliveredAtStart;
    return (delivered + Math.max(0, this.lostLength)) / this.#pieceLength;
  }
}
