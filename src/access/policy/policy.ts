/** Rules in order: the first that matches decides, and what none matches is denied. */
import type { ContentRule } from "../content_rule.ts";
import type { Condition } from "./condition.ts";
import type { Limits } from "./limits.ts";
import type { PeerFacts, PeerMatcher } from "./peer_matcher.ts";
import type { TargetFacts, TargetMatcher } from "./target_matcher.ts";
import { nextMinute, type TimeWindow } from "./time_window.ts";

/** What rules judge. */
export interface Facts {
  readonly peer: PeerFacts;
  readonly target: TargetFacts;
  /** In ms since 1970. */
  readonly now: number;
}

/** One rule, as it is judged by. */
export interface Rule {
  readonly name: string;
  readonly action: "allow" | "deny" | "limit";
  /** Undefined: any. */
  readonly networks: ReadonlySet<string> | undefined;
  readonly matchesPeer: PeerMatcher | undefined;
  readonly matchesTarget: TargetMatcher;
  readonly window: TimeWindow | undefined;
  readonly condition: Condition | undefined;
  readonly limits: Limits | undefined;
  /** What is to be held to within the stream; undefined where the rule is about nothing in it. */
  readonly content: ContentRule | undefined;
}

/** What the rules say. */
export interface Decision {
  readonly isAllowed: boolean;
  /** What decided: a rule's name, or "revoked"; undefined where nothing did. */
  readonly rule: string | undefined;
  /** Why not, for the peer and the log. */
  readonly reason: string;
  /** The rules whose limits hold, in their order. */
  readonly limiting: readonly Rule[];
  /** What is to be held to within the stream. */
  readonly content?: ContentRule | undefined;
}

/** What decides for a peer that is revoked. */
const revokedName = "revoked";

/** A checked policy. */
export class Policy {
  readonly rules: readonly Rule[];
  readonly #isRevoked: PeerMatcher;

  constructor(rules: readonly Rule[], isRevoked: PeerMatcher) {
    this.rules = rules;
    this.#isRevoked = isRevoked;
  }

  /** Judges one request. */
  decide(facts: Facts): Decision {
    const limiting: Rule[] = [];
    if (this.#isRevoked(facts.peer)) {
      return refused(revokedName, "the peer's certificate is revoked");
    }
    for (const rule of this.rules) {
      if (!isMatch(rule, facts)) continue;
      if (rule.limits !== undefined) limiting.push(rule);
      if (rule.action === "limit") continue;
      const shown = `rule ${JSON.stringify(rule.name)}`;
      if (rule.action === "deny") return refused(rule.name, `${shown} denies it`);
      const { content } = rule;
      // To let it pass unread would be to ignore a part of the rule.
      if (content !== undefined && !isStream(facts)) {
        return refused(rule.name, `${shown} is about streams of ${content.protocol}`);
      }
      return { isAllowed: true, rule: rule.name, reason: "", limiting, content };
    }
    return { ...refused(undefined, "no rule allows it"), limiting };
  }

  /** When the time alone may next change a verdict, in ms since 1970; Infinity where never. */
  nextEdge(now: number): number {
    return this.rules.reduce((next, { window, condition }) => {
      const edge = condition?.usesTime === true ? nextMinute(now) : Infinity;
      return Math.min(next, edge, window?.nextEdge(now) ?? Infinity);
    }, Infinity);
  }

  /** Whether the time alone may have changed a verdict between two instants. */
  hasTurned(before: number, now: number): boolean {
    return this.rules.some(({ window, condition }) =>
      condition?.usesTime === true || window?.isOpen(before) !== window?.isOpen(now)
    );
  }
}

/** No rules: what they do not decide may be decided elsewhere. */
export const emptyPolicy: Policy = new Policy([], () => false);

function isStream({ target: { wanted: { kind } } }: Facts): boolean {
  return kind === "tcp" || kind === "unix" || kind === "exec";
}

function refused(rule: string | undefined, reason: string): Decision {
  return { isAllowed: false, rule, reason, limiting: [] };
}

function isMatch(rule: Rule, facts: Facts): boolean {
  const { wanted } = facts.target;
  return (rule.networks?.has(wanted.kind) ?? true) &&
    (rule.matchesPeer?.(facts.peer) ?? true) &&
    rule.matchesTarget(facts.target) &&
    (rule.window?.isOpen(facts.now) ?? true) &&
    (rule.condition === undefined || holds(rule, rule.condition, facts));
}

/** Where an expression has no value, or none yet, the rule is read so that less is allowed. */
function holds({ action }: Rule, condition: Condition, facts: Facts): boolean {
  if (facts.target.isUnresolved) return action === "allow";
  return condition.evaluate(facts) ?? action !== "allow";
}
