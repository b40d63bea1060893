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

/** Memory for the nonce and for the additional data of one call, which have 12 and 13 bytes. */
export interface AeadOperands {
  readonly nonce: Uint8Array;
  readonly aad: Uint8Array;
}

/** Where keys come from: one implementation is as good as another. */
export interface AeadProvider {
  readonly name: string;
  /**
   * Where both are read without being copied. Every call of any key may change them: who passes them
   * has written each whole, right before the call.
   */
  readonly operands?: AeadOperands;
  createKey(aead: AeadName, key: Uint8Array): AeadKey;
}
