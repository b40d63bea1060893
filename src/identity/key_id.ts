/**
 * Key ids: the name of a public key that needs no authority. A key id is the SHA-256 of the key's
 * SubjectPublicKeyInfo (DER, RFC 5280 section 4.1.2.7) in lower-case base32 (RFC 4648 section 6,
 * no padding). An ingress URL ends with one, so that the URL names a key and not a server's word.
 */
import { createHash } from "node:crypto";

const base32Alphabet = "abcdefghijklmnopqrstuvwxyz234567";

/** Characters of a key id: 256 bits, five to a character. */
export const keyIdLength = 52;

// 52 characters hold 260 bits; the last four are zero, so the last character is one of two.
const keyIdPattern = /^[a-z2-7]{51}[aq]$/;

// SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING (65 bytes: 04 || X || Y) },
// RFC 5480 sections 2.1 and 2.2. DER leaves no other way to write an uncompressed P-256 key.
const p256SpkiPrefix = Uint8Array.of(
  ...[0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01],
  ...[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04],
);

/** Bytes of an uncompressed P-256 SubjectPublicKeyInfo in DER (RFC 5480). */
export const p256SpkiLength = p256SpkiPrefix.length + 64;

/**
 * Whether the bytes have the form of an uncompressed P-256 SubjectPublicKeyInfo (RFC 5480 section
 * 2). That the point is on the curve is known only when the key is imported.
 */
export function isP256PublicKey(spki: Uint8Array): boolean {
  return spki.length === p256SpkiLength &&
    p256SpkiPrefix.every((byte, at) => spki[at] === byte);
}

/** The key id of a public key given as SubjectPublicKeyInfo in DER: 52 characters. */
export function keyIdOf(spki: Uint8Array): string {
  return base32(createHash("sha256").update(spki).digest());
}

/** Whether the text is a key id as {@link keyIdOf} writes it, and no other spelling of one. */
export function isKeyId(text: string): boolean {
  return keyIdPattern.test(text);
}

/**
 * Whether a public key that came by an untrusted way (from the signaling server) is the one that
 * the key id names: it has the form of a P-256 key, and its hash is the id.
 */
export function publicKeyMatchesId(spki: Uint8Array, keyId: string): boolean {
  return isKeyId(keyId) && isP256PublicKey(spki) && keyIdOf(spki) === keyId;
}

function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let bitCount = 0;
  for (const byte of bytes) {
    bits = (bits << 8) | byte;
    for (bitCount += 8; bitCount >= 5; bitCount -= 5) {
      text += base32Alphabet.charAt((bits >> (bitCount - 5)) & 31);
    }
    bits &= (1 << bitCount) - 1;
  }
  return bitCount === 0 ? text : text + base32Alphabet.charAt((bits << (5 - bitCount)) & 31);
}
