/** What a rule says of HTTP requests, and whether one is allowed by it. */
import type { HttpRule } from "../../../access/content_rule.ts";
import type { HttpRequest } from "./http_request.ts";
import { valuesOf } from "./http_request.ts";

/** Judges requests by one rule, whose patterns are made ready once. */
export class HttpJudge {
  readonly rule: HttpRule;
  readonly #methods: ReadonlySet<string> | undefined;
  readonly #hosts: readonly RegExp[] | undefined;
  readonly #paths: readonly RegExp[] | undefined;
  readonly #headers: readonly (readonly [name: string, values: readonly RegExp[]])[];

  constructor(rule: HttpRule) {
    this.rule = rule;
    this.#methods = rule.methods && new Set(rule.methods.map((method) => method.toUpperCase()));
    this.#hosts = rule.hosts?.map((host) => pattern(host.toLowerCase(), "."));
    this.#paths = rule.paths?.map((path) => pattern(path, "/"));
    this.#headers = Object.entries(rule.headers ?? {}).map(([name, values]) =>
      [name.toLowerCase(), values.map((value) => pattern(value, undefined))] as const
    );
  }

  /** Why a request is refused; undefined where it is allowed. */
  refusalOf(request: HttpRequest): string | undefined {
    const { method, path, host, body, fields } = request;
    if (this.#methods?.has(method) === false) return `${method} is not allowed`;
    const hostName = host.replace(/:\d+$/, "");
    if (this.#hosts?.some((pattern) => pattern.test(hostName)) === false) {
      return "this host is not allowed";
    }
    const isPathAllowed = path !== undefined && this.#paths?.some((one) => one.test(path));
    if (this.#paths !== undefined && !isPathAllowed) return "this path is not allowed";
    for (const [name, patterns] of this.#headers) {
      const values = valuesOf(fields, name);
      const isMatch = (value: string) => patterns.some((one) => one.test(value));
      if (values.length === 0 || !values.every(isMatch)) {
        return `the header field ${name} is not as it has to be`;
      }
    }
    const { maxBodyLength = Infinity } = this.rule;
    const isTooLong = body.type === "length" && body.length > maxBodyLength;
    return isTooLong ? `a body may have ${maxBodyLength} bytes at most` : undefined;
  }
}

/** `*` is anything but the separator, where there is one, and `**` anything. */
function pattern(text: string, separator: string | undefined): RegExp {
  const within = separator === undefined ? "[^]*" : `[^${separator}]*`;
  const source = text.split(/(\*+)/).map((part) => {
    if (!part.startsWith("*")) return part.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
    return part.length > 1 ? "[^]*" : within;
  });
  return new RegExp(`^${source.join("")}$`);
}
