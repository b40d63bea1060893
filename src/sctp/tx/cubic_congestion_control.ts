/**
 * CUBIC (RFC 9438) with HyStart++ (RFC 9406): what most of the Internet's traffic is governed by. It
 * fills queues until they overflow, and takes every loss for that. Lengths are user data, in bytes;
 * times in ms, where the RFCs have segments and seconds.
 */
import type { Instant } from "../../sans_io.ts";
import type { Acknowledgement, CongestionControl } from "./congestion_control.ts";

/** RFC 9438 section 4.6 and 5: beta_cubic, and C in segments/s^3. */
const beta = 0.7;
const c = 0.4;
/** Section 4.3: growth in the Reno-friendly region, in segments a round trip. */
const alpha = 3 * (1 - beta) / (1 + beta);
/** RFC 6928's ten packets. Departs from RFC 9260 section 7.2.1 (three): paths have grown since. */
const initialPackets = 10;
/** RFC 9260 section 7.2.3: after a loss no less than this. */
const minPackets = 4;
/** RFC 9406 section 4.3: bounds of the delay that ends slow start, and its part of the round trip. */
const rttThreshold = { min: 4, max: 16, divisor: 8 } as const;
/** Fewer round trips tell nothing of a round. */
const minRttSamples = 8;
/** Conservative slow start grows by so much less, for so many rounds. */
const conservativeDivisor = 4;
const conservativeRounds = 5;

/** CUBIC's rules. */
export class CubicCongestionControl implements CongestionControl {
  #pieceLength: number;
  #cwndBytes: number;
  #ssthresh = Infinity;
  /** W_max, and where Reno would be: W_est. */
  #lastMax = 0;
  #renoBytes = 0;
  /** The epoch: when it began, and after how long the curve is at W_max again: K. */
  #epochAt: Instant | undefined;
  #plateauAfter = 0;
  readonly #slowStart = new SlowStartExit();

  /** `pieceLength` is the user data of one packet, in bytes. */
  constructor(pieceLength: number) {
    this.#pieceLength = pieceLength;
    this.#cwndBytes = initialPackets * pieceLength;
  }

  get cwndBytes(): number {
    return this.#cwndBytes;
  }

  handleAcknowledgement(acknowledgement: Acknowledgement): void {
    const { ackedLength, peakFlightLength, isRecovering, srtt, now } = acknowledgement;
    const phase = this.#slowStart.handleAcknowledgement(acknowledgement);
    // RFC 9260 section 7.2.1: only while the window is fully used, and not in a recovery.
    if (isRecovering || ackedLength === 0) return;
    if (this.#cwndBytes < this.#ssthresh) {
      // RFC 7661 section 4.1: half of it is enough, as it is to double within a round trip.
      if (2 * peakFlightLength < this.#cwndBytes) return;
      if (phase === "ended") this.#ssthresh = this.#cwndBytes;
      this.#cwndBytes += ackedLength / (phase === "conservative" ? conservativeDivisor : 1);
    } else if (peakFlightLength + this.#pieceLength > this.#cwndBytes) {
      this.#avoidCongestion(ackedLength, srtt, now);
    }
  }

  /** RFC 9438 sections 4.6 and 4.7 (fast convergence). */
  handleLoss(): void {
    const isShrinking = this.#cwndBytes < this.#lastMax;
    this.#lastMax = this.#cwndBytes * (isShrinking ? (1 + beta) / 2 : 1);
    this.#reduce();
    this.#cwndBytes = this.#ssthresh;
  }

  /** Section 4.8: as Reno, but for the threshold; the next epoch begins with avoidance. */
  handleTimeout(): void {
    this.#lastMax = this.#cwndBytes;
    this.#reduce();
    this.#cwndBytes = this.#pieceLength;
    this.#slowStart.restart();
  }

  handleIdle(idleTime: number, timeout: number): void {
    // RFC 9260 section 7.2.1: "the cwnd of the transport address SHOULD be adjusted to max(cwnd / 2,
    // 4 * PMTU) once per RTO".
    const floor = initialPackets * this.#pieceLength;
    for (let idle = idleTime; idle >= timeout && this.#cwndBytes > floor; idle -= timeout) {
      this.#cwndBytes = Math.max(this.#cwndBytes / 2, floor);
    }
    // RFC 9438 section 5.8: the time that nothing was sent is no time of the epoch.
    this.#epochAt = undefined;
  }

  handlePathChange(): void {
    this.#cwndBytes = initialPackets * this.#pieceLength;
    this.#ssthresh = Infinity;
    this.#lastMax = 0;
    this.#epochAt = undefined;
    this.#slowStart.restart();
  }

  setPieceLength(pieceLength: number): void {
    // A window of so many packets stays one of so many: else a longer packet would fill it alone.
    const packets = Math.min(initialPackets, this.#cwndBytes / this.#pieceLength);
    this.#pieceLength = pieceLength;
    this.#cwndBytes = Math.max(this.#cwndBytes, packets * pieceLength);
  }

  #reduce(): void {
    this.#ssthresh = Math.max(this.#cwndBytes * beta, minPackets * this.#pieceLength);
    this.#epochAt = undefined;
  }

  /** RFC 9438 sections 4.2 to 4.5. */
  #avoidCongestion(ackedLength: number, srtt: number, now: Instant): void {
    this.#epochAt ??= this.#startEpoch(now);
    const elapsed = now - this.#epochAt + Math.max(0, srtt);
    const target = this.#lastMax + this.#curve(elapsed - this.#plateauAfter);
    const bounded = Math.min(Math.max(target, this.#cwndBytes), 1.5 * this.#cwndBytes);
    const isAsHighAsBefore = this.#renoBytes >= this.#lastMax;
    const growth = (isAsHighAsBefore ? 1 : alpha) * this.#pieceLength;
    this.#renoBytes += growth * ackedLength / this.#cwndBytes;
    this.#cwndBytes += (bounded - this.#cwndBytes) * ackedLength / this.#cwndBytes;
    // Section 4.3: never slower than Reno would be.
    this.#cwndBytes = Math.max(this.#cwndBytes, this.#renoBytes);
  }

  #startEpoch(now: Instant): Instant {
    this.#lastMax = Math.max(this.#lastMax, this.#cwndBytes);
    this.#renoBytes = this.#cwndBytes;
    const missing = (this.#lastMax - this.#cwndBytes) / this.#pieceLength;
    this.#plateauAfter = Math.cbrt(missing / c) * 1_000;
    return now;
  }

  #curve(elapsed: number): number {
    return c * (elapsed / 1_000) ** 3 * this.#pieceLength;
  }
}

type SlowStartPhase = "fast" | "conservative" | "ended";

/** RFC 9406: slow start ends once round trips become longer, before anything is lost. */
class SlowStartExit {
  #phase: SlowStartPhase = "fast";
  #nextRoundDelivered = 0;
  #lastRoundRtt = Infinity;
  #roundRtt = Infinity;
  #sampleCount = 0;
  #baselineRtt = Infinity;
  #conservativeRoundCount = 0;

  restart(): void {
    this.#phase = "fast";
    this.#lastRoundRtt = this.#roundRtt = Infinity;
  }

  handleAcknowledgement({ rtt, sample, deliveredLength }: Acknowledgement): SlowStartPhase {
    if (this.#phase === "ended") return "ended";
    if (sample.priorDelivered >= this.#nextRoundDelivered) this.#startRound(deliveredLength);
    if (rtt >= 0) {
      this.#roundRtt = Math.min(this.#roundRtt, rtt);
      this.#sampleCount++;
      this.#judge();
    }
    return this.#phase;
  }

  #startRound(deliveredLength: number): void {
    this.#nextRoundDelivered = deliveredLength;
    this.#lastRoundRtt = this.#roundRtt;
    this.#roundRtt = Infinity;
    this.#sampleCount = 0;
    if (this.#phase !== "conservative") return;
    if (++this.#conservativeRoundCount > conservativeRounds) this.#phase = "ended";
  }

  #judge(): void {
    if (this.#sampleCount < minRttSamples || this.#lastRoundRtt === Infinity) return;
    const { min, max, divisor } = rttThreshold;
    const threshold = Math.max(min, Math.min(max, this.#lastRoundRtt / divisor));
    if (this.#phase === "conservative") {
      // The delay was none of ours.
      if (this.#roundRtt < this.#baselineRtt) this.#phase = "fast";
    } else if (this.#roundRtt >= this.#lastRoundRtt + threshold) {
      this.#phase = "conservative";
      this.#baselineRtt = this.#roundRtt;
      this.#conservativeRoundCount = 0;
    }
  }
}
