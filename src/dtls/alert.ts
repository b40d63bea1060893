/**
 * ```text
 * enum { warning(1), fatal(2), (255) } AlertLevel;
 * struct {
 *     AlertLevel level;
 *     AlertDescription description;
 * } Alert;
 * ```
 *
 * RFC 5246 section 7.2.
 *
 * @module
 */
import { WireReader } from "./wire_reader.ts";

/** The alerts we know. */
export type AlertDescription =
  | "close_notify"
  | "unexpected_message"
  | "bad_record_mac"
  | "record_overflow"
  | "handshake_failure"
  | "bad_certificate"
  | "unsupported_certificate"
  | "certificate_revoked"
  | "certificate_expired"
  | "certificate_unknown"
  | "illegal_parameter"
  | "unknown_ca"
  | "access_denied"
  | "decode_error"
  | "decrypt_error"
  | "protocol_version"
  | "insufficient_security"
  | "internal_error"
  | "user_canceled"
  | "no_renegotiation"
  | "unsupported_extension";

const codes: Readonly<Record<AlertDescription, number>> = {
  close_notify: 0,
  unexpected_message: 10,
  bad_record_mac: 20,
  record_overflow: 22,
  handshake_failure: 40,
  bad_certificate: 42,
  unsupported_certificate: 43,
  certificate_revoked: 44,
  certificate_expired: 45,
  certificate_unknown: 46,
  illegal_parameter: 47,
  unknown_ca: 48,
  access_denied: 49,
  decode_error: 50,
  decrypt_error: 51,
  protocol_version: 70,
  insufficient_security: 71,
  internal_error: 80,
  user_canceled: 90,
  no_renegotiation: 100,
  unsupported_extension: 110,
};

const descriptions: ReadonlyMap<number, string> = new Map(
  Object.entries(codes).map(([description, code]) => [code, description]),
);

/** An alert as it came. */
export interface Alert {
  readonly isFatal: boolean;
  /** An `AlertDescription`, or the number of one we do not know. */
  readonly description: string;
}

/** Reads the payload of a record. */
export function parseAlert(payload: Uint8Array): Alert | undefined {
  const reader = new WireReader(payload);
  const level = reader.uint8();
  const code = reader.uint8();
  if (!reader.isComplete() || (level !== 1 && level !== 2)) return undefined;
  return { isFatal: level === 2, description: descriptions.get(code) ?? `alert ${code}` };
}

/** Writes an alert. Only close_notify and no_renegotiation are warnings. */
export function writeAlert(description: AlertDescription): Uint8Array {
  const isWarning = description === "close_notify" || description === "no_renegotiation";
  return Uint8Array.of(isWarning ? 1 : 2, codes[description]);
}
