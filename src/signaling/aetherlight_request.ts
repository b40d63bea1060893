/**
 * One request to a signaling server that is not trusted: bounded in time and in what is read of the
 * answer, which must be exactly what was asked for. Redirects are not followed.
 */
import { proxyForUrl } from "../socket/proxy.ts";
import { proxyOptions } from "./aetherlight_proxy.ts";
import { type ErrorCode, MAX_ANSWER_LENGTH, parseErrorAnswer } from "./wire.ts";

/** One request. */
export interface AetherlightRequest {
  readonly method: "GET" | "PUT" | "DELETE";
  readonly url: string;
  /** JSON. */
  readonly body?: string;
  /** Of the ingress's registration. */
  readonly token?: string;
  readonly signal: AbortSignal;
  /** The time for all of it, ms. */
  readonly milliseconds: number;
}

/** Why a request failed: a reason of the server's, or one of this side. */
export type AetherlightErrorCode = ErrorCode | "unreachable" | "bad_answer";

/** A request failed, or waiting ended. */
export class AetherlightError extends Error {
  override readonly name = "AetherlightError";
  readonly code: AetherlightErrorCode;
  /** The time (ms) after which the server wants to be asked again, where it said so. */
  readonly retryAfterMilliseconds: number | undefined;

  constructor(
    code: AetherlightErrorCode,
    message: string,
    options: ErrorOptions & { readonly retryAfterMilliseconds?: number } = {},
  ) {
    super(message, options);
    this.code = code;
    this.retryAfterMilliseconds = options.retryAfterMilliseconds;
  }
}

const TRANSIENT: ReadonlySet<AetherlightErrorCode> = new Set([
  "unreachable",
  "time_out",
  "too_many_requests",
  "mailbox_full",
  "too_many_sessions",
  "unavailable",
  "shutting_down",
  "stale_challenge",
]);

const proxyWantsUser = "it wants another user and password (HTTP 407)";

const MAX_RETRY_AFTER_SECONDS = 300;

/** Whether the same request may succeed later. */
export function isTransient(error: unknown): error is AetherlightError {
  return error instanceof AetherlightError && TRANSIENT.has(error.code);
}

/**
 * Sends a request and reads its answer with `parse`, which answers undefined for what it does not
 * take. Throws {@link AetherlightError}, or the signal's reason where the caller gave up.
 */
export async function request<T>(
  options: AetherlightRequest,
  parse: (body: string) => T | undefined,
): Promise<T> {
  const { response, body } = await exchange(options);
  if (!response.ok) throw refusalOf(response, { body, url: options.url });
  const answer = parse(body);
  if (answer !== undefined) return answer;
  throw badAnswer(options.url, "its answer is not what was asked for");
}

/** For requests whose answer says nothing. */
export function ignoreBody(): true {
  return true;
}

async function exchange(
  options: AetherlightRequest,
): Promise<{ readonly response: Response; readonly body: string }> {
  const { signal, milliseconds, url } = options;
  const ended = new AbortController();
  const onAbort = () => ended.abort();
  signal.throwIfAborted();
  signal.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(onAbort, milliseconds);
  try {
    const response = await send(options, ended.signal);
    return { response, body: await readAnswer(response, url) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof AetherlightError) throw error;
    throw unreachable(url, ended.signal.aborted ? "it does not answer" : causeOf(error), error);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

function send(options: AetherlightRequest, signal: AbortSignal): Promise<Response> {
  const { method, url, body, token } = options;
  const headers = new Headers();
  if (body !== undefined) headers.set("content-type", "application/json");
  if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
  return fetch(url, { method, headers, body, signal, redirect: "manual", ...proxyOptions(url) });
}

async function readAnswer(response: Response, url: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  // Leaving the loop early cancels the rest.
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_ANSWER_LENGTH) throw badAnswer(url, "its answer is too long");
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function refusalOf(
  { status, headers }: Response,
  { body, url }: { readonly body: string; readonly url: string },
): AetherlightError {
  const seconds = Number(/^\d{1,6}$/.exec(headers.get("retry-after") ?? "")?.[0] ?? "NaN");
  const retry = Number.isNaN(seconds)
    ? {}
    : { retryAfterMilliseconds: 1000 * Math.min(seconds, MAX_RETRY_AFTER_SECONDS) };
  // RFC 9110, section 15.5.8: of a proxy alone.
  if (status === 407) return unreachable(url, proxyWantsUser);
  const reason = status >= 400 ? parseErrorAnswer(body) : undefined;
  if (reason !== undefined) {
    const message = `the signaling server at ${originOf(url)} refused: ${reason.message}`;
    return new AetherlightError(reason.code, message, retry);
  }
  if (status === 429 || status >= 500) {
    // Not by the server itself: a proxy in front of it that does not reach it.
    const message = `the signaling server at ${originOf(url)} is not available${
      routeOf(url)
    } (HTTP ${status})`;
    return new AetherlightError("unavailable", message, retry);
  }
  return badAnswer(url, `it answered HTTP ${status}: check the URL`);
}

/** The server cannot be talked to. */
export function unreachable(url: string, why: string, cause?: unknown): AetherlightError {
  const message = `the signaling server at ${originOf(url)} cannot be reached${
    routeOf(url)
  }: ${why}`;
  return new AetherlightError("unreachable", message, { cause });
}

/** The server, or what poses as one, does not keep to the protocol. */
export function badAnswer(url: string, why: string): AetherlightError {
  return new AetherlightError(
    "bad_answer",
    `what answers at ${originOf(url)} is not an aetherlight server: ${why}`,
  );
}

/** ` through …` where there is a proxy. */
function routeOf(url: string): string {
  const proxy = proxyForUrl(url);
  return proxy === undefined ? "" : ` through ${proxy.label}`;
}

function originOf(url: string): string {
  return new URL(url).origin;
}

/** The innermost reason: the outer ones say only that a request failed. */
function causeOf(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  const message = inner instanceof Error ? inner.message : String(inner);
  // Deno's words for a proxy's answers to CONNECT.
  if (message.includes("proxy authentication required")) return proxyWantsUser;
  if (message.includes("unsuccessful tunnel")) return "it does not connect there";
  return message;
}
