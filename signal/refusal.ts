/** Why a request is not granted, and the answer that says so. */
import { jsonResponse } from "./json_response.ts";
import type { ErrorCode, ErrorReason } from "../src/signaling/wire.ts";

const STATUS: Readonly<Record<ErrorCode, number>> = {
  bad_request: 400,
  unauthorized: 401,
  wrong_audience: 401,
  not_found: 404,
  no_ingress: 404,
  no_session: 404,
  time_out: 408,
  stale_challenge: 409,
  taken_over: 409,
  replaced: 409,
  session_full: 409,
  too_large: 413,
  too_many_requests: 429,
  mailbox_full: 429,
  too_many_sessions: 429,
  internal: 500,
  unavailable: 503,
  shutting_down: 503,
};

/** A request is not granted. */
export class Refusal extends Error implements ErrorReason {
  override readonly name = "Refusal";
  readonly code: ErrorCode;
  /** When to try again, where that helps. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, retryAfterSeconds?: number) {
    super(message);
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** The answer to a refused request. */
export function refusalResponse({ code, message, retryAfterSeconds }: Refusal): Response {
  const body: { readonly error: ErrorReason } = { error: { code, message } };
  const response = jsonResponse(body, STATUS[code]);
  if (retryAfterSeconds !== undefined) response.headers.set("retry-after", `${retryAfterSeconds}`);
  return response;
}
