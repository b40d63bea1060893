/**
 * One direction of a simulated link. Datagrams go in at the clock's time and are scheduled to arrive
 * or vanish; all chance comes from a seed. A lane knows nothing of who sends or receives.
 */
import type { Instant } from "../../src/sans_io.ts";
import {
  type GilbertElliott,
  type Impairments,
  type Policer,
  verifyImpairments,
} from "./impairments.ts";
import type { Random } from "./random.ts";
import type { Trace } from "./trace.ts";
import type { LaneDatagram, Verdict } from "./verdict.ts";
import type { Schedule } from "./virtual_clock.ts";

/** So many bits at most are flipped in a datagram that is damaged. */
const MAX_FLIPPED_BITS = 4;

export interface LaneOptions {
  /** In the trace. */
  readonly name: string;
  readonly clock: Schedule<Arrival>;
  /** Lanes of one link are given a fork each. */
  readonly random: Random;
  readonly impairments?: Impairments;
  /** Asked about every datagram before the impairments are. */
  readonly verdict?: (datagram: LaneDatagram) => Verdict;
  /** The queue and wire that this lane shares with others; its own unless given. */
  readonly bottleneck?: Bottleneck;
  readonly trace?: Trace;
  /** What the trace says of a datagram besides its length. */
  readonly describe?: (bytes: Uint8Array) => string;
}

/** A datagram on its way. */
export interface Arrival {
  readonly kind: "arrival";
  readonly lane: Lane;
  readonly index: number;
  readonly bytes: Uint8Array;
}

/**
 * What became of the datagrams. All that were `sent`, `duplicated` or `forged` are `delivered`, gone
 * for one of the reasons, or `inFlight`; `damaged` and `reordered` ones are among those that went
 * on.
 */
export interface LaneCounts {
  sent: number;
  forged: number;
  duplicated: number;
  delivered: number;
  inFlight: number;
  /** By a verdict: dropped or replaced. */
  dropped: number;
  lost: number;
  cutOff: number;
  tooLong: number;
  queueFull: number;
  damaged: number;
  reordered: number;
}

export class Lane {
  readonly name: string;
  readonly #clock: Schedule<Arrival>;
  readonly #verdict: ((datagram: LaneDatagram) => Verdict) | undefined;
  readonly #trace: Trace | undefined;
  readonly #describe: ((bytes: Uint8Array) => string) | undefined;
  #impairments: Impairments;

  // A stream each, so that turning one impairment on does not move the others.
  readonly #jitters: Random;
  readonly #losses: Random;
  readonly #bursts: Random;
  readonly #reorderings: Random;
  readonly #duplications: Random;
  readonly #damages: Random;

  readonly #counts: LaneCounts = {
    sent: 0,
    forged: 0,
    duplicated: 0,
    delivered: 0,
    inFlight: 0,
    dropped: 0,
    lost: 0,
    cutOff: 0,
    tooLong: 0,
    queueFull: 0,
    damaged: 0,
    reordered: 0,
  };
  readonly #bottleneck: Bottleneck;
  #isInBurst = false;
  #isCutByHand = false;
  #lastArrival: Instant = -Infinity;

  constructor(options: LaneOptions) {
    this.name = options.name;
    this.#clock = options.clock;
    this.#verdict = options.verdict;
    this.#trace = options.trace;
    this.#describe = options.describe;
    this.#bottleneck = options.bottleneck ?? new Bottleneck();
    this.#impairments = options.impairments ?? {};
    verifyImpairments(this.#impairments);
    const { random } = options;
    this.#jitters = random.fork("jitter");
    this.#losses = random.fork("loss");
    this.#bursts = random.fork("burst loss");
    this.#reorderings = random.fork("reorder");
    this.#duplications = random.fork("duplicate");
    this.#damages = random.fork("corrupt");
  }

  get counts(): Readonly<LaneCounts> {
    return this.#counts;
  }

  /** From now on, these impairments and no others. What is under way stays as it is. */
  impair(impairments: Impairments): void {
    verifyImpairments(impairments);
    this.#impairments = impairments;
  }

  /** Lets nothing through until `heal`. */
  cut(): void {
    this.#isCutByHand = true;
  }

  heal(): void {
    this.#isCutByHand = false;
  }

  /** Takes a datagram; the bytes are copied. */
  send(bytes: Uint8Array): void {
    const index = this.#counts.sent++;
    this.#record("sent", index, bytes);
    if (this.#verdict === undefined) return this.#enter(bytes, index, 0);
    const verdict = this.#verdict({ bytes, index, at: this.#clock.now });
    if (verdict === "pass") return this.#enter(bytes, index, 0);
    if (verdict === "drop") return this.#vanish("dropped", "dropped", index);
    if ("extraDelayMs" in verdict) return this.#enter(bytes, index, verdict.extraDelayMs);
    this.#vanish("dropped", "replaced", index);
    for (const replacement of verdict.replaceWith) {
      this.#counts.forged++;
      this.#record("in its place", index, replacement);
      this.#enter(replacement, index, 0);
    }
  }

  /** The bytes of an arrival that is due, or undefined when the lane is cut just then. */
  takeArrival({ index, bytes }: Arrival): Uint8Array | undefined {
    this.#counts.inFlight--;
    if (this.#isCut()) {
      this.#vanish("cutOff", "cut off", index);
      return undefined;
    }
    this.#counts.delivered++;
    this.#record("arrives", index, bytes);
    return bytes;
  }

  #enter(bytes: Uint8Array, index: number, extraDelayMs: number): void {
    const { mtuBytes, duplicate } = this.#impairments;
    if (this.#isCut()) return this.#vanish("cutOff", "cut off", index);
    if (mtuBytes !== undefined && bytes.length > mtuBytes) {
      return this.#vanish("tooLong", "too long", index);
    }
    if (this.#isLost()) return this.#vanish("lost", "lost", index);
    this.#transmit(bytes, index, extraDelayMs);
    if (duplicate === undefined || !this.#duplications.chance(duplicate)) return;
    this.#counts.duplicated++;
    this.#record("duplicated", index, bytes);
    this.#transmit(bytes, index, extraDelayMs);
  }

  #transmit(bytes: Uint8Array, index: number, extraDelayMs: number): void {
    const { now } = this.#clock;
    const length = bytes.length + (this.#impairments.overheadBytes ?? 0);
    const departure = this.#bottleneck.departureOf(length, now, this.#impairments);
    if (departure === undefined) return this.#vanish("queueFull", "queue full", index);
    const copy = bytes.slice();
    const { corrupt } = this.#impairments;
    if (corrupt !== undefined && this.#damages.chance(corrupt)) this.#damage(copy, index);
    const at = this.#arrivalOf(departure, index, extraDelayMs);
    this.#counts.inFlight++;
    this.#clock.schedule(at, { kind: "arrival", lane: this, index, bytes: copy });
  }

  #arrivalOf(departure: Instant, index: number, extraDelayMs: number): Instant {
    const { delayMs = 0, jitterMs, reorder } = this.#impairments;
    let at = departure + delayMs;
    if (jitterMs !== undefined) at += jitterMs * this.#jitters.fraction();
    let heldMs = extraDelayMs;
    if (reorder !== undefined && this.#reorderings.chance(reorder.probability)) {
      heldMs += reorder.extraDelayMs;
    }
    if (this.#impairments.isJitterReordering === true) return at + heldMs;
    if (heldMs > 0) {
      this.#counts.reordered++;
      this.#record("held back", index);
      return at + heldMs;
    }
    this.#lastArrival = Math.max(this.#lastArrival, at);
    return this.#lastArrival;
  }

  #isLost(): boolean {
    const { loss, burstLoss } = this.#impairments;
    const isLostAlone = loss !== undefined && this.#losses.chance(loss);
    const isLostInBurst = burstLoss !== undefined && this.#isLostInBurst(burstLoss);
    return isLostAlone || isLostInBurst;
  }

  #isLostInBurst(model: GilbertElliott): boolean {
    const { enterBad, leaveBad, lossInGood = 0, lossInBad = 1 } = model;
    if (this.#bursts.chance(this.#isInBurst ? leaveBad : enterBad)) {
      this.#isInBurst = !this.#isInBurst;
    }
    return this.#bursts.chance(this.#isInBurst ? lossInBad : lossInGood);
  }

  /** Flips different bits: no two flips undo each other. */
  #damage(bytes: Uint8Array, index: number): void {
    const bitCount = bytes.length * 8;
    if (bitCount === 0) return;
    const bits = new Set<number>();
    for (let left = 1 + this.#damages.below(MAX_FLIPPED_BITS); left > 0; left--) {
      bits.add(this.#damages.below(bitCount));
    }
    for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    this.#counts.damaged++;
    this.#record(`damaged at bits ${[...bits].join(", ")}`, index);
  }

  #isCut(): boolean {
    if (this.#isCutByHand) return true;
    const { cuts } = this.#impairments;
    if (cuts === undefined) return false;
    const { now } = this.#clock;
    return cuts.some(({ from, until }) => now >= from && now < until);
  }

  #vanish(
    reason: "dropped" | "lost" | "cutOff" | "tooLong" | "queueFull",
    what: string,
    index: number,
  ): void {
    this.#counts[reason]++;
    this.#record(what, index);
  }

  #record(what: string, index: number, bytes?: Uint8Array): void {
    if (this.#trace === undefined) return;
    const length = bytes?.length;
    const note = bytes === undefined ? undefined : this.#describe?.(bytes);
    this.#trace.record({ at: this.#clock.now, subject: this.name, what, index, length, note });
  }
}

/**
 * The queue before a wire of limited rate: who is in it, and when the wire is free. Lanes that share
 * one are to have the same rate and policer.
 */
export class Bottleneck {
  #tokens = Infinity;
  #tokensAt: Instant = 0;
  #freeAt: Instant = -Infinity;
  #queuedBytes = 0;
  /** Departures and lengths in turn; those before the head are gone. */
  #entries: number[] = [];
  #head = 0;

  /** When the datagram's last bit is on the wire; undefined when it does not fit the queue. */
  departureOf(
    length: number,
    now: Instant,
    { rate, policer }: Impairments,
  ): Instant | undefined {
    if (policer !== undefined && !this.#conforms(length, now, policer)) return undefined;
    if (rate === undefined) return now;
    this.#leave(now);
    const hasToWait = this.#queuedBytes > 0;
    if (hasToWait && this.#queuedBytes + length > rate.queueBytes) return undefined;
    this.#freeAt = Math.max(this.#freeAt, now) + length * 8 / rate.bitsPerSecond * 1000;
    this.#queuedBytes += length;
    this.#entries.push(this.#freeAt, length);
    return this.#freeAt;
  }

  /** What waits, with what is on the wire, in bytes. */
  queuedBytes(now: Instant): number {
    this.#leave(now);
    return this.#queuedBytes;
  }

  #conforms(length: number, now: Instant, { bitsPerSecond, burstBytes }: Policer): boolean {
    const earned = (now - this.#tokensAt) * bitsPerSecond / 8_000;
    this.#tokens = Math.min(burstBytes, this.#tokens + earned);
    this.#tokensAt = now;
    if (this.#tokens < length) return false;
    this.#tokens -= length;
    return true;
  }

  #leave(now: Instant): void {
    while (this.#head < this.#entries.length && (this.#entries[this.#head] ?? 0) <= now) {
      this.#queuedBytes -= this.#entries[this.#head + 1] ?? 0;
      this.#head += 2;
    }
    if (this.#head < 1024 || this.#head * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }
}
