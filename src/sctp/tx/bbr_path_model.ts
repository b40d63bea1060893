/**
 * What BBR believes of the path: draft-ietf-ccwg-bbr, sections 5.5 and 5.6. Its most bandwidth, its
 * least round trip, and how far acknowledgements come in bunches. Lengths are user data, in bytes;
 * times in ms, rates in bytes/ms.
 */
import type { Instant } from "../../sans_io.ts";
import type { Acknowledgement } from "./congestion_control.ts";

/** Section 2.14: ProbeRTTInterval. */
const minRttLifetime = 5_000;
/**
 * Departs from the draft: a round trip this near the least shows that no queue stands, and there is
 * no need to drain one to see that. In parts of it, and in ms.
 */
const nearMinRtt = { ratio: 1.05, margin: 0.5 } as const;
/** Section 2.12: BBR.extra_acked is the most of the last so many round trips; halves of it. */
const extraAckedRounds = 5;

/** The path as it was seen. */
export class BbrPathModel {
  #minRtt = Infinity;
  /** The least since the last lifetime began, in case the path has become longer. */
  #recentMinRtt = Infinity;
  #minRttAt: Instant = -Infinity;
  /** The most of this cycle and of the one before. */
  #maxRates: [number, number] = [0, 0];
  #roundCount = 0;
  #nextRoundDelivered = 0;
  #isRoundStart = false;
  #extraAcked: [number, number] = [0, 0];
  #bunchStart: Instant = -Infinity;
  #bunchLength = 0;

  /** The most that the path delivered within two cycles; 0 before anything was seen. */
  get maxRate(): number {
    return Math.max(this.#maxRates[0], this.#maxRates[1]);
  }

  get minRtt(): number {
    return this.#minRtt;
  }

  /** What came acknowledged at once, more than the rate explains. */
  get extraAcked(): number {
    return Math.max(this.#extraAcked[0], this.#extraAcked[1]);
  }

  /** Whether the acknowledgement that was just taken begins a round trip. */
  get isRoundStart(): boolean {
    return this.#isRoundStart;
  }

  get roundCount(): number {
    return this.#roundCount;
  }

  handleAcknowledgement(acknowledgement: Acknowledgement, rate: number, cwndBytes: number): void {
    this.#countRound(acknowledgement);
    this.#noteRate(acknowledgement);
    this.#noteExtraAcked(acknowledgement, rate, cwndBytes);
    this.#noteRtt(acknowledgement);
  }

  /** A round trip begins with what is sent next. */
  startRound(deliveredLength: number): void {
    this.#nextRoundDelivered = deliveredLength;
  }

  /** Section 5.5.6: what was delivered two cycles ago is forgotten. */
  advanceCycle(): void {
    this.#maxRates = [0, this.#maxRates[0] || this.#maxRates[1]];
  }

  /** Whether the least round trip was not seen for so long that it may be another. */
  isMinRttStale(now: Instant): boolean {
    return this.#minRtt < Infinity && now > this.#minRttAt + minRttLifetime;
  }

  /** Whether a round trip was seen since then that is near the least. */
  wasQueueSeenEmptySince(instant: Instant): boolean {
    return this.#minRttAt > instant;
  }

  /** It was not seen because nothing was sent. */
  postponeMinRtt(now: Instant): void {
    this.#minRttAt = now;
  }

  /** The queue was drained: what was seen since is the least round trip. */
  renewMinRtt(now: Instant): void {
    if (this.#recentMinRtt < Infinity) this.#minRtt = this.#recentMinRtt;
    this.#recentMinRtt = Infinity;
    this.#minRttAt = now;
  }

  /** From now on round trips are looked at anew. */
  forgetRecentRtt(): void {
    this.#recentMinRtt = Infinity;
  }

  /** The path is another. */
  forgetPath(): void {
    this.forgetRate();
    this.#minRtt = this.#recentMinRtt = Infinity;
    this.#minRttAt = -Infinity;
  }

  /** The path may be another. */
  forgetRate(): void {
    this.#maxRates = [0, 0];
    this.#extraAcked = [0, 0];
  }

  #countRound({ sample: { priorDelivered, isAmbiguous }, deliveredLength }: Acknowledgement): void {
    this.#isRoundStart = !isAmbiguous && priorDelivered >= this.#nextRoundDelivered;
    if (!this.#isRoundStart) return;
    this.#nextRoundDelivered = deliveredLength;
    if (++this.#roundCount % extraAckedRounds === 0) {
      this.#extraAcked = [0, this.#extraAcked[0]];
    }
  }

  #noteRate({ sample: { rate, isAppLimited } }: Acknowledgement): void {
    if (isAppLimited && rate < this.maxRate) return;
    this.#maxRates[0] = Math.max(this.#maxRates[0], rate);
  }

  /** Section 5.5.9. */
  #noteExtraAcked({ ackedLength, now }: Acknowledgement, rate: number, cwndBytes: number): void {
    let expected = rate * (now - this.#bunchStart);
    if (!(this.#bunchLength > expected)) {
      this.#bunchLength = 0;
      this.#bunchStart = now;
      expected = 0;
    }
    this.#bunchLength += ackedLength;
    const extra = Math.min(this.#bunchLength - expected, cwndBytes);
    this.#extraAcked[0] = Math.max(this.#extraAcked[0], extra);
  }

  #noteRtt({ rtt, now }: Acknowledgement): void {
    if (rtt < 0) return;
    this.#recentMinRtt = Math.min(this.#recentMinRtt, rtt);
    if (rtt <= this.#minRtt * nearMinRtt.ratio + nearMinRtt.margin || this.#minRtt === Infinity) {
      this.#minRttAt = now;
    }
    this.#minRtt = Math.min(this.#minRtt, rtt);
  }
}
