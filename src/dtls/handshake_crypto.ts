/**
 * The primitives a handshake needs, all synchronous. The node's private key stays behind this
 * interface.
 *
 * @module
 */
import type { AeadProvider } from "./aead.ts";

/** The groups of the key exchange. */
export type NamedGroup = "x25519" | "secp256r1";

/** The hashes of the PRF. */
export type HashName = "sha256" | "sha384";

/** Our half of one ephemeral key exchange. */
export interface KeyShare {
  /** 32 bytes (x25519) or 65, uncompressed (secp256r1). */
  readonly publicKey: Uint8Array;
  /**
   * The shared secret, 32 bytes. Undefined where the peer's share is invalid: off the curve, of the
   * wrong length, or with an all-zero result.
   */
  deriveSecret(peerPublicKey: Uint8Array): Uint8Array | undefined;
}

/** A hash that grows. */
export interface HandshakeHash {
  update(bytes: Uint8Array): void;
  /** The digest of all so far; may be asked for repeatedly. */
  digest(): Uint8Array;
}

/** The primitives, and the node's key. */
export interface HandshakeCrypto {
  readonly aead: AeadProvider;
  randomBytes(length: number): Uint8Array;
  createKeyShare(group: NamedGroup): KeyShare;
  createHash(name: HashName): HandshakeHash;
  hmac(name: HashName, key: Uint8Array, data: Uint8Array): Uint8Array;
  /** ECDSA P-256 with SHA-256 by the node's key, in DER. */
  sign(data: Uint8Array): Uint8Array;
  /**
   * Verifies ECDSA P-256 with SHA-256 by the public key in this certificate (DER); false on
   * anything malformed.
   */
  verify(certificate: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean;
  /** Compares in constant time; false where lengths differ. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
}
