/**
 * Which targets an ingress dials, and whether it may be measured: the `--allow` rules. Nothing is allowed that no rule names. The
 * list is asked at every open, with the target as the peer wrote it.
 */
import { BadInput } from "../bad_input.ts";
import {
  type Endpoint,
  isThisHost,
  parseHost,
  parsePort,
  SpecError,
  splitSpec,
} from "../socket/endpoint.ts";

/** One `--allow`: targets, or that other nodes may measure the link ("bench"). */
export type AllowRule = TargetRule | typeof benchRule;

/** A host or any, a port or any. */
export interface TargetRule {
  readonly host: string | "*";
  readonly port: number | "*";
}

const benchRule = "bench";

/** Reads one `--allow` value. Throws {@link BadInput} with the column and an example. */
export function parseAllowRule(spec: string): AllowRule {
  if (spec === benchRule) return benchRule;
  try {
    const [host, port, extra] = splitSpec(spec);
    if (host === undefined || port === undefined) {
      throw new SpecError(spec.length + 1, "a port is missing (host:port)");
    }
    if (extra !== undefined) throw new SpecError(extra.column, "too many parts (host:port)");
    return {
      host: host.text === "*" ? "*" : parseHost(host),
      port: port.text === "*" ? "*" : parsePort(port, { min: 1 }),
    };
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw new BadInput(
      `--allow ${JSON.stringify(spec)}, column ${error.column}: ${error.message}. ` +
        "Example: --allow 127.0.0.1:80",
    );
  }
}

/** The rules of one ingress. */
export class AllowList {
  /** Whether other nodes may measure their link to this one: `*:*` does not say so. */
  readonly allowsBench: boolean;
  readonly #rules: readonly TargetRule[];

  constructor(rules: readonly AllowRule[]) {
    this.allowsBench = rules.includes(benchRule);
    this.#rules = rules.filter((rule) => rule !== benchRule);
  }

  /** True where a rule names the target. */
  allows(target: Endpoint): boolean {
    return this.#rules.some((rule) => matchesHost(rule, target) && matchesPort(rule, target));
  }
}

function matchesHost(rule: TargetRule, target: Endpoint): boolean {
  return rule.host === "*" || rule.host === target.host ||
    (isThisHost(rule.host) && isThisHost(target.host));
}

function matchesPort(rule: TargetRule, target: Endpoint): boolean {
  return rule.port === "*" || rule.port === target.port;
}
