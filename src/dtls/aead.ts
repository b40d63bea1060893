/**
 * Authenticated encryption as the record path needs it. Who implements it knows nothing of records:
 * nonce and additional data come from the caller, as do all buffers.
 *
 * @module
 */

/** The AEADs of the cipher suites we speak. */
export type AeadName = "aes-128-gcm" | "aes-256-gcm" | "chacha20-poly1305";

/** One direction's key. The nonce has 12 bytes, the tag 16. All buffers are the caller's. */
export interface AeadKey {
  /** Encrypts `bytes[start..end)` in place and writes the tag at `[end..end+16)`. */
  seal(bytes: Uint8Array, start: number, end: number, nonce: Uint8Array, aad: Uint8Array): void;
  /**
   * Decrypts `bytes[start..end)`, whose tag stands at `[end..end+16)`, in place. False, and no
   * usable plaintext, where the tag is wrong.
   */
  open(bytes: Uint8Array, start: number, end: number, nonce: Uint8Array, aad: Uint8Array): boolean;
  /** Forgets the key. */
  destroy(): void;
}

/** Where keys come from: one implementation is as good as another. */
export interface AeadProvider {
  readonly name: string;
  createKey(aead: AeadName, key: Uint8Array): AeadKey;
}
