/** Policies tried out: what a request would be answered, and files of such requests. */
import * as v from "valibot";
import type { TomlDate } from "smol-toml";
import { canonicalAddress, parseEndpoint, SpecError, splitSpec } from "../../socket/endpoint.ts";
import type { Wanted } from "../access.ts";
import { parseRange } from "../address_range.ts";
import { parseTarget } from "../target.ts";
import type { PeerFacts } from "./peer_matcher.ts";
import type { Decision, Policy } from "./policy.ts";
import { badInputOf, ValueDefect } from "./policy_error.ts";
import { readDocument, type Source } from "./read_document.ts";
import { isSerial } from "./revocation.ts";
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
  /** A request in the stream: method and path. */
  readonly http?: string | undefined;
  /** The request's header fields. */
  readonly header?: readonly TrialField[] | undefined;
}

/** A header field of a request. */
export interface TrialField {
  readonly name: string;
  readonly value: string;
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
const caseKeys =
  "one of the keys peer, label, ca, key, serial, target, address, http, header, at, " +
  "expect, rule";
const oneCase = v.strictObject({
  peer: v.optional(text),
  label: v.optional(v.record(v.string(), text, "a table of labels")),
  ca: v.optional(text),
  key: v.optional(text),
  serial: v.optional(text),
  target: text,
  address: v.optional(text),
  http: v.optional(text),
  header: v.optional(v.union([text, v.array(text)], "a text, or a list of texts")),
  at: v.optional(v.date("a date and time with its offset, without quotes")),
  expect: v.picklist(["allow", "deny"], '"allow" or "deny"'),
  rule: v.optional(text),
}, ({ expected }) => expected === "never" ? caseKeys : `the key ${expected}`);
const someCases = "tables that begin with [[case]]";
const casesSchema = v.strictObject({
  case: v.pipe(v.array(oneCase, someCases), v.minLength(1, someCases)),
}, someCases);

/** Reads a file of cases. Throws BadInput, which names file, line and key. */
export function parseCases(source: Source): TrialCase[] {
  return readDocument(casesSchema, source).case.map((each, at) => {
    try {
      return { ...readCase(each), position: at + 1 };
    } catch (error) {
      if (!(error instanceof ValueDefect)) throw error;
      const { path, expected, found } = error;
      throw badInputOf(new ValueDefect(["case", at, ...path], expected, found), source);
    }
  });
}

/** Throws {@link ValueDefect}. */
function readCase(one: v.InferOutput<typeof oneCase>): Omit<TrialCase, "position"> {
  const defect = (key: keyof typeof one, expected: string, found: unknown = one[key]) =>
    new ValueDefect([key], expected, JSON.stringify(found));
  const { target, address, serial, http, at } = one;
  try {
    wantedOf(target);
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw defect("target", `a target (${error.message})`);
  }
  const canonical = address === undefined ? undefined : readTrialAddress(address);
  if (canonical === undefined && address !== undefined) throw defect("address", "an address");
  if (serial !== undefined && !isSerial(serial)) throw defect("serial", "a number in hexadecimal");
  if (http !== undefined && !isTrialRequest(http)) throw defect("http", "a method and a path");
  const header = one.header === undefined ? undefined : [one.header].flat().map((line) => {
    const field = readTrialField(line);
    if (field === undefined) throw defect("header", 'a field such as "name: value"', line);
    return field;
  });
  if (header !== undefined && http === undefined) throw defect("header", "the key http beside it");
  const date = at as TomlDate | undefined;
  if (date?.isLocal()) throw defect("at", "a date and time with its offset", date.toISOString());
  return { ...one, address: canonical, header, at: at?.getTime(), rule: one.rule };
}

/** The address in its canonical spelling; undefined where the text is none. */
export function readTrialAddress(text: string): string | undefined {
  return canonicalAddress(text.replace(/^\[(.*)\]$/, "$1"));
}

/** Whether a text is a request such as `GET /`. */
export function isTrialRequest(text: string): boolean {
  return /^[A-Z]+ \S+$/.test(text);
}

/** Reads `name: value`; undefined where the text is none. */
export function readTrialField(text: string): TrialField | undefined {
  const [, name, value = ""] = /^([^:\s]+):\s*(.*?)\s*$/.exec(text) ?? [];
  return name === undefined ? undefined : { name, value };
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
