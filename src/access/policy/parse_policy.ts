/** Reads a policy file: its form, then what its values mean. */
import { badInputOf, type KeyPath, ValueDefect } from "./policy_error.ts";
import { limitsOf } from "./limits.ts";
import { peerMatcherOf } from "./peer_matcher.ts";
import { Policy, type Rule } from "./policy.ts";
import { readDocument, type Source } from "./read_document.ts";
import { revocationOf } from "./revocation.ts";
import { policySchema, type RuleDocument } from "./schema.ts";
import { targetMatcherOf } from "./target_matcher.ts";
import { timeWindowOf, WallClocks } from "./time_window.ts";
import { contentRuleOf } from "./content.ts";
import type { Condition } from "./condition.ts";

type ConditionReader = typeof import("./condition.ts").conditionOf;

/** What all rules of a file are read with. */
interface Reading {
  readonly clocks: WallClocks;
  readonly names: Set<string>;
  /** Undefined where no rule has an expression. */
  readonly conditionOf: ConditionReader | undefined;
}

/** Reads a policy. Throws BadInput, which names file, line and key. */
export async function parsePolicy(source: Source): Promise<Policy> {
  const document = readDocument(policySchema, source);
  const hasConditions = document.rule.some((rule) => rule.if !== undefined);
  const reading: Reading = {
    clocks: new WallClocks(),
    names: new Set(),
    conditionOf: hasConditions ? (await import("./condition.ts")).conditionOf : undefined,
  };
  try {
    const isRevoked = revocationOf(document.revoked ?? {});
    return new Policy(document.rule.map((rule, at) => readRule(rule, at, reading)), isRevoked);
  } catch (error) {
    throw error instanceof ValueDefect ? badInputOf(error, source) : error;
  }
}

function readRule(rule: RuleDocument, at: number, reading: Reading): Rule {
  const path = ["rule", at];
  const { action, peer, network, time, limit, protocol, http, tls } = rule;
  const target = { path: [...path, "target"], isAllowing: action === "allow" };
  refuseVainParts(rule, path);
  return {
    name: readName(rule, at, reading.names),
    action,
    networks: network === undefined ? undefined : new Set(network),
    matchesPeer: peer && peerMatcherOf(peer, [...path, "peer"]),
    matchesTarget: targetMatcherOf(rule.target, target),
    window: time && timeWindowOf(time, { clocks: reading.clocks, path: [...path, "time"] }),
    condition: readCondition(rule, path, reading),
    limits: limit && limitsOf(limit, [...path, "limit"]),
    content: contentRuleOf({ protocol, http, tls }, path),
  };
}

/** Names tell rules apart, in verdicts and from one version of the file to the next. */
function readName({ name }: RuleDocument, at: number, names: Set<string>): string {
  const own = name ?? `rule ${at + 1}`;
  if (names.has(own)) {
    throw new ValueDefect(["rule", at, "name"], "a name of its own", JSON.stringify(own));
  }
  names.add(own);
  return own;
}

/** Parts that would do nothing are an error of whoever wrote them. */
function refuseVainParts({ action, limit, ...rule }: RuleDocument, path: KeyPath): void {
  if (action === "deny" && limit !== undefined) {
    throw new ValueDefect([...path, "limit"], "no limit in a rule that denies", "one");
  }
  if (action === "limit" && limit === undefined) {
    throw new ValueDefect(path, 'the key limit in a rule whose action is "limit"', "none");
  }
  const content = (["protocol", "http", "tls"] as const).find((key) => rule[key] !== undefined);
  if (action !== "allow" && content !== undefined) {
    throw new ValueDefect([...path, content], "it only in a rule that allows", "it in another");
  }
  const { network, target = {} } = rule;
  const hasStream = network === undefined ? kinds(target).some(isStream) : network.includes("tcp");
  if (content !== undefined && !hasStream) {
    throw new ValueDefect([...path, content], "it only in a rule about streams", "it in another");
  }
  if (network !== undefined && !kinds(target).includes("host")) {
    throw new ValueDefect([...path, "network"], "it only in a rule about hosts", "it in another");
  }
}

/** What a target names; hosts, where it is of no other kind. */
function kinds({ host, unix, exec, listen, bench }: NonNullable<RuleDocument["target"]>): string[] {
  const others = Object.entries({ unix, exec, listen, bench });
  const named = others.flatMap(([kind, value]) => value === undefined ? [] : [kind]);
  return host !== undefined || named.length === 0 ? ["host", ...named] : named;
}

function isStream(kind: string): boolean {
  return kind === "host" || kind === "unix" || kind === "exec";
}

function readCondition(
  { if: expression, time }: RuleDocument,
  path: KeyPath,
  { clocks, conditionOf }: Reading,
): Condition | undefined {
  if (expression === undefined || conditionOf === undefined) return undefined;
  const clock = clocks.of(time?.zone ?? "UTC", [...path, "time", "zone"]);
  return conditionOf(expression, { clock, path: [...path, "if"] });
}
