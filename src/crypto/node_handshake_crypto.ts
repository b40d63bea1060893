/**
 * What a handshake needs, by node:crypto. It throws on malformed input in many ways; here each of
 * them is undefined or false, so that nothing throws on the peer's account.
 *
 * @module
 */
import {
  createHash,
  createHmac,
  createPrivateKey,
  type KeyObject,
  sign,
  timingSafeEqual,
  verify,
  X509Certificate,
} from "node:crypto";
import type { AeadProvider } from "../dtls/aead.ts";
import type {
  HandshakeCrypto,
  HandshakeHash,
  HashName,
  KeyShare,
  NamedGroup,
} from "../dtls/handshake_crypto.ts";
import { createKeyShare } from "./key_share.ts";

/** ECDSA signatures are made and verified with this hash alone. */
const signatureHash = "sha256";

/** What node:crypto calls P-256. */
const curveName = "prime256v1";

/** What a node brings along. */
export interface NodeHandshakeCryptoOptions {
  readonly aead: AeadProvider;
  /** An ECDSA P-256 key; as text, PKCS #8 in PEM. */
  readonly privateKey: KeyObject | string;
}

/**
 * The primitives by node:crypto.
 *
 * @throws {Error} where the key is not an ECDSA P-256 one
 */
export function createNodeHandshakeCrypto(
  { aead, privateKey }: NodeHandshakeCryptoOptions,
): HandshakeCrypto {
  const key = typeof privateKey === "string" ? createPrivateKey(privateKey) : privateKey;
  if (key.type !== "private" || !isP256(key)) {
    throw new Error("cannot sign handshakes with this private key: use an ECDSA P-256 one");
  }
  return new NodeHandshakeCrypto(aead, key);
}

class NodeHandshakeCrypto implements HandshakeCrypto {
  readonly aead: AeadProvider;
  readonly #privateKey: KeyObject;

  constructor(aead: AeadProvider, privateKey: KeyObject) {
    this.aead = aead;
    this.#privateKey = privateKey;
  }

  randomBytes(length: number): Uint8Array {
    return crypto.getRandomValues(new Uint8Array(length));
  }

  createKeyShare(group: NamedGroup): KeyShare {
    return createKeyShare(group);
  }

  createHash(name: HashName): HandshakeHash {
    const hash = createHash(name);
    return {
      update: (bytes) => void hash.update(bytes),
      // A digest ends a hash; its copy's does not.
      digest: () => new Uint8Array(hash.copy().digest()),
    };
  }

  hmac(name: HashName, key: Uint8Array, data: Uint8Array): Uint8Array {
    return new Uint8Array(createHmac(name, key).update(data).digest());
  }

  sign(data: Uint8Array): Uint8Array {
    return new Uint8Array(sign(signatureHash, data, this.#privateKey));
  }

  verify(certificate: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
    try {
      const { publicKey } = new X509Certificate(certificate);
      return isP256(publicKey) && verify(signatureHash, data, publicKey, signature);
    } catch {
      // The certificate, its key or the signature is malformed.
      return false;
    }
  }

  equal(a: Uint8Array, b: Uint8Array): boolean {
    return a.length === b.length && timingSafeEqual(a, b);
  }
}

function isP256(key: KeyObject): boolean {
  return key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === curveName;
}
