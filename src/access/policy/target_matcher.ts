/** What a rule lets a peer reach, or keeps it from. */
import { canonicalAddress, isThisHost, parseHost, SpecError } from "../../socket/endpoint.ts";
import type { Wanted } from "../access.ts";
import {
  type Address,
  type AddressRange,
  isInRange,
  isRangeWithin,
  parseAddress,
  parseRange,
} from "../address_range.ts";
import { guardsOf, isNaming } from "../guarded_addresses.ts";
import { parseExecName, parsePath } from "../target.ts";
import { matcherOfPatterns, type NameMatcher } from "./name_pattern.ts";
import { type KeyPath, ValueDefect } from "./policy_error.ts";
import type { RuleDocument } from "./schema.ts";

/** What rules see of what is asked for. */
export interface TargetFacts {
  readonly wanted: Wanted;
  /** In its canonical spelling; undefined where there is none, or it is not known. */
  readonly addressText: string | undefined;
  readonly address: Address | undefined;
  /** Whether the host was asked for by its address. */
  readonly isLiteral: boolean;
  /** The guarded ranges that the address is in. */
  readonly guards: readonly AddressRange[];
  /** The address is yet to be found: what depends on it may come out either way. */
  readonly isUnresolved: boolean;
}

/** Whether a target is meant. */
export type TargetMatcher = (target: TargetFacts) => boolean;

type TargetDocument = NonNullable<RuleDocument["target"]>;

/** One `host` of a rule: a name or pattern of names, or the ranges that it means. */
type Host = { readonly name: string } | { readonly ranges: readonly AddressRange[] };

const loopback = ["127.0.0.1", "::1"].flatMap((text) => parseRange(text) ?? []);
const allIpv4: AddressRange = { bytes: [0, 0, 0, 0], prefixLength: 0 };
const allIpv6: AddressRange = { bytes: new Array<number>(16).fill(0), prefixLength: 0 };

/** What rules see of a request. */
export function targetFactsOf(
  { wanted, address: given, ownAddresses, isUnresolved }: {
    readonly wanted: Wanted;
    readonly address: string | undefined;
    readonly ownAddresses: readonly AddressRange[];
    readonly isUnresolved: boolean;
  },
): TargetFacts {
  const literal = literalAddressOf(wanted);
  const addressText = given ?? literal;
  const address = addressText === undefined ? undefined : parseAddress(addressText);
  const guards = address === undefined ? [] : guardsOf(address, ownAddresses);
  return { wanted, addressText, address, guards, isUnresolved, isLiteral: literal !== undefined };
}

/** The address that a host is, rather than has; of this host, one of the two. */
export function literalAddressOf(wanted: Wanted): string | undefined {
  if (!("host" in wanted) || wanted.kind === "listen") return undefined;
  if (isThisHost(wanted.host)) return wanted.host.includes(":") ? "::1" : "127.0.0.1";
  return canonicalAddress(wanted.host);
}

/**
 * Makes a matcher of a rule's `target`. A rule that allows is read narrowly: without a target it
 * means hosts only, and a guarded address has to be named by it. Throws {@link ValueDefect}.
 */
export function targetMatcherOf(
  document: TargetDocument | undefined,
  { path, isAllowing }: { readonly path: KeyPath; readonly isAllowing: boolean },
): TargetMatcher {
  if (document === undefined && !isAllowing) return () => true;
  const { host, port, unix, exec, listen, bench } = document ?? {};
  const isOther = [unix, exec, listen, bench].some((each) => each !== undefined);
  const matchesPort = portMatcherOf(port, [...path, "port"]);
  const hosts = host === undefined && !isOther ? ["*"] : host;
  const matchesHost = hostsMatcherOf(hosts ?? [], { path: [...path, "host"], isAllowing });
  const matchesListen = listenMatcherOf(listen ?? [], { path: [...path, "listen"], isAllowing });
  const matchesPath = namesMatcherOf(unix ?? [], parsePath, [...path, "unix"]);
  const matchesExec = namesMatcherOf(exec ?? [], parseExecPattern, [...path, "exec"]);
  return (target) => {
    const { wanted } = target;
    switch (wanted.kind) {
      case "tcp":
      case "udp":
        return matchesPort(wanted.port) && matchesHost(target, wanted.host);
      case "listen":
        return matchesPort(wanted.port) && matchesListen(wanted.host);
      case "unix":
        return matchesPath(wanted.path);
      case "exec":
        return matchesExec(wanted.name);
      case "bench":
        return bench === true;
    }
  };
}

function hostsMatcherOf(
  hosts: readonly string[],
  { path, isAllowing }: { readonly path: KeyPath; readonly isAllowing: boolean },
): (target: TargetFacts, host: string) => boolean {
  const read = hosts.map((text) => readHost(text, path));
  const ranges = read.flatMap((host) => "ranges" in host ? host.ranges : []);
  const matchesName = matcherOfPatterns(read.flatMap((host) => "name" in host ? host.name : []));
  if (!isAllowing) {
    return ({ address, isUnresolved }, host) =>
      matchesName(host) ||
      (address !== undefined && !isUnresolved && ranges.some((range) => isNear(address, range)));
  }
  const isForAll = hosts.includes("*");
  return ({ address, guards, isUnresolved, isLiteral }, host) => {
    if (isUnresolved) return ranges.length > 0 || matchesName(host);
    if (address === undefined) return matchesName(host);
    // A pattern of names is none of addresses, which have letters and dots too.
    if (guards.length === 0 && (isLiteral ? isForAll : matchesName(host))) return true;
    for (const range of ranges) {
      if (isInRange(address.bytes, range) && isNaming(range, guards)) return true;
    }
    return false;
  };
}

/** Whether an address, or what it is translated to, is in a range. */
function isNear(address: Address, range: AddressRange): boolean {
  return isInRange(address.bytes, range) ||
    (address.embedded !== undefined && isInRange(address.embedded.bytes, range));
}

function readHost(text: string, path: KeyPath): Host {
  const plain = /^\[.*\]$/.test(text) ? text.slice(1, -1) : text;
  if (isThisHost(lower(plain))) return { ranges: loopback };
  const range = parseRange(plain);
  if (range !== undefined) return { ranges: [range] };
  const isPattern = /^[\w.*-]+$/.test(text) && !/^[\d.*]*\d[\d.*]*$/.test(text);
  if (!isPattern && text !== "*") throw hostDefect(text, path);
  if (text.includes("*")) return { name: lower(text).replace(/\.$/, "") };
  try {
    return { name: parseHost({ text, column: 1 }) };
  } catch (error) {
    if (error instanceof SpecError) throw hostDefect(text, path);
    throw error;
  }
}

function hostDefect(text: string, path: KeyPath): ValueDefect {
  const expected = 'a name, a pattern such as "*.example.org", an address, or a range without ' +
    'bits beyond its length such as "10.0.0.0/8"';
  return new ValueDefect(path, expected, JSON.stringify(text));
}

function lower(text: string): string {
  return text.toLowerCase();
}

function portMatcherOf(
  ports: readonly (string | number)[] | undefined,
  path: KeyPath,
): (port: number) => boolean {
  if (ports === undefined) return () => true;
  const ranges = ports.map((port) => readPorts(port, path));
  return (port) => {
    for (const { first, last } of ranges) if (port >= first && port <= last) return true;
    return false;
  };
}

function readPorts(port: string | number, path: KeyPath): { first: number; last: number } {
  const [, from = "", to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(`${port}`) ?? [];
  const [first, last] = [Number(from), Number(to)];
  if (from !== "" && first >= 1 && first <= last && last <= 65_535) return { first, last };
  throw new ValueDefect(path, 'a port (1 to 65535) or a range such as "8000-8010"', `${port}`);
}

/** All addresses of this host are listened on only where that is said, and denied with each. */
function listenMatcherOf(
  listen: readonly string[],
  { path, isAllowing }: { readonly path: KeyPath; readonly isAllowing: boolean },
): (host: string) => boolean {
  const isForAll = listen.includes("*");
  const ranges = listen.flatMap((text) => text === "*" ? [] : readListen(text, path));
  if (!isAllowing) {
    return (host) => isForAll || reachOf(host).some((part) => ranges.some(overlaps(part)));
  }
  return (host) => {
    const addresses = host === "localhost" ? loopback : [parseRange(host)];
    return isForAll ||
      addresses.every((address) =>
        address !== undefined && ranges.some((range) => isRangeWithin(address, range))
      );
  };
}

function readListen(text: string, path: KeyPath): readonly AddressRange[] {
  if (["localhost", "127.0.0.1", "::1"].includes(lower(text))) return loopback;
  const range = parseRange(text);
  if (range !== undefined) return [range];
  throw new ValueDefect(path, "*, localhost, an address or a range", JSON.stringify(text));
}

/** Where a listener may be reached; one at a name, wherever that leads. */
function reachOf(host: string): readonly AddressRange[] {
  if (host === "localhost") return loopback;
  if (host === "0.0.0.0") return [allIpv4];
  const range = host === "::" ? undefined : parseRange(host);
  return range === undefined ? [allIpv4, allIpv6] : [range];
}

function overlaps(one: AddressRange): (other: AddressRange) => boolean {
  return (other) => isRangeWithin(one, other) || isRangeWithin(other, one);
}

/** Names and paths, in which `*` stands for any characters. */
function namesMatcherOf(
  texts: readonly string[],
  parse: (text: string, column: number) => string,
  path: KeyPath,
): NameMatcher {
  for (const text of texts) {
    try {
      parse(text, 1);
    } catch (error) {
      if (!(error instanceof SpecError)) throw error;
      throw new ValueDefect(path, `another (${error.message})`, JSON.stringify(text));
    }
  }
  return matcherOfPatterns(texts);
}

function parseExecPattern(text: string, column: number): string {
  return parseExecName(text.replaceAll("*", "x"), column);
}
