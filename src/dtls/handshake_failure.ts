/**
 * How handshakes and connections end.
 *
 * @module
 */
import type { AlertDescription } from "./alert.ts";

/** Why a connection is over. */
export type DtlsEndCode =
  /** The peer said close_notify: all it had to say was said. */
  | "peer-closed"
  /** We did. */
  | "closed"
  /** The handshake took too long. */
  | "timeout"
  /** The peer said a fatal alert. */
  | "peer-alert"
  /** A message that cannot be parsed. */
  | "malformed-message"
  /** A message that does not come at this point. */
  | "unexpected-message"
  /** Both ends have nothing in common that is good enough, or one chose what was not offered. */
  | "no-agreement"
  /** The peer's certificate is missing, or is not the one we are to talk to. */
  | "peer-refused"
  /** A share of the key exchange that is no public key. */
  | "bad-key-share"
  /** The peer has not proved that its certificate's key is its own. */
  | "bad-signature"
  /** The two ends have not seen the same handshake. */
  | "bad-finished"
  /** The keys have done as much as they may. */
  | "exhausted";

/** Why a handshake fails, and what the peer is told. */
export interface HandshakeFailure {
  readonly kind: "failure";
  readonly code: DtlsEndCode;
  readonly alert: AlertDescription;
  readonly reason: string;
}

/** A failure, with its reason in words. */
export function failure(
  code: DtlsEndCode,
  alert: AlertDescription,
  reason: string,
): HandshakeFailure {
  return { kind: "failure", code, alert, reason };
}

/** A message that does not parse. */
export function malformed(type: string): HandshakeFailure {
  return failure("malformed-message", "decode_error", `the peer's ${type} is malformed`);
}

/** A message, well formed or not, that has no place here. */
export function unexpected(type: string, state: string): HandshakeFailure {
  return failure(
    "unexpected-message",
    "unexpected_message",
    `the peer sent ${type} in state ${state}`,
  );
}
