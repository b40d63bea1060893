/** What the three AEADs have in common, and what a caller of any has to keep to. */
import type { AeadName } from "../dtls/aead.ts";

export const nonceLength = 12;
export const tagLength = 16;

/** RFC 5116 section 5, RFC 8439 section 2.8. */
export const keyLengths: Readonly<Record<AeadName, number>> = {
  "aes-128-gcm": 16,
  "aes-256-gcm": 32,
  "chacha20-poly1305": 32,
};

/** Throws where the key is not of the AEAD's length. */
export function requireKey(aead: AeadName, key: Uint8Array): void {
  if (key.length === keyLengths[aead]) return;
  throw new RangeError(
    `cannot create a key for ${aead} of ${key.length} bytes: it has ${keyLengths[aead]}`,
  );
}

/** Throws where there is no room for the tag, or where the nonce is of another length. */
export function requireSeal(
  bytes: Uint8Array,
  start: number,
  end: number,
  nonce: Uint8Array,
): void {
  // Written so that NaN is refused too.
  if (!(start >= 0 && start <= end && end + tagLength <= bytes.length)) {
    throw new RangeError(
      `cannot seal ${start} to ${end} of ${bytes.length} bytes: the tag takes ${tagLength} more`,
    );
  }
  if (nonce.length !== nonceLength) {
    throw new RangeError(`cannot seal with a nonce of ${nonce.length} bytes: use ${nonceLength}`);
  }
}
