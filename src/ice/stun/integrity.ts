/**
 * MESSAGE-INTEGRITY (RFC 8489, section 14.5): an HMAC-SHA1 over the message up to the attribute,
 * whose length field counts up to the attribute's end.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { headerLength } from "./message_header.ts";
import type { StunMessage } from "./message.ts";
import { writeUint16 } from "../../network_order.ts";

/** In bytes. */
export const integrityLength = 20;
const integrityAttributeLength = 4 + integrityLength;

/** The key of a short-term credential (section 9.1.1): the password. */
export function shortTermKey(password: string): Uint8Array {
  return new TextEncoder().encode(password);
}

/** The key of a long-term credential (section 9.2.2): MD5(username ":" realm ":" password). */
export function longTermKey(
  { username, realm, password }: {
    readonly username: string;
    readonly realm: string;
    readonly password: string;
  },
): Uint8Array {
  // RFC 8265 section 4.2.2: OpaqueString is normalized to NFC.
  const text = [username, realm, password].map((part) => part.normalize("NFC")).join(":");
  return createHash("md5").update(text).digest();
}

/** The HMAC of a message whose attribute begins `offset` bytes from `start`. */
export function integrityOf(
  bytes: Uint8Array,
  start: number,
  offset: number,
  key: Uint8Array,
): Uint8Array {
  const header = bytes.slice(start, start + headerLength);
  // "the Length field of the STUN message header is adjusted to point to the end of the
  // MESSAGE-INTEGRITY attribute"
  writeUint16(header, 2, offset + integrityAttributeLength - headerLength);
  return createHmac("sha1", key)
    .update(header)
    .update(bytes.subarray(start + headerLength, start + offset))
    .digest();
}

/** Whether the message was written by one who has the key. False where it has no such attribute. */
export function verifyIntegrity(message: StunMessage, key: Uint8Array): boolean {
  const { signed } = message;
  if (signed === undefined) return false;
  const { bytes, start, integrityOffset } = signed;
  const valueStart = start + integrityOffset + 4;
  const value = bytes.subarray(valueStart, valueStart + integrityLength);
  const expected = integrityOf(bytes, start, integrityOffset, key);
  return value.length === expected.length && timingSafeEqual(value, expected); // CHECK I2
}
