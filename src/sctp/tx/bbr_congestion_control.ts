/**
 * Congestion control by a model of the path: BBR version 3, as draft-ietf-ccwg-bbr has it, which
 * sections are named of below. It sends as fast as the path was seen to deliver, and keeps little
 * more under way than what the path holds, so that neither queues nor random loss decide the speed.
 *
 * Departs from the draft:
 * - Loss counts as congestion only beyond what the path loses in its quiet rounds (`LossMonitor`): a
 *   path that loses some percent at random is not slowed down.
 * - Startup is not left for loss while each round still delivers more, for the same reason, unless so
 *   much is lost that it can only be a queue that overflows; and the rounds that deliver no more are
 *   to be in a row, as those in which there was too little to send say nothing.
 * - ProbeBW_UP ends once a quarter of a round trip is queued (as in version 2), not after three
 *   rounds without growth: small messages wait behind that queue. Where others keep a queue, one that
 *   stands and was not seen empty since the last probe, it goes on while each round delivers more, so
 *   that shares become equal.
 * - ProbeBW_DOWN and ProbeBW_CRUISE have a window of 1.5 BDP, not 2, and CRUISE goes back to DOWN
 *   where a queue stands.
 * - In fast recovery there is no packet conservation (section 5.6.4.4): the pace already is what was
 *   delivered.
 * - Round trips below what timers can tell are not paced, and the window is for round trips as the
 *   hosts make them.
 */
import type { Instant } from "../../sans_io.ts";
import { BbrPathModel } from "./bbr_path_model.ts";
import type { Acknowledgement, CongestionControl } from "./congestion_control.ts";
import { LossMonitor } from "./loss_monitor.ts";

/** Section 2.4, and ProbeBW's in section 5.3.3. */
type State = "startup" | "drain" | "down" | "cruise" | "refill" | "up" | "probe-rtt";

/** Section 5.6.1 and 5.6.4: the pace in parts of the bandwidth, the window in parts of the BDP. */
const gains: Readonly<Record<State, { readonly pacing: number; readonly cwnd: number }>> = {
  "startup": { pacing: 2.77, cwnd: 2 },
  "drain": { pacing: 0.5, cwnd: 2 },
  "down": { pacing: 0.9, cwnd: 1.5 },
  "cruise": { pacing: 1, cwnd: 1.5 },
  "refill": { pacing: 1, cwnd: 2 },
  "up": { pacing: 1.25, cwnd: 2.25 },
  "probe-rtt": { pacing: 1, cwnd: 0.5 },
};
/** Section 2.5: BBR.PacingMarginPercent: a little less, so that queues drain. */
const pacingMargin = 0.99;
/** Section 2.6: BBRBeta, and BBRHeadroom, which is left to others. */
const beta = 0.7;
const headroom = 0.85;
/** Section 2.4: BBRMinPipeCwnd, in packets. */
const minPipePackets = 4;
/** RFC 6928. */
const initialPackets = 10;
/** Section 5.3.1.2: growth by less than this, for so many rounds in a row, is none; fewer with loss. */
const fullBandwidthGrowth = 1.25;
const fullBandwidthRounds = 3;
const lossyFullBandwidthRounds = 2;
/** What Startup lost beyond the path's queue is repaired in so many rounds. */
const settlingRounds = 4;
/** Section 5.3.3.8: between probes, in ms, and in round trips, so that Reno is not starved. */
const probeWait = { least: 2_000, spread: 1_000, maxRounds: 100 } as const;
/** A probe that has found more is followed by the next so soon: in round trips. */
const nextProbeRounds = 2;
const dieSides = 9_973;
/** A lossy probe is not repeated so soon: a CUBIC flow beside takes long to recover from it. */
const lossyProbeWait = 2;
/** So much under way, in parts of the BDP, is a queue that stands: one's own, or one of others. */
const standingQueue = 1.1;
/**
 * Who shares a path that loses nothing probes more often, so that shares become equal; and who was
 * slowed down by losses far below what was seen before, so that a hiccup does not last. In parts.
 */
const shortWait = 0.3;
const heldBack = 0.9;
/**
 * A probe goes on while each round delivers so much more: that is so where there is room, and for
 * who has less than half of a path that is shared.
 */
const probeGrowth = 1.125;
/** A queue so long, in parts of the BDP, ends a probe. */
const probeQueue = 1.25;
/** Section 2.14: ProbeRTTDuration. */
const probeRttDuration = 200;
/** Section 5.6.4.2: so much more under way as hosts hold back, in ms. */
const hostDelay = 3;
/** Shorter round trips are not paced, in ms: a timer is no finer. */
const minPacedRtt = 1;
/** Round trips of those, as far as they are the hosts' own delay, in ms. */
const localRtt = { min: 4, max: 20 } as const;
/** So many timeouts in a row, and the path is looked at as a new one. */
const maxTimeouts = 4;

/** BBR. */
export class BbrCongestionControl implements CongestionControl {
  readonly #model = new BbrPathModel();
  readonly #losses: LossMonitor;
  #pieceLength: number;
  #state: State = "startup";
  #cwndBytes: number;
  #pacingRate = Infinity;
  #srtt = -1;
  #deliveredLength = 0;
  #isPipeFilled = false;
  #fullRate = 0;
  #flatRounds = 0;
  /** BBR.inflight_hi: more under way was too much. */
  #inflightHigh = Infinity;
  /** BBR.bw_lo and BBR.inflight_lo: what was delivered when there was loss, until the next probe. */
  #rateLow = Infinity;
  #inflightLow = Infinity;
  /** BBR.bw_latest and BBR.inflight_latest: the most of this round trip. */
  #rateLatest = 0;
  #inflightLatest = 0;
  /** When the state began, and in which round. */
  #stateAt: Instant = 0;
  #stateRound = 0;
  /** Since when no probe was made. */
  #cycleAt: Instant = 0;
  #cycleRound = 0;
  #probeWait: number = probeWait.least;
  /** Whether losses are of what was sent in a probe. */
  #isProbeSample = false;
  #upRounds = 0;
  /** Whether others keep a queue. */
  #isShared = false;
  #isProbeGrowing = false;
  /** The bandwidth when its last round began. */
  #probeRate = 0;
  /** The bandwidth before it; without end where it was lossy. */
  #rateBeforeProbe = Infinity;
  /** Losses before this round are Startup's. */
  #judgedFromRound = 0;
  /** What Startup has found is not confirmed by a probe yet. */
  #isSettling = false;
  #probeRttDoneAt: Instant | undefined;
  /** The window before a probe of the round trip, or a timeout. */
  #priorCwnd = 0;
  #timeoutCount = 0;
  /** Nothing was under way for a while: until something is acknowledged, at the path's pace. */
  #isRestarting = false;

  /** `pieceLength` is the user data of one packet, in bytes. */
  constructor(pieceLength: number) {
    this.#pieceLength = pieceLength;
    this.#losses = new LossMonitor(pieceLength);
    this.#cwndBytes = initialPackets * pieceLength;
  }

  get cwndBytes(): number {
    return this.#cwndBytes;
  }

  get pacingRate(): number {
    return this.#pacingRate;
  }

  /** What it is doing, and believes; for tests. */
  get figures(): {
    readonly state: State;
    readonly maxRate: number;
    readonly minRtt: number;
    readonly baseLossRate: number;
    readonly inflightHigh: number;
    readonly rateLow: number;
  } {
    const { maxRate, minRtt } = this.#model;
    return {
      state: this.#state,
      maxRate,
      minRtt,
      baseLossRate: this.#losses.baseRate,
      inflightHigh: this.#inflightHigh,
      rateLow: this.#rateLow,
    };
  }

  /** Section 5.2.3. */
  handleAcknowledgement(acknowledgement: Acknowledgement): void {
    const { ackedLength, lostLength, deliveredLength, srtt, now } = acknowledgement;
    if (acknowledgement.sample.priorDelivered < 0) return;
    this.#srtt = srtt;
    this.#deliveredLength = deliveredLength;
    // Section 5.5.8: silence says nothing of the round trip.
    if (this.#isRestarting || this.#timeoutCount > 0) this.#model.postponeMinRtt(now);
    this.#isRestarting = false;
    this.#model.handleAcknowledgement(acknowledgement, this.#rate, this.#cwndBytes);
    this.#losses.handleAcknowledgement(lostLength, deliveredLength);
    if (this.#model.isRoundStart) this.#adaptLowerBounds(acknowledgement);
    this.#noteLatest(acknowledgement);
    if (this.#timeoutCount > 0) this.#leaveTimeout(now);
    this.#updateState(acknowledgement);
    this.#updateRound();
    this.#setPace();
    this.#setWindow(ackedLength, deliveredLength);
  }

  /** What was lost is judged by round trips. */
  handleLoss(): void {}

  /** Section 5.6.4.4: as little as can be, until something is heard again. */
  handleTimeout(): void {
    this.#saveCwnd();
    this.#timeoutCount++;
    this.#cwndBytes = this.#pieceLength;
  }

  /** Section 5.4.1. */
  handleIdle(): void {
    this.#isRestarting = true;
    this.#setPace();
  }

  handlePathChange(): void {
    this.#model.forgetPath();
    this.#startAnew(this.#stateAt);
    this.#timeoutCount = this.#priorCwnd = 0;
    this.#losses.startEpoch(false);
  }

  setPieceLength(pieceLength: number): void {
    // A window of so many packets stays one of so many: else a longer packet would fill it alone.
    const packets = Math.min(initialPackets, this.#cwndBytes / this.#pieceLength);
    this.#pieceLength = pieceLength;
    this.#losses.setPieceLength(pieceLength);
    this.#cwndBytes = Math.max(this.#cwndBytes, packets * pieceLength);
  }

  get #isProbing(): boolean {
    return this.#state === "refill" || this.#state === "up";
  }

  get #isInProbeBandwidth(): boolean {
    return this.#isProbing || this.#state === "down" || this.#state === "cruise";
  }

  /** BBR.bw. */
  get #rate(): number {
    return Math.min(this.#model.maxRate, this.#rateLow);
  }

  /** The round trip that the window is for. */
  get #windowRtt(): number {
    const { minRtt } = this.#model;
    if (minRtt >= minPacedRtt) return minRtt;
    return Math.min(localRtt.max, Math.max(localRtt.min, this.#srtt));
  }

  /** What is under way when the path is full, in parts: section 5.6.4.2. */
  #bdp(rate: number, gain = 1): number {
    return rate * this.#windowRtt * gain;
  }

  /** Section 5.5.10.3. */
  #noteLatest({ sample: { rate, priorDelivered }, deliveredLength }: Acknowledgement): void {
    if (this.#model.isRoundStart) {
      this.#rateLatest = 0;
      this.#inflightLatest = 0;
    }
    this.#rateLatest = Math.max(this.#rateLatest, rate);
    this.#inflightLatest = Math.max(this.#inflightLatest, deliveredLength - priorDelivered);
  }

  #updateState(acknowledgement: Acknowledgement): void {
    const { flightLength, now } = acknowledgement;
    this.#endLossyProbe(acknowledgement);
    this.#checkStartup(acknowledgement);
    if (this.#state === "drain" && flightLength <= this.#bdp(this.#model.maxRate)) {
      this.#startDown(now);
    }
    if (this.#isInProbeBandwidth) this.#updateProbeBandwidth(acknowledgement);
    this.#checkProbeRtt(acknowledgement);
  }

  /** Section 5.3.1.2 and 5.3.1.3. */
  #checkStartup({ sample: { isAppLimited }, flightLength, now }: Acknowledgement): void {
    if (this.#state !== "startup") return;
    if (this.#losses.isOverflowing) return this.#leaveStartup(true, now);
    if (!this.#model.isRoundStart) return;
    // Rounds in which there was too little to send say nothing, nor do those before.
    if (isAppLimited) {
      this.#flatRounds = 0;
      return;
    }
    const { maxRate } = this.#model;
    if (maxRate >= this.#fullRate * fullBandwidthGrowth) {
      this.#fullRate = maxRate;
      this.#flatRounds = 0;
      return;
    }
    this.#flatRounds++;
    const isLossy = this.#losses.isTooHigh(flightLength);
    const rounds = isLossy ? lossyFullBandwidthRounds : fullBandwidthRounds;
    if (this.#flatRounds >= rounds) this.#leaveStartup(isLossy, now);
  }

  #leaveStartup(isLossy: boolean, now: Instant): void {
    const bdp = this.#bdp(this.#model.maxRate);
    if (isLossy) this.#inflightHigh = Math.max(bdp, this.#inflightLatest);
    this.#isPipeFilled = true;
    this.#judgedFromRound = this.#model.roundCount + settlingRounds;
    this.#isSettling = true;
    this.#losses.handleCycle();
    this.#enter("drain", now);
  }

  /** Section 5.3.3. */
  #updateProbeBandwidth(acknowledgement: Acknowledgement): void {
    const { flightLength, ackedLength, deliveredLength, now } = acknowledgement;
    const { isRoundStart, roundCount } = this.#model;
    if (!this.#isProbing && roundCount > this.#cycleRound + 1) this.#isProbeSample = false;
    switch (this.#state) {
      case "down":
        if (this.#isTimeToProbe(now)) this.#startRefill(deliveredLength, now);
        else if (this.#isTimeToCruise(flightLength)) this.#enter("cruise", now);
        return;
      case "cruise":
        if (this.#isTimeToProbe(now)) this.#startRefill(deliveredLength, now);
        // Who believes in more than is delivered has a queue, which is to be drained anew.
        else if (isRoundStart && flightLength > this.#bdp(this.#model.maxRate, this.#cruiseQueue)) {
          this.#enter("down", now);
        }
        return;
      case "refill":
        if (isRoundStart && roundCount > this.#stateRound) this.#startUp(acknowledgement);
        return;
      default:
        this.#raiseInflightHigh(ackedLength, flightLength);
        if (this.#isProbeOver(acknowledgement)) this.#startDown(now);
    }
  }

  /** In parts of the BDP. Beside others who keep a queue, so short a one cannot be had. */
  get #cruiseQueue(): number {
    return this.#isShared ? probeQueue : standingQueue;
  }

  /** Section 5.3.3.6. */
  #isProbeOver({ flightLength, now }: Acknowledgement): boolean {
    const { maxRate, minRtt, isRoundStart, roundCount } = this.#model;
    if (isRoundStart && roundCount > this.#stateRound + 1) {
      this.#isProbeGrowing = maxRate >= this.#probeRate * probeGrowth;
      this.#probeRate = maxRate;
      this.#flatRounds = this.#isProbeGrowing ? 0 : this.#flatRounds + 1;
    }
    // Who has too little to send never fills the path.
    if (this.#flatRounds >= fullBandwidthRounds) return true;
    return !this.#isProbeGrowing && now > this.#stateAt + minRtt &&
      flightLength >= this.#bdp(maxRate, probeQueue);
  }

  /** Section 5.3.3.8. */
  #isTimeToProbe(now: Instant): boolean {
    const packets = this.#bdp(this.#rate) / this.#pieceLength;
    const isFound = this.#model.maxRate >= this.#rateBeforeProbe * probeGrowth;
    const maxRounds = isFound ? nextProbeRounds : probeWait.maxRounds;
    const rounds = Math.min(packets, this.#isSettling ? settlingRounds : maxRounds);
    const isSharedInPeace = this.#isShared && this.#inflightHigh === Infinity;
    const isHeldBack = this.#rateLow < heldBack * this.#model.maxRate;
    const part = isSharedInPeace || isHeldBack ? shortWait : 1;
    return now > this.#cycleAt + this.#probeWait * part ||
      this.#model.roundCount >= this.#cycleRound + Math.max(1, rounds * part);
  }

  /** Section 5.3.3.1: the queue is drained, and room is left to others. */
  #isTimeToCruise(flightLength: number): boolean {
    return flightLength <= this.#inflightWithHeadroom &&
      flightLength <= this.#bdp(this.#model.maxRate);
  }

  get #inflightWithHeadroom(): number {
    return Math.max(minPipePackets * this.#pieceLength, headroom * this.#inflightHigh);
  }

  #startDown(now: Instant): void {
    this.#enter("down", now);
    this.#cycleAt = now;
    this.#cycleRound = this.#model.roundCount;
    // Not all at once: what was delivered so far is as good a die as any.
    const die = this.#deliveredLength % dieSides / dieSides;
    this.#probeWait = probeWait.least + probeWait.spread * die;
    this.#model.advanceCycle();
    this.#losses.handleCycle();
  }

  /** Section 5.3.3.3: a round at the pace that was seen, so that a probe meets a full path. */
  #startRefill(deliveredLength: number, now: Instant): void {
    this.#isSettling = false;
    this.#rateLow = this.#inflightLow = Infinity;
    this.#enter("refill", now);
    this.#model.startRound(deliveredLength);
  }

  #startUp({ flightLength, deliveredLength, now }: Acknowledgement): void {
    this.#enter("up", now);
    this.#isProbeSample = true;
    this.#upRounds = 0;
    // A queue that stands and never was empty is of others: only what is delivered tells when it is
    // enough.
    this.#isShared = flightLength > this.#bdp(this.#model.maxRate, standingQueue) &&
      !this.#model.wasQueueSeenEmptySince(this.#cycleAt);
    this.#isProbeGrowing = this.#isShared;
    this.#probeRate = this.#rateBeforeProbe = this.#model.maxRate;
    this.#flatRounds = 0;
    this.#model.startRound(deliveredLength);
    this.#losses.startEpoch(false);
  }

  /** Section 5.3.3.4: what may be under way is raised, faster with each round. */
  #raiseInflightHigh(ackedLength: number, flightLength: number): void {
    if (this.#model.isRoundStart) this.#upRounds++;
    const high = this.#inflightHigh;
    if (high === Infinity || flightLength + ackedLength < high * 0.95) return;
    const growth = Math.min(high, Math.max(high / 8, this.#pieceLength * 2 ** this.#upRounds));
    this.#inflightHigh += ackedLength * growth / high;
  }

  /** Section 5.3.3.4: what was sent in a probe was more than the path holds. */
  #endLossyProbe({ sample, flightLength, now }: Acknowledgement): void {
    if (!this.#isProbeSample || !this.#losses.isTooHigh(flightLength)) return;
    this.#isProbeSample = false;
    this.#rateBeforeProbe = Infinity;
    const target = Math.min(this.#bdp(this.#rate), this.#cwndBytes);
    if (!sample.isAppLimited) {
      this.#inflightHigh = Math.max(sample.flightLength, target * beta);
    }
    this.#losses.startEpoch(false);
    // What is lost in the next round trip was sent in the probe as well.
    this.#judgedFromRound = Math.max(this.#judgedFromRound, this.#model.roundCount + 2);
    if (this.#state === "up") this.#startDown(now);
    this.#probeWait *= lossyProbeWait;
  }

  /** Section 5.5.10.3, once a round: no more than what was delivered, until the next probe. */
  #adaptLowerBounds({ flightLength }: Acknowledgement): void {
    if (!this.#isInProbeBandwidth || this.#isProbing || this.#isProbeSample) return;
    if (this.#model.roundCount < this.#judgedFromRound) return this.#losses.startEpoch(false);
    // Without a sample nothing is known to keep to.
    if (!this.#losses.isTooHigh(flightLength) || this.#rateLatest === 0) return;
    this.#rateLow = Math.max(this.#rateLatest, beta * this.#rate);
    const inflight = Math.min(this.#inflightLow, this.#cwndBytes);
    this.#inflightLow = Math.max(this.#inflightLatest, beta * inflight);
    this.#losses.startEpoch(true);
  }

  /** A round trip is over: its losses were judged. */
  #updateRound(): void {
    if (!this.#model.isRoundStart || !this.#losses.isEpochOver()) return;
    const isSettled = this.#model.roundCount > this.#judgedFromRound && !this.#isProbeSample;
    const isQuiet = this.#isPipeFilled ? isSettled : this.#flatRounds === 0;
    this.#losses.startEpoch(isQuiet);
  }

  /** Section 5.3.4. */
  #checkProbeRtt({ flightLength, now }: Acknowledgement): void {
    if (this.#state !== "probe-rtt") {
      if (!this.#model.isMinRttStale(now)) return;
      this.#saveCwnd();
      this.#enter("probe-rtt", now);
      this.#probeRttDoneAt = undefined;
      return;
    }
    if (this.#probeRttDoneAt === undefined) {
      if (flightLength > this.#probeRttCwnd) return;
      this.#probeRttDoneAt = now + Math.max(probeRttDuration, this.#model.minRtt);
      this.#model.forgetRecentRtt();
    } else if (now > this.#probeRttDoneAt) this.#leaveProbeRtt(now);
  }

  #leaveProbeRtt(now: Instant): void {
    this.#model.renewMinRtt(now);
    this.#restoreCwnd();
    this.#rateLow = this.#inflightLow = Infinity;
    if (!this.#isPipeFilled) return this.#enter("startup", now);
    this.#startDown(now);
    this.#enter("cruise", now);
  }

  get #probeRttCwnd(): number {
    const { cwnd } = gains["probe-rtt"];
    return Math.max(minPipePackets * this.#pieceLength, this.#bdp(this.#rate, cwnd));
  }

  #enter(state: State, now: Instant): void {
    this.#state = state;
    this.#stateAt = now;
    this.#stateRound = this.#model.roundCount;
  }

  #saveCwnd(): void {
    this.#priorCwnd = Math.max(this.#timeoutCount > 0 ? this.#priorCwnd : 0, this.#cwndBytes);
  }

  #restoreCwnd(): void {
    this.#cwndBytes = Math.max(this.#cwndBytes, this.#priorCwnd);
  }

  /** The path is there again; after a long silence it may be another one. */
  #leaveTimeout(now: Instant): void {
    if (this.#timeoutCount < maxTimeouts) this.#restoreCwnd();
    else {
      this.#model.forgetRate();
      this.#startAnew(now);
    }
    this.#timeoutCount = 0;
    this.#losses.startEpoch(false);
  }

  #startAnew(now: Instant): void {
    this.#cwndBytes = initialPackets * this.#pieceLength;
    this.#inflightHigh = this.#inflightLow = this.#rateLow = Infinity;
    this.#isPipeFilled = this.#isShared = false;
    this.#fullRate = this.#flatRounds = 0;
    this.#pacingRate = Infinity;
    this.#enter("startup", now);
  }

  /** Section 5.6.2. */
  #setPace(): void {
    const rate = this.#rate;
    if (rate === 0 || this.#model.minRtt < minPacedRtt) {
      this.#pacingRate = Infinity;
      return;
    }
    const gain = this.#isRestarting ? 1 : gains[this.#state].pacing;
    const pace = Math.max(this.#leastPace, gain * rate * pacingMargin);
    if (this.#isPipeFilled || this.#pacingRate === Infinity || pace > this.#pacingRate) {
      this.#pacingRate = pace;
    }
  }

  /** Little that was sent before says nothing of the path: as section 5.6.2 begins, until it is full. */
  get #leastPace(): number {
    if (this.#isPipeFilled || this.#srtt <= 0) return 0;
    return gains.startup.pacing * initialPackets * this.#pieceLength / this.#srtt;
  }

  /** Sections 5.6.4.3 to 5.6.4.7. */
  #setWindow(ackedLength: number, deliveredLength: number): void {
    const most = this.#maxInflight;
    if (this.#isPipeFilled) this.#cwndBytes = Math.min(this.#cwndBytes + ackedLength, most);
    else if (this.#cwndBytes < most || deliveredLength < initialPackets * this.#pieceLength) {
      this.#cwndBytes += ackedLength;
    }
    const least = minPipePackets * this.#pieceLength;
    const limit = this.#state === "probe-rtt" ? this.#probeRttCwnd : this.#modelLimit;
    this.#cwndBytes = Math.max(least, Math.min(this.#cwndBytes, limit));
  }

  get #maxInflight(): number {
    const rate = this.#rate;
    // Before anything is known the window doubles with each round trip.
    if (rate === 0) return Infinity;
    return this.#bdp(rate, gains[this.#state].cwnd) + this.#model.extraAcked + rate * hostDelay;
  }

  /** Section 5.6.4.7: BBRBoundCwndForModel. */
  get #modelLimit(): number {
    if (!this.#isInProbeBandwidth) return this.#inflightLow;
    const high = this.#state === "cruise" ? this.#inflightWithHeadroom : this.#inflightHigh;
    return Math.min(high, this.#inflightLow);
  }
}
