/** One connection's way past the gates of all that it counts against. */
import type { FlowDirection, Pace } from "../access.ts";
import type { Allotment } from "./allotment.ts";
import type { RateFlow, RateGate } from "./rate_gate.ts";

/** Bytes that are moved at once take so long, in ms. */
const sliceDuration = 20;
const [minSliceLength, maxSliceLength] = [64, 65_536];
/** A datagram that would wait for longer, in ms, is not moved. */
const maxDatagramDelay = 200;

/** The request whose connection it is. */
export interface LaneOwner {
  /** Why nothing may be moved any more; undefined while it is allowed. */
  readonly endReason: string | undefined;
  /** So many bytes are to be moved. Throws where they may not. */
  count(length: number): void;
  /** As {@link count}, for those of the bytes that a limit has left: how many. */
  countSome(length: number): number;
  /** The lane is not used any more. */
  handleStopped(lane: Lane): void;
}

/** One connection's. */
export class Lane implements Pace {
  readonly #owner: LaneOwner;
  readonly #flows: Record<FlowDirection, Map<RateGate, RateFlow>> = {
    up: new Map(),
    down: new Map(),
  };
  #sliceLength = Infinity;
  #isStopped = false;

  constructor(owner: LaneOwner) {
    this.#owner = owner;
  }

  get sliceLength(): number {
    return this.#sliceLength;
  }

  async spend(direction: FlowDirection, length: number): Promise<void> {
    this.#refuseWhenOver();
    this.#owner.count(length);
    await this.#pass(direction, length);
  }

  async spendSome(direction: FlowDirection, length: number): Promise<number> {
    this.#refuseWhenOver();
    const part = this.#owner.countSome(length);
    await this.#pass(direction, part);
    return part;
  }

  offer(direction: FlowDirection, length: number): boolean | Promise<boolean> {
    const flows = [...this.#flows[direction].values()];
    if (flows.some((flow) => flow.delay() > maxDatagramDelay)) return false;
    if (!this.#mayCount(length)) return false;
    const spent = flows.map((flow) => flow.spend(length));
    if (!flows.some((flow) => flow.isWaiting())) return true;
    return Promise.all(spent).then(() => !this.#isOver);
  }

  stop(): void {
    this.#isStopped = true;
    for (const [, flow] of this.#allFlows()) flow.close();
    this.#owner.handleStopped(this);
  }

  /** Passes these gates from now on; what waits at others is let through. */
  use(allotments: readonly Allotment[]): void {
    for (const direction of ["up", "down"] as const) {
      const gates = new Set(allotments.flatMap(({ gates }) => gates[direction] ?? []));
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

  get #isOver(): boolean {
    return this.#isStopped || this.#owner.endReason !== undefined;
  }

  /** Counts where that is possible; else whoever holds it is told that it ends. */
  #mayCount(length: number): boolean {
    if (this.#isOver) return false;
    try {
      this.#owner.count(length);
      return true;
    } catch {
      return false;
    }
  }

  async #pass(direction: FlowDirection, length: number): Promise<void> {
    for (const flow of this.#flows[direction].values()) {
      await flow.spend(length);
      this.#refuseWhenOver();
    }
  }

  #refuseWhenOver(): void {
    const { endReason } = this.#owner;
    if (endReason !== undefined) throw new Error(endReason);
    if (this.#isStopped) throw new Error("it is over");
  }

  #allFlows(): [RateGate, RateFlow][] {
    return [...this.#flows.up, ...this.#flows.down];
  }
}
