/**
 * Ephemeral Diffie-Hellman by node:crypto. WebCrypto is not used: it takes points that are not on
 * the curve (and compressed ones) and fails only later.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import {
  createECDH,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import type { KeyShare, NamedGroup } from "../dtls/handshake_crypto.ts";

const secretLength = 32;
const uncompressedLength = 65;
const uncompressedForm = 4;

/** SubjectPublicKeyInfo and PrivateKeyInfo of X25519, up to the 32 bytes (RFC 8410). */
const x25519SpkiPrefix = Uint8Array.fromHex("302a300506032b656e032100");
const x25519Pkcs8Prefix = Uint8Array.fromHex("302e020100300506032b656e04220420");

/** What tests do otherwise. */
export interface KeyShareOptions {
  /** 32 bytes, for known answers; otherwise a new key is drawn. */
  readonly privateKey?: Uint8Array;
  /** X25519 by others than node:crypto. */
  readonly x25519?: (keys: { privateKey: KeyObject; publicKey: KeyObject }) => Uint8Array;
}

/** Our half of an exchange. */
export function createKeyShare(
  group: NamedGroup,
  { privateKey, x25519 = diffieHellman }: KeyShareOptions = {},
): KeyShare {
  return group === "x25519" ? createX25519Share(privateKey, x25519) : createP256Share(privateKey);
}

function createP256Share(privateKey: Uint8Array | undefined): KeyShare {
  const ecdh = createECDH("prime256v1");
  if (privateKey === undefined) ecdh.generateKeys();
  else ecdh.setPrivateKey(privateKey);
  return {
    publicKey: new Uint8Array(ecdh.getPublicKey()),
    deriveSecret(peerPublicKey) {
      // RFC 8422 section 5.4.1: of the forms of X9.62, only the uncompressed one is left.
      // CHECK D10
      if (!isUncompressed(peerPublicKey)) return undefined;
      // Section 5.11: a receiving party MUST check that the point satisfies the curve's equation.
      // computeSecret does, and throws.
      return secretOf(() => ecdh.computeSecret(peerPublicKey));
    },
  };
}

function isUncompressed(point: Uint8Array): boolean {
  return point.length === uncompressedLength && point[0] === uncompressedForm;
}

function createX25519Share(
  given: Uint8Array | undefined,
  x25519: NonNullable<KeyShareOptions["x25519"]>,
): KeyShare {
  const privateKey = given === undefined
    ? generateKeyPairSync("x25519").privateKey
    : importX25519PrivateKey(given);
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  return {
    publicKey: new Uint8Array(spki.subarray(x25519SpkiPrefix.length)),
    deriveSecret(peerPublicKey) {
      if (peerPublicKey.length !== secretLength) return undefined;
      const secret = secretOf(() =>
        x25519({ privateKey, publicKey: importX25519PublicKey(peerPublicKey) })
      );
      // RFC 8422 section 5.11: with X25519, a receiving party MUST check whether the secret is the
      // all-zero value, and abort the handshake if so (RFC 7748 section 6.1). Deno's node:crypto
      // throws on it too; this does not depend on that. With P-256, zero is as good as any. CHECK D10
      if (secret === undefined || isZero(secret)) return undefined;
      return secret;
    },
  };
}

/** What was derived; undefined where node:crypto throws, as it does on a public key that is none. */
function secretOf(derive: () => Uint8Array): Uint8Array | undefined {
  try {
    const secret = new Uint8Array(derive());
    return secret.length === secretLength ? secret : undefined;
  } catch {
    // The peer's mistake or attack, of which the caller is told by undefined.
    return undefined;
  }
}

/** In constant time, as the bytes are secret. */
function isZero(bytes: Uint8Array): boolean {
  let union = 0;
  for (const byte of bytes) union |= byte;
  return union === 0;
}

function importX25519PublicKey(bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: der(x25519SpkiPrefix, bytes), format: "der", type: "spki" });
}

function importX25519PrivateKey(bytes: Uint8Array): KeyObject {
  return createPrivateKey({ key: der(x25519Pkcs8Prefix, bytes), format: "der", type: "pkcs8" });
}

function der(prefix: Uint8Array, bytes: Uint8Array): Buffer {
  return Buffer.concat([prefix, bytes]);
}
