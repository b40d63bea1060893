/** What a rule says of HTTP requests, and whether one is allowed by it. */
import type { HttpRule } from "../../../access/content_rule.ts";
import { type GlobMatcher, globMatcher } from "../glob.ts";
import type { HttpRequest } from "./http_request.ts";
import { canonicalName } from "./http_request.ts";
import type { HttpField } from "./llhttp.ts";

/** Judges requests by one rule, whose patterns are made ready once. */
export class HttpJudge {
  readonly rule: HttpRule;
  readonly #methods: ReadonlySet<string> | undefined;
  readonly #hosts: readonly GlobMatcher[] | undefined;
  readonly #paths: readonly GlobMatcher[] | undefined;
  readonly #headers: readonly (readonly [name: string, values: readonly GlobMatcher[]])[];

  constructor(rule: HttpRule) {
    this.rule = rule;
    this.#methods = rule.methods && new Set(rule.methods.map((method) => method.toUpperCase()));
    this.#hosts = rule.hosts?.map((host) => globMatcher(host.toLowerCase(), "."));
    this.#paths = rule.paths?.map((path) => globMatcher(path, "/"));
    this.#headers = Object.entries(rule.headers ?? {}).map(([name, values]) =>
      [name.toLowerCase(), values.map((value) => globMatcher(value))] as const
    );
  }

  /** Why a request is refused; undefined where it is allowed. */
  refusalOf(request: HttpRequest): string | undefined {
    const { method, path, host, body, fields } = request;
    if (this.#methods?.has(method) === false) return `${method} is not allowed`;
    const hostName = host.replace(/\.?(:\d+)?$/, "");
    if (this.#hosts?.some((isMeant) => isMeant(hostName)) === false) {
      return "this host is not allowed";
    }
    const isPathAllowed = path !== undefined && this.#paths?.some((isMeant) => isMeant(path));
    if (this.#paths !== undefined && !isPathAllowed) return "this path is not allowed";
    for (const [name, matchers] of this.#headers) {
      const canonical = canonicalName(name);
      const named = fields.filter((field) => canonicalName(field.name) === canonical);
      // Some targets drop another spelling, and some take it for the name that is meant.
      const isMatch = (field: HttpField) =>
        field.name.toLowerCase() === name && matchers.some((isMeant) => isMeant(field.value));
      if (named.length === 0 || !named.every(isMatch)) {
        return `the header field ${name} is not as it has to be`;
      }
    }
    const { maxBodyLength = Infinity } = this.rule;
    const isTooLong = body.type === "length" && body.length > maxBodyLength;
    return isTooLong ? `a body may have ${maxBodyLength} bytes at most` : undefined;
  }
}
