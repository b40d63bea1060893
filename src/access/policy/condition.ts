/** A rule's `if`: an expression in CEL over peer, target and time, typed when it is read. */
import {
  type ASTNode,
  Environment,
  ParseError,
  TypeError as CelTypeError,
} from "@marcbachmann/cel-js";
import { formatTarget } from "../target.ts";
import type { PeerFacts } from "./peer_matcher.ts";
import { type KeyPath, ValueDefect } from "./policy_error.ts";
import type { TargetFacts } from "./target_matcher.ts";
import type { WallClock } from "./wall_clock.ts";

/** What an expression sees. */
export interface ConditionFacts {
  readonly peer: PeerFacts;
  readonly target: TargetFacts;
  /** In ms since 1970. */
  readonly now: number;
}

/** A checked expression. */
export interface Condition {
  /** Whether it holds; undefined where it has no value (a label that is not there). */
  evaluate(facts: ConditionFacts): boolean | undefined;
  readonly usesTime: boolean;
}

/** A call of a method in an expression. */
interface MethodCall {
  readonly name: string;
  /** Where its name is looked for, from 0. */
  readonly at: number;
  /** How many macros it is within. */
  readonly depth: number;
}

/** What repeats an expression, or what it is bound to; each within another multiplies the work. */
const macroNames = new Set(["all", "exists", "exists_one", "map", "filter", "bind"]);
const maxMacroDepth = 2;
const dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const environment = new Environment({
  limits: {
    ...{ maxAstNodes: 500, maxDepth: 50, maxListElements: 500 },
    ...{ maxMapEntries: 100, maxCallArguments: 8 },
  },
})
  .registerVariable({
    name: "peer",
    schema: {
      ...{ name: "string", key: "string", labels: "map<string, string>" },
      ...{ cas: "list<string>", pasted: "bool" },
    },
  })
  .registerVariable({
    name: "target",
    schema: {
      ...{ kind: "string", text: "string", host: "string", address: "string" },
      ...{ port: "int", path: "string", command: "string" },
    },
  })
  .registerVariable({
    name: "time",
    schema: { date: "string", day: "string", hour: "int", minute: "int" },
  });

/**
 * Reads an expression. Throws {@link ValueDefect} with the column, where it is none, or not a truth
 * value, or may take long: by regular expressions, or macros within macros.
 */
export function conditionOf(
  expression: string,
  { clock, path }: { readonly clock: WallClock; readonly path: KeyPath },
): Condition {
  const parsed = parse(expression, path);
  const usesTime = /\btime\b/.test(expression);
  return {
    usesTime,
    evaluate: (facts) => {
      try {
        return parsed(contextOf(facts, usesTime ? clock : undefined)) === true;
      } catch {
        // No value: the rule's action decides what that means.
        return undefined;
      }
    },
  };
}

function parse(expression: string, path: KeyPath): (context: Record<string, unknown>) => unknown {
  const defect = (problem: string, at: number) => {
    const [line, column] = placeOf(expression, at);
    const place = line === 1 ? `column ${column}` : `its line ${line}, column ${column}`;
    return new ValueDefect(path, `a condition in CEL (${place}: ${problem})`, quoted(expression));
  };
  try {
    const parsed = environment.parse(expression);
    for (const call of methodCallsIn(parsed.ast)) {
      const problem = slownessOf(call);
      if (problem !== undefined) throw defect(problem, call.at);
    }
    const { valid, type, error } = parsed.check();
    if (!valid) throw defect(error?.summary ?? "it has no type", error?.range?.start ?? 0);
    if (type !== "bool") throw defect(`it is a ${type}, not a truth value`, 0);
    return parsed;
  } catch (error) {
    const isCel = error instanceof ParseError || error instanceof CelTypeError;
    throw isCel ? defect(error.summary, error.range?.start ?? 0) : error;
  }
}

/** What about a call may take long; undefined where nothing. */
function slownessOf({ name, depth }: MethodCall): string | undefined {
  if (name === "matches") return "matches is not there; use startsWith, endsWith, contains";
  if (!macroNames.has(name) || depth < maxMacroDepth) return undefined;
  return `${name} is within ${depth} other macros; put no more than ${maxMacroDepth} in one another`;
}

/** The list that a macro goes over is not within it. */
function* methodCallsIn(node: ASTNode, depth = 0): Generator<MethodCall> {
  if (node.op !== "rcall") {
    for (const part of partsOf(node)) yield* methodCallsIn(part, depth);
    return;
  }
  const [name, receiver, operands] = node.args;
  yield { name, at: receiver.end, depth };
  yield* methodCallsIn(receiver, depth);
  const innerDepth = macroNames.has(name) ? depth + 1 : depth;
  for (const operand of operands) yield* methodCallsIn(operand, innerDepth);
}

function partsOf({ args }: ASTNode): ASTNode[] {
  const all: readonly unknown[] = [args].flat(2);
  return all.filter((part): part is ASTNode =>
    typeof part === "object" && part !== null && "op" in part
  );
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}

function placeOf(text: string, at: number): [line: number, column: number] {
  const lines = text.slice(0, at).split("\n");
  return [lines.length, (lines.at(-1) ?? "").length + 1];
}

function contextOf(
  { peer, target, now }: ConditionFacts,
  clock: WallClock | undefined,
): Record<string, unknown> {
  const { wanted } = target;
  const wall = clock?.at(now);
  return {
    peer: {
      name: peer.name ?? "",
      key: peer.keyId ?? "",
      labels: peer.labels,
      cas: peer.authorities.flatMap(({ name }) => name ?? []),
      pasted: peer.keyId === undefined,
    },
    target: {
      kind: wanted.kind,
      text: wanted.kind === "bench" || wanted.kind === "listen" ? "" : formatTarget(wanted),
      host: "host" in wanted ? wanted.host : "",
      address: target.addressText ?? "",
      port: BigInt("port" in wanted ? wanted.port : 0),
      path: wanted.kind === "unix" ? wanted.path : "",
      command: wanted.kind === "exec" ? wanted.name : "",
    },
    time: {
      date: wall?.date ?? "",
      day: dayNames[wall?.weekday ?? 0],
      hour: BigInt(wall?.hour ?? 0),
      minute: BigInt(wall?.minute ?? 0),
    },
  };
}
