/** One request that was admitted, until it is released: what it holds of its limits. */
import type { Admitting, FlowDirection, Grant, GrantSummary, Pace } from "../access.ts";
import type { ContentRule } from "../content_rule.ts";
import type { Allotment } from "./allotment.ts";
import type { AccessClock } from "./clock.ts";
import type { RateFlow, RateGate } from "./rate_gate.ts";

/** Bytes that are moved at once take so long, in ms. */
const sliceDuration = 20;
const [minSliceLength, maxSliceLength] = [64, 65_536];

/** What an admitted request tells its registry. */
export interface AdmittedHandler {
  handleDialled(admitted: Admitted): void;
  handleJudged(admitted: Admitted, summary: string, isAllowed: boolean): void;
  handleReleased(admitted: Admitted, summary: GrantSummary): void;
}

/** One admitted request. */
export class Admitted implements Grant, Pace {
  readonly pace: Pace = this;
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
  readonly #flows: Record<FlowDirection, Map<RateGate, RateFlow>> = {
    up: new Map(),
    down: new Map(),
  };
  #sliceLength = Infinity;
  #isCounted = false;
  #movedAt: number;
  #idle = Infinity;
  #cancelIdle: (() => void) | undefined;
  #cancelDuration: (() => void) | undefined;
  #isStopped = false;
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

  get sliceLength(): number {
    return this.#sliceLength;
  }

  /** Counts against these from now on, and against no others. */
  use(allotments: readonly Allotment[]): void {
    for (const each of this.#allotments) if (!allotments.includes(each)) each.connectionCount--;
    for (const each of allotments) if (!this.#allotments.includes(each)) each.handleOpened();
    this.#allotments = allotments;
    this.#openFlows();
    const limits = allotments.map((each) => each.limits);
    this.#isCounted = limits.some(({ bytes, idle }) => bytes !== undefined || idle !== undefined);
    this.#idle = Math.min(...limits.map(({ idle = Infinity }) => idle));
    this.#watchIdle();
    this.#watchDuration(Math.min(...limits.map(({ duration = Infinity }) => duration)));
  }

  async spend(direction: FlowDirection, length: number): Promise<void> {
    this.#refuseWhenOver();
    if (this.#isCounted) this.#count(length);
    for (const flow of this.#flows[direction].values()) {
      await flow.spend(length);
      this.#refuseWhenOver();
    }
  }

  stop(): void {
    this.#isStopped = true;
    for (const [, flow] of this.#allFlows()) flow.close();
  }

  handleDialled(remote: string): void {
    this.dialled = remote;
    this.#handler.handleDialled(this);
  }

  handleJudged(summary: string, isAllowed: boolean): void {
    this.#handler.handleJudged(this, summary, isAllowed);
  }

  release(summary: GrantSummary): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.use([]);
    this.#handler.handleReleased(this, summary);
  }

  /** It is no longer allowed. */
  end(reason: string): void {
    if (this.endReason !== undefined || this.#isReleased) return;
    this.endReason = reason;
    this.request.end(reason);
    this.stop();
  }

  #refuseWhenOver(): void {
    if (this.endReason !== undefined) throw new Error(this.endReason);
    if (this.#isStopped) throw new Error("it is over");
  }

  /** A flow at each gate; those at gates that are no longer its own are closed. */
  #openFlows(): void {
    for (const direction of ["up", "down"] as const) {
      const gates = new Set(this.#allotments.flatMap(({ gates }) => gates[direction] ?? []));
      const flows = this.#flows[direction];
      for (const [gate, flow] of flows) {
        if (gates.has(gate)) continue;
        flows.delete(gate);
        flow.close();
      }
      for (const gate of gates) if (!flows.has(gate)) flows.set(gate, gate.open());
    }
    const rates = this.#allFlows().map(([gate]) => gate.rate);
    const slice = Math.floor(Math.min(...rates) * sliceDuration / 1_000);
    this.#sliceLength = rates.length === 0
      ? Infinity
      : Math.min(Math.max(slice, minSliceLength), maxSliceLength);
  }

  #allFlows(): [RateGate, RateFlow][] {
    return [...this.#flows.up, ...this.#flows.down];
  }

  #count(length: number): void {
    this.#movedAt = this.#clock.monotonic();
    for (const allotment of this.#allotments) {
      const { bytes = Infinity } = allotment.limits;
      allotment.usedLength += length;
      if (allotment.usedLength <= bytes) continue;
      this.end(`the limit of ${bytes} bytes in all is used up`);
      throw new Error(this.endReason);
    }
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
