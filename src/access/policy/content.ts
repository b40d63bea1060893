/** `protocol`, `[rule.http]` and `[rule.tls]`: what a rule says of the bytes of a stream. */
import type { ContentRule, HttpRule, TlsRule } from "../content_rule.ts";
import { type KeyPath, ValueDefect } from "./policy_error.ts";
import type { RuleDocument } from "./schema.ts";
import { readSize } from "./units.ts";

const token = /^[!#$%&'*+.^_`|~\dA-Za-z-]+$/;
// What ends a line of a head begins another field, or another request.
const fieldValue = /^[\t -~\x80-\xff]*$/;
/** What tells where a message ends, and who asks, is this node's to say. */
const ownFields = /^(connection|content-length|host|transfer-encoding|upgrade|aetherport-.*)$/;
/** Further fields that are between two neighbours: of none of them rules see anything. */
const neighbourFields =
  /^(keep-alive|te|http2-settings|proxy-(connection|authenticate|authorization))$/;
const namePattern = /^[a-z\d._*-]{1,253}$/;
const addressPattern = /^\[[\da-f:.*]{2,45}\]$/;
/** As requests have it, decoded. */
const pathPattern = /^[/*][ -$&->@-[\]-~]*$/;
const vainSegment = /\/\/|\/\.{1,2}(\/|;|$)/;

/** Undefined where the rule says nothing of them. Throws {@link ValueDefect}. */
export function contentRuleOf(
  { protocol, http, tls }: Pick<RuleDocument, "protocol" | "http" | "tls">,
  path: KeyPath,
): ContentRule | undefined {
  if (http !== undefined && tls !== undefined) {
    throw new ValueDefect([...path, "tls"], "either http or tls", "both");
  }
  const meant = http !== undefined ? "http" : tls !== undefined ? "tls" : protocol;
  if (protocol !== undefined && protocol !== meant) {
    throw new ValueDefect([...path, "protocol"], `the protocol ${meant}`, JSON.stringify(protocol));
  }
  if (meant === "http") {
    return { protocol: "http", http: httpRuleOf(http ?? {}, [...path, "http"]) };
  }
  if (meant === "tls") return { protocol: "tls", tls: tlsRuleOf(tls ?? {}, [...path, "tls"]) };
  return meant === undefined ? undefined : { protocol: meant };
}

function httpRuleOf(http: NonNullable<RuleDocument["http"]>, path: KeyPath): HttpRule {
  const { methods, hosts, paths, headers, "max-body": maxBody } = http;
  const { "set-headers": setHeaders, "remove-headers": removeHeaders } = http;
  const at = (...keys: string[]) => [...path, ...keys];
  for (const name of Object.keys(headers ?? {})) requireSeen(name, at("headers", name));
  for (const name of removeHeaders ?? []) requireSeen(name, at("remove-headers"));
  for (const [name, value] of Object.entries(setHeaders ?? {})) {
    const isUsable = token.test(name) && fieldValue.test(value) && !ownFields.test(canonical(name));
    if (isUsable) continue;
    const what = "a header field that a rule may set";
    throw new ValueDefect(at("set-headers", name), what, JSON.stringify(value));
  }
  return {
    ...(methods && { methods: setOf(methods, (method) => readMethod(method, at("methods"))) }),
    ...(hosts && { hosts: setOf(hosts, (host) => readHost(host, at("hosts"))) }),
    ...(paths && { paths: setOf(paths, (one) => readPath(one, at("paths"))) }),
    ...(headers && { headers: mapValues(headers, (values) => setOf(values)) }),
    ...(maxBody === undefined ? {} : { maxBodyLength: readLength(maxBody, at("max-body")) }),
    ...(setHeaders && { setHeaders }),
    ...(removeHeaders && { removeHeaders: setOf(removeHeaders) }),
  };
}

function tlsRuleOf({ sni, alpn }: NonNullable<RuleDocument["tls"]>, path: KeyPath): TlsRule {
  return {
    ...(sni && { sni: setOf(sni, (name) => readServerName(name, [...path, "sni"])) }),
    ...(alpn && { alpn: setOf(alpn) }),
  };
}

/** Each once and in order, so that rules that mean the same are the same. */
function setOf(
  texts: readonly string[],
  read: (text: string) => string = (text) => text,
): readonly string[] {
  return [...new Set(texts.map(read))].toSorted((one, other) => one < other ? -1 : 1);
}

function mapValues<From, To>(
  record: Readonly<Record<string, From>>,
  map: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

/** None is one, too: no bodies. */
function readLength(value: string | number, path: KeyPath): number {
  return value === 0 ? 0 : readSize(value, path);
}

/** As some servers read it. */
function canonical(name: string): string {
  return name.toLowerCase().replaceAll("_", "-");
}

function requireSeen(name: string, path: KeyPath): void {
  const isSeen = token.test(name) && !ownFields.test(canonical(name)) &&
    !neighbourFields.test(canonical(name));
  if (isSeen) return;
  throw new ValueDefect(path, "a header field that a rule sees", JSON.stringify(name));
}

function readMethod(text: string, path: KeyPath): string {
  const method = text.toUpperCase();
  if (/^[A-Z][\dA-Z_-]*$/.test(method) && method !== "CONNECT") return method;
  throw new ValueDefect(path, 'a method such as "GET", and not CONNECT', JSON.stringify(text));
}

function readHost(text: string, path: KeyPath): string {
  const host = text.toLowerCase().replace(/\.$/, "");
  if (namePattern.test(host) || addressPattern.test(host)) return host;
  const expected = 'a host such as "*.example.org", without a port';
  throw new ValueDefect(path, expected, JSON.stringify(text));
}

function readServerName(text: string, path: KeyPath): string {
  const name = text.toLowerCase().replace(/\.$/, "");
  if (namePattern.test(name)) return name;
  throw new ValueDefect(path, 'a name such as "*.example.org"', JSON.stringify(text));
}

function readPath(text: string, path: KeyPath): string {
  if (pathPattern.test(text) && !vainSegment.test(text)) return text;
  const expected =
    'a path such as "/static/**": from its first slash on, decoded, in ASCII, without ' +
    "its query";
  throw new ValueDefect(path, expected, JSON.stringify(text));
}
