/** Policies tried out: what a request would be answered, and files of such requests. */
import * as v from "valibot";
import { parseEndpoint, SpecError, splitSpec } from "../../socket/endpoint.ts";
import type { Wanted } from "../access.ts";
import { parseRange } from "../address_range.ts";
import { parseTarget } from "../target.ts";
import type { PeerFacts } from "./peer_matcher.ts";
import type { Decision, Policy } from "./policy.ts";
import { badInputOf, ValueDefect } from "./policy_error.ts";
import { readDocument, type Source } from "./read_document.ts";
import { targetFactsOf } from "./target_matcher.ts";

/** A request as it is written down. Without name, labels, CA and key it comes by a pasted link. */
export interface Trial {
  readonly peer?: string | undefined;
  readonly label?: Readonly<Record<string, string>> | undefined;
  readonly ca?: string | undefined;
  readonly key?: string | undefined;
  readonly serial?: string | undefined;
  /** As `--allow` has it, or `listen:host:port` or `bench`. */
  readonly target: string;
  /** What a name resolves to; where it is not told, rules go by the name alone. */
  readonly address?: string | undefined;
}

/** A request, and what is expected of it. */
export interface TrialCase extends Trial {
  /** In ms since 1970. */
  readonly at: number | undefined;
  readonly expect: "allow" | "deny";
  /** The rule that is to decide, where that matters. */
  readonly rule: string | undefined;
  /** From 1. */
  readonly position: number;
}

const text = v.string("a text");
const caseKeys = "one of the keys peer, label, ca, key, serial, target, address, at, expect, rule";
const casesSchema = v.strictObject({
  case: v.array(
    v.strictObject({
      peer: v.optional(text),
      label: v.optional(v.record(v.string(), text, "a table of labels")),
      ca: v.optional(text),
      key: v.optional(text),
      serial: v.optional(text),
      target: text,
      address: v.optional(text),
      at: v.optional(v.date("a date and time with its offset, without quotes")),
      expect: v.picklist(["allow", "deny"], '"allow" or "deny"'),
      rule: v.optional(text),
    }, ({ expected }) => expected === "never" ? caseKeys : `the key ${expected}`),
    "tables that begin with [[case]]",
  ),
}, "tables that begin with [[case]]");

/** Reads a file of cases. Throws BadInput, which names file, line and key. */
export function parseCases(source: Source): TrialCase[] {
  return readDocument(casesSchema, source).case.map((each, at) => {
    try {
      wantedOf(each.target);
    } catch (error) {
      if (!(error instanceof SpecError)) throw error;
      const expected = `a target (${error.message})`;
      const defect = new ValueDefect(["case", at, "target"], expected, JSON.stringify(each.target));
      throw badInputOf(defect, source);
    }
    return { ...each, rule: each.rule, at: each.at?.getTime(), position: at + 1 };
  });
}

/**
 * What the policy says of a request, at a time in ms since 1970. Throws {@link SpecError} where its
 * target is none.
 */
export function tryOut(
  policy: Policy,
  trial: Trial,
  { now, ownAddresses }: { readonly now: number; readonly ownAddresses: readonly string[] },
): Decision {
  const target = targetFactsOf({
    wanted: wantedOf(trial.target),
    address: trial.address,
    ownAddresses: ownAddresses.flatMap((address) => parseRange(address) ?? []),
    isUnresolved: false,
  });
  return policy.decide({ peer: peerOf(trial), target, now });
}

function wantedOf(target: string): Wanted {
  if (target === "bench") return { kind: "bench" };
  const [first] = splitSpec(target);
  if (first?.text !== "listen") return parseTarget(target);
  return { kind: "listen", ...parseEndpoint(target.slice("listen:".length)) };
}

function peerOf({ peer, label = {}, ca, key, serial }: Trial): PeerFacts {
  const isPasted = [peer, ca, key, serial].every((each) => each === undefined) &&
    Object.keys(label).length === 0;
  return {
    name: peer,
    labels: new Map(Object.entries(label)),
    authorities: ca === undefined ? [] : [{ name: ca, fingerprint: ca }],
    keyId: isPasted ? undefined : key ?? "",
    serialNumber: serial,
  };
}
