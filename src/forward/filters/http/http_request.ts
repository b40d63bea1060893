/** A request whose head was read: whether it means the same to everybody, and how it is written. */
import type { HttpRule } from "../../../access/content_rule.ts";
import { type HttpField, type HttpHead, trimmed } from "./llhttp.ts";

/** A request as it is judged and handed on. */
export interface HttpRequest {
  readonly method: string;
  /** In origin form, or `*`. */
  readonly target: string;
  /**
   * Without query, decoded; `*` for `OPTIONS *`; undefined where servers may read it in two ways, as
   * with dot segments, empty ones or an encoded slash.
   */
  readonly path: string | undefined;
  /** As the client named it, lower case, perhaps with a port; empty with HTTP/1.0. */
  readonly host: string;
  readonly minor: number;
  /** What travels from end to end, by the client's names. */
  readonly fields: readonly HttpField[];
  /** How the body is told apart from what follows. */
  readonly body: { readonly type: "none" | "chunked" } | {
    readonly type: "length";
    readonly length: number;
  };
  readonly isKeptAlive: boolean;
  /** Whether WebSocket is asked for. Other upgrades are left out of what is handed on. */
  readonly isWebSocket: boolean;
  /** Whether the client waits to be told to send the body (RFC 9110, section 10.1.1). */
  readonly expectsContinue: boolean;
}

/** Between two neighbours only: RFC 9110 section 7.6.1, and what older software says. */
const hopByHop: ReadonlySet<string> = new Set([
  ...["connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"],
  ...["te", "transfer-encoding", "upgrade", "content-length", "host", "http2-settings"],
]);
/** Their bodies mean nothing (RFC 9110, section 9.3), and some servers leave them unread. */
const withoutBody: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"]);
/** What a trailer must not say (RFC 9110, section 6.5.1). */
const notInTrailers: ReadonlySet<string> = new Set([
  ...hopByHop,
  ...["trailer", "authorization", "cookie", "set-cookie", "content-encoding", "content-type"],
  ...["content-range", "cache-control", "expect", "max-forwards", "range"],
]);
/** They stand for who asks: a client's own never pass, and are as if they were not there. */
const askingNames = /^(aetherport-.*|(x-)?forwarded(-.*)?|x-real-ip)$/;
const fieldName = /^[!#$%&'*+.^_`|~\dA-Za-z-]+$/;
// deno-lint-ignore no-control-regex -- That is what must not be there.
const controlCharacter = /[\u0000-\u0008\u000a-\u001f\u007f]/;
const hostPattern = /^(?:[a-z\d._-]{1,253}|\[[\da-f:.]{2,45}\])(?::\d{1,5})?$/;
const targetPattern = /^[!"$-[\]-~]+$/;
/** RFC 3629 section 3: what old decoders take for an ASCII character, as for a dot or a slash. */
const overlongUtf8 = /[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f]|\xf0[\x80-\x8f]/;
/** What some frameworks take for the method or the path, in place of those that were judged. */
const overridingNames = {
  methods: ["x-http-method", "x-http-method-override", "x-method-override"],
  paths: ["x-original-url", "x-rewrite-url"],
} as const;

/** What is wrong with a request, in words for its client. */
export class RequestError extends Error {
  override readonly name = "RequestError";

  constructor(readonly status: number, problem: string) {
    super(problem);
  }
}

/**
 * Reads a head. Throws {@link RequestError} where two readers might make different things of it, or
 * it asks for what no filter can follow.
 */
export function readRequest(head: HttpHead): HttpRequest {
  const { method, major, minor, fields } = head;
  if (major !== 1 || minor > 1) throw new RequestError(505, "only HTTP/1.1 passes here");
  if (method === "CONNECT") throw new RequestError(405, "CONNECT does not pass here");
  for (const { name, value } of fields) requireField(name, value);
  const host = readHost(fields, minor);
  const target = readTarget(head, host);
  const connection = tokens(fields, "connection");
  const isWebSocket = connection.includes("upgrade") && method === "GET" &&
    tokens(fields, "upgrade").join() === "websocket";
  const body = readBody(fields, minor);
  // What is left unread of a body would be the next request.
  const isEmpty = body.type === "none" || body.type === "length" && body.length === 0;
  const isKeptAlive = head.isKeptAlive && (isEmpty || !withoutBody.has(method));
  return {
    ...{ method, target, host, minor, body, isKeptAlive, isWebSocket },
    path: readPath(target),
    fields: endToEnd(fields, connection),
    expectsContinue: tokens(fields, "expect").includes("100-continue"),
  };
}

/** Those of the trailers that may be handed on: none that a rule sets or leaves out among fields. */
export function usableTrailers(
  trailers: readonly HttpField[],
  rule: HttpRule,
): HttpField[] {
  const replaced = new Set(Object.keys(rule.setHeaders ?? {}).map(canonicalName))
    .union(leftOut(rule));
  return trailers.filter(({ name, value }) => {
    const canonical = canonicalName(name);
    return fieldName.test(name) && !controlCharacter.test(value) && !askingNames.test(canonical) &&
      !notInTrailers.has(canonical) && !replaced.has(canonical);
  });
}

/** The canonical names of what a client says and a target is not told under a rule. */
export function leftOut({ removeHeaders = [], methods, paths }: HttpRule): ReadonlySet<string> {
  return new Set([
    ...removeHeaders.map(canonicalName),
    ...methods === undefined ? [] : overridingNames.methods,
    ...paths === undefined ? [] : overridingNames.paths,
  ]);
}

/** Lower case, with hyphens: some servers read underscores, dots and other characters as those. */
export function canonicalName(name: string): string {
  return name.toLowerCase().replace(/[^a-z\d-]/g, "-");
}

/** The values of a field, each by itself. */
export function valuesOf(fields: readonly HttpField[], wanted: string): string[] {
  return fields.filter(({ name }) => name.toLowerCase() === wanted).map(({ value }) => value);
}

function requireField(name: string, value: string): void {
  if (!fieldName.test(name)) throw new RequestError(400, "a header field's name is malformed");
  if (controlCharacter.test(value)) {
    throw new RequestError(400, `the header field ${name} has control characters`);
  }
}

function readHost(fields: readonly HttpField[], minor: number): string {
  const [host, other] = valuesOf(fields, "host");
  if (other !== undefined) throw new RequestError(400, "there are two Host fields");
  if (host === undefined) {
    if (minor === 0) return "";
    throw new RequestError(400, "there is no Host field");
  }
  if (hostPattern.test(host.toLowerCase())) return host.toLowerCase();
  throw new RequestError(400, "the Host field is malformed");
}

/** RFC 9112 section 3.2. */
function readTarget({ method, target }: HttpHead, host: string): string {
  if (target === "*" && method === "OPTIONS") return target;
  if (!targetPattern.test(target)) throw new RequestError(400, "the request's target is malformed");
  if (target.startsWith("/")) return target;
  const [, authority = "", rest = ""] = /^http:\/\/([^/?]+)(.*)$/i.exec(target) ?? [];
  if (authority === "") throw new RequestError(400, "the request's target is malformed");
  if (authority.toLowerCase() !== host) {
    throw new RequestError(400, "the request's target names another host than its Host field");
  }
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** The path as rules see it. */
function readPath(target: string): string | undefined {
  if (target === "*") return target;
  const [encoded = ""] = target.split("?");
  if (/%(?![\da-f]{2})/i.test(encoded) || /%(00|2f|5c|25)/i.test(encoded)) return undefined;
  const path = latin1Decoded(encoded);
  // deno-lint-ignore no-control-regex -- That is what must not be there.
  if (/[\u0000-\u001f\u007f\\]|\/\/|\/\.{1,2}(\/|;|$)/.test(path)) return undefined;
  return overlongUtf8.test(path) ? undefined : path;
}

/** Each escape as one character: patterns see the bytes. */
function latin1Decoded(encoded: string): string {
  return encoded.replace(
    /%[\da-f]{2}/gi,
    (escape) => String.fromCharCode(parseInt(escape.slice(1), 16)),
  );
}

/** RFC 9112 section 6. */
function readBody(fields: readonly HttpField[], minor: number): HttpRequest["body"] {
  const codings = tokens(fields, "transfer-encoding");
  const lengths = valuesOf(fields, "content-length");
  if (codings.length > 0) {
    if (codings.join() !== "chunked") throw new RequestError(501, "only chunked bodies pass here");
    if (lengths.length > 0 || minor === 0) {
      throw new RequestError(400, "the body's length is told in two ways");
    }
    return { type: "chunked" };
  }
  const [length, other] = lengths;
  if (length === undefined) return { type: "none" };
  if (other !== undefined || !/^\d{1,15}$/.test(length)) {
    throw new RequestError(400, "the Content-Length field is malformed");
  }
  return { type: "length", length: Number(length) };
}

function endToEnd(
  fields: readonly HttpField[],
  connection: readonly string[],
): HttpField[] {
  const named = connection.map(canonicalName);
  return fields.filter(({ name }) => {
    const canonical = canonicalName(name);
    return !hopByHop.has(canonical) && !named.includes(canonical) &&
      !askingNames.test(canonical);
  });
}

/** The elements of a list field, lower case. */
function tokens(fields: readonly HttpField[], wanted: string): string[] {
  return valuesOf(fields, wanted).flatMap((value) => value.split(","))
    .map((token) => trimmed(token).toLowerCase()).filter((token) => token !== "");
}
