/**
 * HTTP's CONNECT (RFC 9110, section 9.3.6; RFC 9112, sections 2 to 5), read strictly: what two
 * readers might take differently is refused.
 */
import { Buffer } from "node:buffer";
import { messageOf } from "../../message_of.ts";
import { type Endpoint, parseEndpoint, SpecError } from "../../socket/endpoint.ts";

/** A request with all its headers has at most so many bytes. */
export const maxHttpRequestLength = 8_192;

/** What a request asks for, or what it is answered where that cannot be. */
export type ConnectRequest =
  | {
    readonly kind: "connect";
    readonly endpoint: Endpoint;
    /** Of "Basic" credentials: `user:password`, decoded. */
    readonly credentials: Uint8Array | undefined;
  }
  | HttpFailure;

/** An answer that is not 200. */
export interface HttpFailure {
  readonly kind: "failed";
  readonly status: HttpStatus;
  /** One line. */
  readonly reason: string;
}

/** The answers there are. */
export type HttpStatus = keyof typeof reasonPhrases;

const reasonPhrases = {
  400: "Bad Request",
  403: "Forbidden",
  405: "Method Not Allowed",
  407: "Proxy Authentication Required",
  431: "Request Header Fields Too Large",
  502: "Bad Gateway",
  504: "Gateway Timeout",
} as const;

const furtherHeaders: Partial<Record<HttpStatus, string>> = {
  405: "Allow: CONNECT\r\n",
  407: 'Proxy-Authenticate: Basic realm="aetherport", charset="UTF-8"\r\n',
};

const headEnd = Buffer.from("\r\n\r\n");
/** RFC 9112, section 2.2, lets it end a line; a request that ends with two would be waited for. */
const bareLineFeed = /(?<!\r)\n/;
const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const requestLine = new RegExp(`^(${token}) ([\\x21-\\x7e]+) HTTP/1\\.[01]$`);
const headerLine = new RegExp(`^(${token}):([\\t\\x20-\\x7e\\x80-\\xff]*)$`);
const basicCredentials = /^Basic +([A-Za-z0-9+/]+={0,2})$/i;

/** Whether a request may begin so: methods are in capitals. */
export function isHttpStart(byte: number): boolean {
  return byte >= 0x41 && byte <= 0x5a;
}

/** Reads a request from the beginning of what came; undefined while some of it is missing. */
export function parseConnectRequest(
  bytes: Uint8Array,
): ConnectRequest & { readonly length: number } | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = head.indexOf(headEnd);
  if (bareLineFeed.test(head.toString("latin1", 0, end === -1 ? maxHttpRequestLength : end))) {
    return { ...failure(400, "a line ends without a carriage return"), length: 0 };
  }
  if (end === -1 || end + headEnd.length > maxHttpRequestLength) {
    if (bytes.length < maxHttpRequestLength) return undefined;
    return {
      ...failure(431, `the request has more than ${maxHttpRequestLength} bytes`),
      length: 0,
    };
  }
  return { ...readHead(head.toString("latin1", 0, end)), length: end + headEnd.length };
}

/** Writes the answer after which the stream begins. */
export function writeConnected(): Uint8Array {
  return new TextEncoder().encode("HTTP/1.1 200 Connection established\r\n\r\n");
}

/** Writes an answer, after which the connection ends. */
export function writeHttpFailure({ status, reason }: HttpFailure): Uint8Array {
  const body = new TextEncoder().encode(`${reason}\n`);
  const head = `HTTP/1.1 ${status} ${reasonPhrases[status]}\r\n` +
    (furtherHeaders[status] ?? "") +
    `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}\r\n` +
    "Connection: close\r\n\r\n";
  return Uint8Array.from([...new TextEncoder().encode(head), ...body]);
}

/** Makes an answer. */
export function failure(status: HttpStatus, reason: string): HttpFailure {
  return { kind: "failed", status, reason };
}

function readHead(head: string): ConnectRequest {
  const [first = "", ...lines] = head.split("\r\n");
  const [, method, target = ""] = requestLine.exec(first) ?? [];
  if (method === undefined) return failure(400, "the request line is malformed");
  const headers = readHeaders(lines);
  if (headers === undefined) return failure(400, "a header is malformed");
  if (method !== "CONNECT") return failure(405, "this proxy takes CONNECT only");
  const problem = problemOf(headers);
  if (problem !== undefined) return failure(400, problem);
  try {
    const endpoint = parseEndpoint(target);
    return { kind: "connect", endpoint, credentials: readCredentials(headers) };
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    return failure(400, messageOf(error));
  }
}

/** By name in small letters; undefined where a line is no header. */
function readHeaders(lines: readonly string[]): ReadonlyMap<string, readonly string[]> | undefined {
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const [, name, value = ""] = headerLine.exec(line) ?? [];
    if (name === undefined) return undefined;
    const values = headers.get(name.toLowerCase()) ?? [];
    headers.set(name.toLowerCase(), [...values, value.trim()]);
  }
  return headers;
}

/** What follows the headers is the stream, so they must not speak of a content. */
function problemOf(headers: ReadonlyMap<string, readonly string[]>): string | undefined {
  for (const name of ["host", "content-length", "transfer-encoding", "proxy-authorization"]) {
    if ((headers.get(name)?.length ?? 0) > 1) return `${name} is given twice`;
  }
  const [contentLength = "0"] = headers.get("content-length") ?? [];
  const hasContent = headers.has("transfer-encoding") || contentLength !== "0";
  return hasContent ? "CONNECT has no content" : undefined;
}

function readCredentials(
  headers: ReadonlyMap<string, readonly string[]>,
): Uint8Array | undefined {
  const [value = ""] = headers.get("proxy-authorization") ?? [];
  const [, encoded] = basicCredentials.exec(value) ?? [];
  return encoded === undefined ? undefined : Buffer.from(encoded, "base64");
}
