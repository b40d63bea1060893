/**
 * The record protection by node:crypto, which is there on every system.
 *
 * @module
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import type { AeadKey, AeadName, AeadProvider } from "../dtls/aead.ts";
import { nonceLength, requireKey, requireSeal, tagLength } from "./aead_sizes.ts";

/** AEADs by node:crypto. */
export const nodeAead: AeadProvider = {
  name: "node:crypto",
  createKey: (aead, key) => new NodeKey(aead, key),
};

/** With the tag's length given, node:crypto takes no shorter tag. */
const options = { authTagLength: tagLength } as const;

class NodeKey implements AeadKey {
  // The three names are node:crypto's own, but its types have an overload for each mode.
  readonly #cipher: "aes-128-gcm";
  #key: Uint8Array | undefined;

  constructor(aead: AeadName, key: Uint8Array) {
    requireKey(aead, key);
    this.#cipher = aead as "aes-128-gcm";
    this.#key = key.slice();
  }

  seal(bytes: Uint8Array, start: number, end: number, nonce: Uint8Array, aad: Uint8Array): void {
    requireSeal(bytes, start, end, nonce);
    if (this.#key === undefined) {
      bytes.fill(0, start, end + tagLength);
      throw new Error("cannot seal: the key is destroyed");
    }
    const cipher = createCipheriv(this.#cipher, this.#key, nonce, options);
    cipher.setAAD(aad);
    const text = cipher.update(bytes.subarray(start, end));
    cipher.final();
    bytes.set(text, start);
    bytes.set(cipher.getAuthTag(), end);
  }

  open(bytes: Uint8Array, start: number, end: number, nonce: Uint8Array, aad: Uint8Array): boolean {
    // Written so that NaN is refused too.
    if (!(start >= 0 && start <= end && end + tagLength <= bytes.length)) return false;
    if (nonce.length !== nonceLength) return false;
    const text = this.#decrypt(bytes, start, end, nonce, aad);
    if (text === undefined) {
      // As in the other implementation: nothing is left that could be taken for plaintext.
      bytes.fill(0, start, end);
      return false;
    }
    bytes.set(text, start);
    return true;
  }

  destroy(): void {
    this.#key?.fill(0);
    this.#key = undefined;
  }

  #decrypt(
    bytes: Uint8Array,
    start: number,
    end: number,
    nonce: Uint8Array,
    aad: Uint8Array,
  ): Uint8Array | undefined {
    if (this.#key === undefined) return undefined;
    try {
      const decipher = createDecipheriv(this.#cipher, this.#key, nonce, options);
      decipher.setAuthTag(bytes.subarray(end, end + tagLength));
      decipher.setAAD(aad);
      const text = decipher.update(bytes.subarray(start, end));
      decipher.final();
      return text;
    } catch {
      // The tag is wrong, which node:crypto says by throwing.
      return undefined;
    }
  }
}
