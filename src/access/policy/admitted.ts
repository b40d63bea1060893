/** One request that was admitted, until it is released: what it holds of its limits. */
import type { Admitting, Grant, GrantSummary, Sharing } from "../access.ts";
import type { ContentRule } from "../content_rule.ts";
import type { Allotment } from "./allotment.ts";
import type { AccessClock } from "./clock.ts";
import { Lane, type LaneOwner } from "./lane.ts";

/** What an admitted request tells its registry. */
export interface AdmittedHandler {
  handleDialled(admitted: Admitted): void;
  handleJudged(admitted: Admitted, summary: string, refusal?: string): void;
  handleReleased(admitted: Admitted, summary: GrantSummary): void;
}

/** One admitted request. */
export class Admitted implements Grant, LaneOwner {
  readonly pace: Lane = new Lane(this);
  readonly request: Admitting;
  readonly openedAt: number;
  /** What was dialled: `host:port`, or a path. */
  dialled: string | undefined;
  /** The name of the rule that allows it. */
  rule: string;
  readonly content: ContentRule | undefined;
  endReason: string | undefined;
  readonly #clock: AccessClock;
  readonly #handler: AdmittedHandler;
  #allotments: readonly Allotment[] = [];
  /** Of connections that share what was admitted. */
  readonly #shares = new Set<Lane>();
  #isCounted = false;
  #movedAt: number;
  #idle = Infinity;
  #cancelIdle: (() => void) | undefined;
  #cancelDuration: (() => void) | undefined;
  #isReleased = false;

  constructor(
    request: Admitting,
    { rule, content, clock, handler }: {
      readonly rule: string;
      readonly content: ContentRule | undefined;
      readonly clock: AccessClock;
      readonly handler: AdmittedHandler;
    },
  ) {
    this.request = request;
    this.rule = rule;
    this.content = content;
    this.#clock = clock;
    this.#handler = handler;
    this.openedAt = clock.monotonic();
    this.#movedAt = this.openedAt;
  }

  /** Counts against these from now on, and against no others. */
  use(allotments: readonly Allotment[]): void {
    for (const each of this.#allotments) if (!allotments.includes(each)) each.connectionCount--;
    for (const each of allotments) if (!this.#allotments.includes(each)) each.handleOpened();
    this.#allotments = allotments;
    for (const lane of this.#lanes()) lane.use(allotments);
    const limits = allotments.map((each) => each.limits);
    this.#isCounted = limits.some(({ bytes, idle }) => bytes !== undefined || idle !== undefined);
    this.#idle = Math.min(...limits.map(({ idle = Infinity }) => idle));
    this.#watchIdle();
    this.#watchDuration(Math.min(...limits.map(({ duration = Infinity }) => duration)));
  }

  share(): Sharing {
    if (this.endReason !== undefined) return { isAllowed: false, reason: this.endReason };
    const most = Math.min(...this.#allotments.map(({ limits }) => limits.connections ?? Infinity));
    if (this.#shares.size >= most) {
      return { isAllowed: false, reason: `at most ${most} connections at once` };
    }
    const pace = new Lane(this);
    pace.use(this.#allotments);
    this.#shares.add(pace);
    return { isAllowed: true, pace };
  }

  handleStopped(lane: Lane): void {
    this.#shares.delete(lane);
  }

  handleDialled(remote: string): void {
    this.dialled = remote;
    this.#handler.handleDialled(this);
  }

  handleJudged(summary: string, refusal?: string): void {
    this.#handler.handleJudged(this, summary, refusal);
  }

  release(summary: GrantSummary): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.use([]);
    this.#handler.handleReleased(this, summary);
  }

  count(length: number): void {
    if (!this.#isCounted) return;
    this.#movedAt = this.#clock.monotonic();
    for (const allotment of this.#allotments) {
      const { bytes = Infinity } = allotment.limits;
      allotment.usedLength += length;
      if (allotment.usedLength <= bytes) continue;
      this.end(`the limit of ${bytes} bytes in all is used up`);
      throw new Error(this.endReason);
    }
  }

  countSome(length: number): number {
    if (!this.#isCounted) return length;
    const left = Math.min(
      ...this.#allotments.map(({ limits: { bytes = Infinity }, usedLength }) => bytes - usedLength),
    );
    const part = left > 0 ? Math.min(length, left) : length;
    this.count(part);
    return part;
  }

  /** It is no longer allowed. */
  end(reason: string): void {
    if (this.endReason !== undefined || this.#isReleased) return;
    this.endReason = reason;
    this.request.end(reason);
    for (const lane of this.#lanes()) lane.stop();
  }

  #lanes(): Lane[] {
    return [this.pace, ...this.#shares];
  }

  #watchIdle(): void {
    this.#cancelIdle?.();
    this.#cancelIdle = undefined;
    if (this.#idle === Infinity) return;
    const left = this.#movedAt + this.#idle - this.#clock.monotonic();
    if (left <= 0) return this.end(`nothing moved for ${this.#idle / 1_000} s`);
    this.#cancelIdle = this.#clock.after(left, () => this.#watchIdle());
  }

  #watchDuration(duration: number): void {
    this.#cancelDuration?.();
    this.#cancelDuration = undefined;
    if (duration === Infinity) return;
    const end = () => this.end(`it may last ${duration / 1_000} s at most`);
    const left = this.openedAt + duration - this.#clock.monotonic();
    if (left <= 0) return end();
    this.#cancelDuration = this.#clock.after(left, end);
  }
}
