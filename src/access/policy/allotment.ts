/** What one peer has used of one rule's limits, by all its connections. */
import type { FlowDirection } from "../access.ts";
import type { AccessClock } from "./clock.ts";
import type { Limits } from "./limits.ts";
import type { Rule } from "./policy.ts";
import { RateGate } from "./rate_gate.ts";

/** Allotments that are kept, at most; one of whose bytes in all some are used is kept though idle. */
const maxAllotmentCount = 4_096;

/** One peer's, by one rule. */
export class Allotment {
  readonly gates: Partial<Record<FlowDirection, RateGate>> = {};
  connectionCount = 0;
  /** Bytes both ways. */
  usedLength = 0;
  #limits: Limits;
  #openCredit: number;
  #creditedAt: number;
  readonly #clock: AccessClock;

  constructor(limits: Limits, clock: AccessClock) {
    this.#clock = clock;
    this.#limits = limits;
    this.#openCredit = limits.opensPerSecond ?? 0;
    this.#creditedAt = clock.monotonic();
    this.setLimits(limits);
  }

  get limits(): Limits {
    return this.#limits;
  }

  /** What is open goes on at the new rates. */
  setLimits(limits: Limits): void {
    this.#limits = limits;
    this.#setRate("up", limits.upRate);
    this.#setRate("down", limits.downRate);
  }

  /** Why no connection may be opened now; undefined where one may. */
  obstacle(): string | undefined {
    const { connections = Infinity, opensPerSecond, bytes = Infinity } = this.#limits;
    if (this.connectionCount >= connections) return `at most ${connections} connections at once`;
    if (this.usedLength >= bytes) return `at most ${bytes} bytes in all`;
    if (opensPerSecond === undefined) return undefined;
    this.#creditOpens(opensPerSecond);
    return this.#openCredit < 1 ? `at most ${opensPerSecond} connections a second` : undefined;
  }

  /** A connection was opened. */
  handleOpened(): void {
    this.connectionCount++;
    this.#openCredit--;
  }

  #creditOpens(perSecond: number): void {
    const now = this.#clock.monotonic();
    const earned = (now - this.#creditedAt) * perSecond / 1_000;
    this.#openCredit = Math.min(Math.max(this.#openCredit, 0) + earned, perSecond);
    this.#creditedAt = now;
  }

  #setRate(direction: FlowDirection, rate: number | undefined): void {
    const gate = this.gates[direction];
    if (gate === undefined && rate !== undefined) {
      this.gates[direction] = new RateGate(rate, this.#clock);
    } else if (gate !== undefined && gate.rate !== rate) {
      // What waits at a gate that is not there any more is let through.
      gate.setRate(rate ?? Number.MAX_SAFE_INTEGER);
      if (rate === undefined) delete this.gates[direction];
    }
  }
}

/** Those of all peers and rules. */
export class Allotments {
  readonly #clock: AccessClock;
  readonly #all = new Map<string, { readonly rule: string; readonly allotment: Allotment }>();

  constructor(clock: AccessClock) {
    this.#clock = clock;
  }

  /** The one of a rule with these limits and a peer; undefined where there are too many. */
  of(rule: string, peer: string, limits: Limits): Allotment | undefined {
    const key = `${rule}\0${peer}`;
    const known = this.#all.get(key)?.allotment;
    if (known !== undefined) return known;
    if (this.#all.size >= maxAllotmentCount && !this.#forgetOne()) return undefined;
    const allotment = new Allotment(limits, this.#clock);
    this.#all.set(key, { rule, allotment });
    return allotment;
  }

  /** Other rules hold: what is kept goes by their limits, and that of rules without is forgotten. */
  follow(rules: readonly Rule[]): void {
    const limitsByName = new Map(rules.map(({ name, limits }) => [name, limits]));
    for (const [key, { rule, allotment }] of this.#all) {
      const limits = limitsByName.get(rule);
      if (limits === undefined) this.#all.delete(key);
      else allotment.setLimits(limits);
    }
  }

  #forgetOne(): boolean {
    for (const [key, { allotment: { connectionCount, limits, usedLength } }] of this.#all) {
      if (connectionCount > 0 || (limits.bytes !== undefined && usedLength > 0)) continue;
      this.#all.delete(key);
      return true;
    }
    return false;
  }
}
