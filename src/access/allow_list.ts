/**
 * The `--allow` rules of an ingress, and their kin: what no rule names is not allowed. What a peer
 * asks for is compared as the peer wrote it.
 */
import { BadInput } from "../bad_input.ts";
import {
  canonicalAddress,
  isThisHost,
  parseHost,
  parsePort,
  parsePortRange,
  type PortRange,
  SpecError,
  type SpecField,
  splitSpec,
} from "../socket/endpoint.ts";
import {
  type Access,
  type Admission,
  type Admitting,
  freeGrant,
  type Opening,
  type Verdict,
  type Wanted,
} from "./access.ts";
import { isReachedByAddressOnly } from "./guarded_addresses.ts";
import { formatTargetHost, parseTargetHost, parseTargetPath } from "./target.ts";

/** One rule. */
export type AllowRule =
  | NetworkRule
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "exec"; readonly name: string }
  /** Other nodes may measure their link to this one. */
  | { readonly kind: "bench" };

/** Targets that may be reached, or addresses that may be listened on. */
export interface NetworkRule {
  readonly kind: "tcp" | "udp" | "listen";
  readonly host: string | "*";
  /** 0 only in a "listen" rule: the port is free to choose. */
  readonly port: number | PortRange | "*";
}

const udpSuffix = "/udp";
/** Why what no rule names is not allowed, where its rules are not those of `--allow`. */
const denials: Partial<Record<Wanted["kind"], string>> = {
  listen: "no --allow-listen names it",
  exec: "no --allow-exec offers it",
};

/** Reads one `--allow` value. Throws {@link BadInput} with the column and an example. */
export function parseAllowRule(spec: string): AllowRule {
  if (spec === "bench") return { kind: "bench" };
  return complaining("--allow", spec, "127.0.0.1:80", () => {
    if (spec.startsWith("/")) return { kind: "unix", path: parseTargetPath(spec, 1) };
    if (spec.startsWith("unix:/")) return { kind: "unix", path: parseTargetPath(spec.slice(5), 6) };
    if (spec.startsWith("exec:")) {
      throw new SpecError(
        1,
        '--allow-exec offers commands, a host named "exec" is written "exec."',
      );
    }
    const isUdp = spec.endsWith(udpSuffix);
    const fields = splitSpec(isUdp ? spec.slice(0, -udpSuffix.length) : spec);
    return {
      kind: isUdp ? "udp" : "tcp",
      ...parseHostAndPort(fields, spec, { readHost: parseTargetHost, minPort: 1 }),
    };
  });
}

/** Reads one `--allow-listen` value, `[host:]port`. Throws {@link BadInput}. */
export function parseAllowListenRule(spec: string): AllowRule {
  return complaining("--allow-listen", spec, "127.0.0.1:8080", () => {
    const fields = splitSpec(spec);
    if (fields.length === 1) fields.unshift({ text: "localhost", column: 1 });
    return {
      kind: "listen",
      ...parseHostAndPort(fields, spec, { readHost: parseHost, minPort: 0 }),
    };
  });
}

/** The rules of one ingress. */
export class AllowList implements Access {
  readonly #rules: readonly AllowRule[];

  constructor(rules: readonly AllowRule[]) {
    this.#rules = rules;
  }

  judge(opening: Opening): Verdict {
    if (this.ruleFor(opening) !== undefined) return { isAllowed: true };
    return { isAllowed: false, reason: denials[opening.wanted.kind] ?? "no --allow names it" };
  }

  judgeUnresolved(opening: Opening): Verdict {
    return this.judge(opening);
  }

  admit({ peer, wanted, addresses }: Admitting): Admission {
    const isAllowed = (address: string) => this.judge({ peer, wanted, address }).isAllowed;
    const allowed = addresses.filter(isAllowed);
    const verdict = this.judge({ peer, wanted, address: allowed[0] ?? addresses[0] });
    return verdict.isAllowed ? { isAllowed: true, addresses: allowed, grant: freeGrant } : verdict;
  }

  /** These rules have no audit. */
  handleRefused(): void {}

  /** The rule that allows it; undefined where none does. */
  ruleFor({ wanted, address }: Opening): AllowRule | undefined {
    return this.#rules.find((rule) => matches(rule, wanted) && mayLeadTo(rule, wanted, address));
  }
}

/** A rule as its flag has it. */
export function formatAllowRule(rule: AllowRule): string {
  if (rule.kind === "bench") return "--allow bench";
  if (rule.kind === "unix") return `--allow ${rule.path}`;
  if (rule.kind === "exec") return `--allow-exec ${rule.name}`;
  const { kind, host } = rule;
  const port = typeof rule.port === "object" ? `${rule.port.first}-${rule.port.last}` : rule.port;
  const bracketed = host.includes(":") ? `[${host}]` : host;
  if (kind === "listen") return `--allow-listen ${bracketed}:${port}`;
  return `--allow ${formatTargetHost(bracketed)}:${port}${kind === "udp" ? udpSuffix : ""}`;
}

function complaining(
  flag: string,
  spec: string,
  example: string,
  read: () => AllowRule,
): AllowRule {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw new BadInput(
      `${flag} ${JSON.stringify(spec)}, column ${error.column}: ${error.message}. ` +
        `Example: ${flag} ${example}`,
    );
  }
}

function parseHostAndPort(
  [host, port, extra]: readonly SpecField[],
  spec: string,
  { readHost, minPort }: {
    readonly readHost: (field: SpecField) => string;
    readonly minPort: 0 | 1;
  },
): Pick<NetworkRule, "host" | "port"> {
  if (host === undefined || port === undefined) {
    throw new SpecError(spec.length + 1, "a port is missing (host:port)");
  }
  if (extra !== undefined) throw new SpecError(extra.column, "too many parts (host:port)");
  return {
    host: host.text === "*" ? "*" : readHost(host),
    port: port.text === "*" ? "*" : parsePortRange(port) ?? parsePort(port, { min: minPort }),
  };
}

function matches(rule: AllowRule, wanted: Wanted): boolean {
  switch (rule.kind) {
    case "bench":
      return wanted.kind === "bench";
    case "unix":
      return wanted.kind === "unix" && wanted.path === rule.path;
    case "exec":
      return wanted.kind === "exec" && wanted.name === rule.name;
    case "listen":
      return wanted.kind === "listen" && matchesListenHost(rule.host, wanted.host) &&
        matchesPort(rule.port, wanted.port);
    default:
      return wanted.kind === rule.kind && matchesHost(rule.host, wanted.host) &&
        matchesPort(rule.port, wanted.port);
  }
}

function matchesHost(rule: string, host: string): boolean {
  return rule === "*" || rule === host || (isThisHost(rule) && isThisHost(host));
}

function matchesPort(rule: NetworkRule["port"], port: number): boolean {
  if (rule === "*" || typeof rule === "number") return rule === "*" || rule === port;
  return rule.first <= port && port <= rule.last;
}

/** 0.0.0.0 and :: are no loopback to whoever listens: all the world reaches them. */
function matchesListenHost(rule: string, host: string): boolean {
  return rule === "*" || rule === host || (isLoopback(rule) && isLoopback(host));
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "127.0.0.1" || host === "::1";
}

/** A rule with a name is no leave to reach what its owner in the DNS has it mean today. */
function mayLeadTo(rule: AllowRule, wanted: Wanted, address: string | undefined): boolean {
  if (address === undefined || !("host" in rule) || rule.host === "*") return true;
  const isName = "host" in wanted && !isThisHost(wanted.host) &&
    canonicalAddress(wanted.host) === undefined;
  return !isName || !isReachedByAddressOnly(address);
}
