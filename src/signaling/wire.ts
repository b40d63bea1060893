/**
 * What goes over the wire between the aetherlight server and its clients: paths, limits, messages,
 * and a strict parser for each. The server and the nodes share this file, with the little that it
 * imports, and nothing else, and neither trusts the other: every parser takes any input, throws
 * nothing, and answers undefined for what is not exactly a message of its kind. docs/aetherlight.md
 * is the same in prose.
 */
import { createHash } from "node:crypto";
import { asObject, type Fields, parseObject } from "../parse_object.ts";

/** The WebSocket subprotocol of this version. */
export const WEBSOCKET_PROTOCOL = "aetherlight.v1";

/** A second subprotocol of a WebSocket carries the token, since browsers can set no header. */
export const WEBSOCKET_TOKEN_PREFIX = "token.";

/** The most bytes of a request's body. */
export const MAX_BODY_LENGTH = 32_768;

/** The most characters of one sealed message. All are printable ASCII, so they are bytes too. */
export const MAX_TEXT_LENGTH = 24_576;

/**
 * The most bytes of an answer or of a WebSocket frame that a client takes. A mailbox holds 64 KB;
 * JSON may double each character.
 */
export const MAX_ANSWER_LENGTH = 262_144;

/** The most characters of a WebSocket frame that a server takes. */
export const MAX_CLIENT_FRAME_LENGTH = 256;

/** A waiting client says that it lives this often (ms). */
export const HEARTBEAT_MILLISECONDS = 15_000;

/** A server answers a long poll after this time (ms) at the latest. */
export const POLL_MILLISECONDS = 25_000;

/** A session is forgotten this long (ms) after its first message. */
export const SESSION_MILLISECONDS = 120_000;

const MAX_MESSAGES = 256;
const MAX_BASE_URL_LENGTH = 512;
const MAX_REASON_LENGTH = 512;

const ERROR_CODES = [
  "bad_request",
  "unauthorized",
  "wrong_audience",
  "not_found",
  "no_ingress",
  "no_session",
  "time_out",
  "stale_challenge",
  "taken_over",
  "replaced",
  "too_large",
  "too_many_requests",
  "mailbox_full",
  "too_many_sessions",
  "session_full",
  "internal",
  "unavailable",
  "shutting_down",
] as const;

/** Why a request was refused, or why waiting ended. */
export type ErrorCode = typeof ERROR_CODES[number];

/** The body of every answer from 400 on is `{"error": ErrorReason}`. */
export interface ErrorReason {
  readonly code: ErrorCode;
  /** For people: one line of printable text. */
  readonly message: string;
}

/** One sealed message on its way. */
export interface SealedMessage {
  /** Grows from message to message of one mailbox; what to acknowledge, and to tell doubles by. */
  readonly sequence: number;
  readonly session: string;
  readonly text: string;
}

/** The body that registers an ingress. */
export interface Registration {
  /** SubjectPublicKeyInfo (DER) of a P-256 key. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** The base URL under which the node reached the server. */
  readonly audience: string;
  readonly challenge: string;
  /** ES256 over {@link registrationStatement}: r and s, 32 bytes each. */
  readonly signature: Uint8Array<ArrayBuffer>;
}

/** What a waiting client says over its WebSocket. */
export type ClientFrame =
  | { readonly type: "ack"; readonly sequence: number }
  | { readonly type: "ping" };

/** What the server says over a WebSocket. */
export type ServerFrame =
  | { readonly type: "ready" }
  | { readonly type: "pong" }
  | ({ readonly type: "message" } & SealedMessage)
  | ({ readonly type: "end" } & ErrorReason);

/** A server's base URL and the id of an ingress that waits there. */
export interface IngressAddress {
  /** Without a slash at its end. */
  readonly baseUrl: string;
  readonly id: string;
}

// Paths ------------------------------------------------------------------------------------------

/** The path of an ingress below the base URL. */
export function ingressPath(id: string): string {
  return `/ingresses/${id}`;
}

/** The path of one session of an ingress below the base URL. */
export function sessionPath(id: string, session: string): string {
  return `${ingressPath(id)}/sessions/${session}`;
}

/**
 * Reads a server's base URL: http or https, perhaps with a path, without credentials, query or
 * fragment. Returns it without a slash at its end.
 */
export function parseBaseUrl(text: string): string | undefined {
  if (text.length > MAX_BASE_URL_LENGTH || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  const isPlain = url.username === "" && url.password === "" && url.search === "" &&
    url.hash === "" && !text.endsWith("?") && !text.endsWith("#");
  if (!isPlain || !["http:", "https:"].includes(url.protocol)) return undefined;
  return url.href.replace(/\/+$/, "");
}

/** Reads `<base>/ingresses/<id>`. */
export function parseIngressUrl(text: string): IngressAddress | undefined {
  const [, base = "", id = ""] = /^(.+)\/ingresses\/([a-z2-7]{52})$/.exec(text) ?? [];
  const baseUrl = parseBaseUrl(base);
  return baseUrl === undefined || !isIngressId(id) ? undefined : { baseUrl, id };
}

// Ids --------------------------------------------------------------------------------------------

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

// SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING (65 bytes: 04 || X || Y) }
const P256_SPKI_PREFIX = Uint8Array.of(
  ...[0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01],
  ...[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04],
);
const P256_SPKI_LENGTH = P256_SPKI_PREFIX.length + 64;
const SIGNATURE_LENGTH = 64;

/**
 * The id of the ingress that holds a public key (SubjectPublicKeyInfo, DER): lower-case base32
 * (RFC 4648, no padding) of its SHA-256; 52 characters.
 */
export function ingressIdOf(publicKeySpki: Uint8Array): string {
  const digest = createHash("sha256").update(publicKeySpki).digest();
  // 256 bits are 51 times five bits and one more, which is written as if four zeros followed it.
  let rest = BigInt(`0x${digest.toString("hex")}`) << 4n;
  let id = "";
  for (let count = 0; count < 52; count++, rest >>= 5n) id = BASE32.charAt(Number(rest & 31n)) + id;
  return id;
}

/** Whether the text is an ingress id, in its one spelling. */
export function isIngressId(text: string): boolean {
  return /^[a-z2-7]{51}[aq]$/.test(text);
}

/**
 * Whether the text is a random id of 128 bits (of a session or a message) as {@link randomId}
 * writes it: 22 characters of base64url.
 */
export function isRandomId(text: string): boolean {
  return /^[\w-]{21}[AQgw]$/.test(text);
}

/** A new id of 128 random bits: whoever can name it was told it. */
export function randomId(): string {
  return toBase64Url(crypto.getRandomValues(new Uint8Array(16)));
}

/** Whether the text is a registration's token: 256 bits as base64url. */
export function isToken(text: string): boolean {
  return /^[\w-]{43}$/.test(text);
}

/** Base64url without padding. */
export function toBase64Url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Reads base64url without padding that stands for so many bytes; undefined for anything else. */
export function fromBase64Url(
  text: string,
  length: number,
): Uint8Array<ArrayBuffer> | undefined {
  if (text.length !== Math.ceil(length * 4 / 3) || !/^[\w-]*$/.test(text)) return undefined;
  const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
  return bytes.length === length && toBase64Url(bytes) === text ? bytes : undefined;
}

/** Reads a public key as the wire carries it: base64url of a P-256 SubjectPublicKeyInfo. */
export function parsePublicKey(text: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (typeof text !== "string") return undefined;
  const bytes = fromBase64Url(text, P256_SPKI_LENGTH);
  return bytes !== undefined && P256_SPKI_PREFIX.every((byte, at) => bytes[at] === byte)
    ? bytes
    : undefined;
}

/** Whether the text can be a sealed message: 1 to 24,576 printable ASCII characters. */
export function isSealedText(text: unknown): text is string {
  return typeof text === "string" && text.length <= MAX_TEXT_LENGTH && /^[ -~]+$/.test(text);
}

/** Reads the sequence number of a query or frame: a whole number from 0. */
export function parseSequence(value: unknown): number | undefined {
  const isDigits = typeof value === "string" && /^\d{1,16}$/.test(value);
  const number = isDigits ? Number(value) : value;
  return typeof number === "number" && Number.isSafeInteger(number) && number >= 0
    ? number
    : undefined;
}

// Requests ---------------------------------------------------------------------------------------

/**
 * The bytes an ingress signs to register. The first line keeps the signature from meaning anything
 * elsewhere; the audience keeps one server from using what a node signed for another.
 */
export function registrationStatement(
  { audience, id, challenge }: {
    readonly audience: string;
    readonly id: string;
    readonly challenge: string;
  },
): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(
    `aetherlight-registration-v1\n${audience}\n${id}\n${challenge}`,
  );
}

/** Writes the body that registers an ingress. */
export function writeRegistration(registration: Registration): string {
  return JSON.stringify({
    ...registration,
    publicKey: toBase64Url(registration.publicKey),
    signature: toBase64Url(registration.signature),
  });
}

/** Reads the body that registers an ingress. That its signature is right is not known yet. */
export function parseRegistration(body: string): Registration | undefined {
  const { publicKey: key, audience: base, challenge, signature: signed } = parseObject(body);
  const publicKey = parsePublicKey(key);
  const audience = typeof base === "string" ? parseBaseUrl(base) : undefined;
  const signature = typeof signed === "string"
    ? fromBase64Url(signed, SIGNATURE_LENGTH)
    : undefined;
  if (publicKey === undefined || signature === undefined || !isChallenge(challenge)) {
    return undefined;
  }
  // The signature is over the audience as it was written, so it must be written in its one way.
  if (audience === undefined || audience !== base) return undefined;
  return { publicKey, audience, challenge, signature };
}

/** Reads the body that posts a message. */
export function parseText(body: string): string | undefined {
  const { text } = parseObject(body);
  return isSealedText(text) ? text : undefined;
}

/** Reads what a client says over its WebSocket. */
export function parseClientFrame(frame: string): ClientFrame | undefined {
  if (frame.length > MAX_CLIENT_FRAME_LENGTH) return undefined;
  const { type, sequence: number } = parseObject(frame);
  if (type === "ping") return { type };
  const sequence = typeof number === "number" ? parseSequence(number) : undefined;
  return type === "ack" && sequence !== undefined ? { type, sequence } : undefined;
}

// Answers ----------------------------------------------------------------------------------------

/** Reads the answer with an ingress's public key. */
export function parseKeyAnswer(body: string): Uint8Array<ArrayBuffer> | undefined {
  return parsePublicKey(parseObject(body).publicKey);
}

/** Reads the answer with a challenge. */
export function parseChallengeAnswer(body: string): string | undefined {
  const { challenge } = parseObject(body);
  return isChallenge(challenge) ? challenge : undefined;
}

/** Reads the answer with a registration's token. */
export function parseTokenAnswer(body: string): string | undefined {
  const { token } = parseObject(body);
  return typeof token === "string" && isToken(token) ? token : undefined;
}

/** Reads the answer to a long poll. */
export function parseMessagesAnswer(body: string): SealedMessage[] | undefined {
  const { messages } = parseObject(body);
  if (!Array.isArray(messages) || messages.length > MAX_MESSAGES) return undefined;
  const parsed = messages.map((one: unknown) => parseMessage(asObject(one)));
  return parsed.every((one) => one !== undefined) ? parsed : undefined;
}

/** Reads the reason in the answer to a refused request. */
export function parseErrorAnswer(body: string): ErrorReason | undefined {
  return parseReason(asObject(parseObject(body).error));
}

/** Reads what a server says over a WebSocket. */
export function parseServerFrame(frame: string): ServerFrame | undefined {
  if (frame.length > MAX_ANSWER_LENGTH) return undefined;
  const object = parseObject(frame);
  const { type } = object;
  if (type === "ready" || type === "pong") return { type };
  if (type === "message") {
    const message = parseMessage(object);
    return message === undefined ? undefined : { type, ...message };
  }
  const reason = type === "end" ? parseReason(object) : undefined;
  return reason === undefined ? undefined : { type: "end", ...reason };
}

function parseMessage(object: Fields): SealedMessage | undefined {
  const { sequence: number, session, text } = object;
  const sequence = typeof number === "number" ? parseSequence(number) : undefined;
  if (sequence === undefined || typeof session !== "string" || !isRandomId(session)) {
    return undefined;
  }
  return isSealedText(text) ? { sequence, session, text } : undefined;
}

function parseReason({ code, message }: Fields): ErrorReason | undefined {
  if (typeof code !== "string" || typeof message !== "string" || !isErrorCode(code)) {
    return undefined;
  }
  // It may come to a terminal: no control characters.
  const isPrintable = message.length <= MAX_REASON_LENGTH && /^[ -~]*$/.test(message);
  return isPrintable ? { code, message } : undefined;
}

function isErrorCode(text: string): text is ErrorCode {
  return ERROR_CODES.some((code) => code === text);
}

function isChallenge(text: unknown): text is string {
  return typeof text === "string" && /^[\w-]{1,200}$/.test(text);
}
