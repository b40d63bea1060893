/**
 * MESSAGE-INTEGRITY (RFC 8489, section 14.5): an HMAC-SHA1 over the message up to the attribute,
 * whose length field counts up to the attribute's end.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { hmac } from "@noble/hashes/hmac.js";
import { sha1 } from "@noble/hashes/legacy.js";
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

/** HMACs that have taken their keys, which is half of the work. */
type KeyedHmac = ReturnType<typeof hmac.create>;
const keyed = new WeakMap<Uint8Array, KeyedHmac>();
/** What one message needs: whoever floods with forged ones is to leave nothing to collect. */
const work = hmac.create(sha1, new Uint8Array(1));
const adjustedHeader = new Uint8Array(headerLength);
const digest = new Uint8Array(integrityLength);

/**
 * The HMAC of a message whose attribute begins `offset` bytes from `start`; valid until the next call.
 * The key must not change.
 */
export function integrityOf(
  bytes: Uint8Array,
  start: number,
  offset: number,
  key: Uint8Array,
): Uint8Array {
  adjustedHeader.set(bytes.subarray(start, start + headerLength));
  // "the Length field of the STUN message header is adjusted to point to the end of the
  // MESSAGE-INTEGRITY attribute"
  writeUint16(adjustedHeader, 2, offset + integrityAttributeLength - headerLength);
  keyedFor(key)._cloneInto(work);
  work.update(adjustedHeader).update(bytes.subarray(start + headerLength, start + offset));
  work.digestInto(digest);
  return digest;
}

function keyedFor(key: Uint8Array): KeyedHmac {
  let state = keyed.get(key);
  if (state === undefined) {
    state = hmac.create(sha1, key);
    keyed.set(key, state);
  }
  return state;
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
