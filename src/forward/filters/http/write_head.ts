/** Heads as this node writes them: what was judged, and nothing that a client wrote between the lines. */
import { parseClient } from "../../client_address.ts";
import { canonicalName, type HttpRequest, leftOut } from "./http_request.ts";
import type { AccessPeer } from "../../../access/access.ts";
import type { HttpRule } from "../../../access/content_rule.ts";
import { fromLatin1, type HttpField } from "./llhttp.ts";

/** Who asks. */
export interface Asking {
  readonly identity: AccessPeer["identity"];
  /** What the other node says of its client: `address:port`. */
  readonly client: string | undefined;
}

/** The head of a request, for the target. */
export function writeRequestHead(
  request: HttpRequest,
  rule: HttpRule,
  asking: Asking,
): Uint8Array<ArrayBuffer> {
  const { method, target, host, minor, body } = request;
  const ours = new Map(
    Object.entries({ ...fieldsOf(asking, request), ...rule.setHeaders })
      .map(([name, value]) => [canonicalName(name), { name, value }]),
  );
  const replaced = new Set(ours.keys()).union(leftOut(rule));
  const lines = [`${method} ${target} HTTP/1.${minor}`];
  const add = ({ name, value }: HttpField) => lines.push(`${name}: ${value}`);
  if (host !== "") add({ name: "Host", value: host });
  for (const field of request.fields) if (!replaced.has(canonicalName(field.name))) add(field);
  for (const field of ours.values()) add(field);
  if (body.type === "length") add({ name: "Content-Length", value: String(body.length) });
  if (body.type === "chunked") add({ name: "Transfer-Encoding", value: "chunked" });
  for (const field of connectionFields(request)) add(field);
  return fromLatin1(`${lines.join("\r\n")}\r\n\r\n`);
}

/** The end of a chunked body. */
export function writeTrailers(trailers: readonly HttpField[]): Uint8Array<ArrayBuffer> {
  const lines = trailers.map(({ name, value }) => `${name}: ${value}\r\n`);
  return fromLatin1(`0\r\n${lines.join("")}\r\n`);
}

/** What this node answers by itself. */
export interface OwnAnswer {
  readonly status: number;
  /** One line, for people. */
  readonly reason: string;
  readonly isKeptAlive: boolean;
  /** As the client's Accept field has it. */
  readonly isJson: boolean;
  /** In answer to HEAD. */
  readonly isWithoutBody: boolean;
}

/** A whole answer of this node's. */
export function writeAnswer(answer: OwnAnswer): Uint8Array<ArrayBuffer> {
  const { status, reason, isKeptAlive, isJson, isWithoutBody } = answer;
  const title = titles.get(status) ?? "Refused";
  const body = new TextEncoder().encode(
    isJson
      ? `${JSON.stringify({ error: title.toLowerCase(), reason })}\n`
      : `<!doctype html><title>${status} ${title}</title><h1>${title}</h1><p>${
        escaped(reason)
      }</p>\n`,
  );
  const head = new TextEncoder().encode([
    `HTTP/1.1 ${status} ${title}`,
    `Content-Type: ${isJson ? "application/json" : "text/html; charset=utf-8"}`,
    `Content-Length: ${body.length}`,
    "Cache-Control: no-store",
    `Connection: ${isKeptAlive ? "keep-alive" : "close"}`,
    "\r\n",
  ].join("\r\n"));
  if (isWithoutBody) return head;
  const whole = new Uint8Array(head.length + body.length);
  whole.set(head);
  whole.set(body, head.length);
  return whole;
}

/** What a client of HTTP/2 is told: a SETTINGS frame and GOAWAY (RFC 9113, sections 6.5 and 6.8). */
export function writeHttp2Refusal(reason: string): Uint8Array<ArrayBuffer> {
  const [settings, goAway, http11Required] = [4, 7, 0xd];
  const words = new TextEncoder().encode(reason);
  const bytes = new Uint8Array(9 + 9 + 8 + words.length);
  const view = new DataView(bytes.buffer);
  // Each frame: the length of its payload, its type, no flags, stream 0; no setting is said.
  bytes[3] = settings;
  view.setUint16(9 + 1, 8 + words.length);
  bytes[9 + 3] = goAway;
  // No stream was served.
  view.setUint32(9 + 9 + 4, http11Required);
  bytes.set(words, 9 + 9 + 8);
  return bytes;
}

const titles = new Map([
  [400, "Bad Request"],
  [403, "Forbidden"],
  [405, "Method Not Allowed"],
  [408, "Request Timeout"],
  [413, "Content Too Large"],
  [431, "Request Header Fields Too Large"],
  [501, "Not Implemented"],
  [502, "Bad Gateway"],
  [505, "HTTP Version Not Supported"],
]);

function fieldsOf({ identity, client }: Asking, { host }: HttpRequest): Record<string, string> {
  const address = client === undefined ? undefined : parseClient(client)?.host;
  // Where nobody vouches for a name it is a claim, which the target could not tell from others.
  const vouched = identity?.vouchedBy === "chain" ? identity : undefined;
  const peerName = vouched?.name;
  const labels = [...vouched?.labels ?? []]
    .map(([key, value]) => `${encoded(key)}=${encoded(value)}`).join(", ");
  return {
    ...(address === undefined ? {} : { "X-Forwarded-For": address }),
    ...(host === "" ? {} : { "X-Forwarded-Host": host }),
    "X-Forwarded-Proto": "http",
    ...(peerName === undefined ? {} : { "Aetherport-Peer": encoded(peerName) }),
    ...(labels === "" ? {} : { "Aetherport-Peer-Labels": labels }),
  };
}

function connectionFields({ isWebSocket, isKeptAlive, minor }: HttpRequest): HttpField[] {
  if (isWebSocket) {
    return [{ name: "Connection", value: "Upgrade" }, { name: "Upgrade", value: "websocket" }];
  }
  if (!isKeptAlive) return [{ name: "Connection", value: "close" }];
  return minor === 0 ? [{ name: "Connection", value: "keep-alive" }] : [];
}

/** What is no visible ASCII, or might be taken for the end of a label or its key, is escaped. */
function encoded(text: string): string {
  return text.toWellFormed().replace(/[^!-~]|[,=%]/gu, encodeURIComponent);
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
