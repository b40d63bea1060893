/**
 * Identities to try handshakes with, each with a key made anew; and crypto that is none.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { nodeAead } from "../../src/crypto/node_aead.ts";
import { createNodeHandshakeCrypto } from "../../src/crypto/node_handshake_crypto.ts";
import type { AeadProvider } from "../../src/dtls/aead.ts";
import type { HandshakeCrypto } from "../../src/dtls/handshake_crypto.ts";

/** A key and the certificate that names it. */
export interface TestIdentity {
  readonly privateKey: KeyObject;
  readonly privateKeyPem: string;
  readonly certificate: Uint8Array;
  readonly certificatePem: string;
}

/** AEADs by node:crypto. */
export const testAead: AeadProvider = nodeAead;

/** Real primitives, and this identity's key; an object of its own, so that tests can spread it. */
export function testCrypto({ privateKey }: TestIdentity): HandshakeCrypto {
  const real = createNodeHandshakeCrypto({ aead: nodeAead, privateKey });
  return {
    aead: real.aead,
    randomBytes: (length) => real.randomBytes(length),
    createKeyShare: (group) => real.createKeyShare(group),
    createHash: (name) => real.createHash(name),
    hmac: (name, key, data) => real.hmac(name, key, data),
    sign: (data) => real.sign(data),
    verify: (certificate, data, signature) => real.verify(certificate, data, signature),
    equal: (a, b) => real.equal(a, b),
  };
}

/**
 * As `testCrypto`, but for signatures: they are hashes with the certificate, which cost little, and
 * which anybody could make. For tests in which nobody does.
 */
export function swiftCrypto(identity: TestIdentity): HandshakeCrypto {
  const real = testCrypto(identity);
  const signatureBy = (certificate: Uint8Array, data: Uint8Array) => {
    const hash = real.createHash("sha256");
    hash.update(certificate);
    hash.update(data);
    return hash.digest();
  };
  return {
    ...real,
    sign: (data) => signatureBy(identity.certificate, data),
    verify: (certificate, data, signature) => real.equal(signature, signatureBy(certificate, data)),
  };
}

/** Takes everything for true, and everything for its own encryption. */
export function credulousCrypto(): HandshakeCrypto {
  const nothing = () => {};
  return {
    aead: {
      name: "none",
      createKey: () => ({ seal: nothing, open: () => true, destroy: nothing }),
    },
    randomBytes: (length) => new Uint8Array(length),
    createKeyShare: () => ({
      publicKey: new Uint8Array(32).fill(9),
      deriveSecret: () => new Uint8Array(32),
    }),
    createHash: () => ({ update: nothing, digest: () => new Uint8Array(32) }),
    hmac: () => new Uint8Array(32),
    sign: () => new Uint8Array(8),
    verify: () => true,
    equal: () => true,
  };
}

/** A new key, and a certificate that it signs itself. */
export function createIdentity(commonName: string): TestIdentity {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const name = sequence(set(sequence(Uint8Array.fromHex("0603550403"), text(commonName))));
  const algorithm = sequence(Uint8Array.fromHex("06082a8648ce3d040302"));
  const toBeSigned = sequence(
    Uint8Array.fromHex("a003020102"), // version 3
    Uint8Array.fromHex("020101"), // serial number
    algorithm,
    name,
    sequence(utcTime("200101000000Z"), utcTime("491231235959Z")),
    name,
    Uint8Array.from(publicKey.export({ type: "spki", format: "der" })),
  );
  const signature = Uint8Array.from(sign("sha256", toBeSigned, privateKey));
  const certificate = sequence(toBeSigned, algorithm, der(0x03, Uint8Array.of(0), signature));
  const base64 = certificate.toBase64().replace(/.{64}/g, "$&\n");
  return {
    privateKey,
    privateKeyPem: String(privateKey.export({ type: "pkcs8", format: "pem" })),
    certificate,
    certificatePem: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
  };
}

function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  const length = content.length < 128
    ? [content.length]
    : content.length < 256
    ? [0x81, content.length]
    : [0x82, content.length >>> 8, content.length & 0xff];
  return Uint8Array.from(Buffer.concat([Uint8Array.of(tag, ...length), content]));
}

function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return der(0x30, ...parts);
}

function set(...parts: readonly Uint8Array[]): Uint8Array {
  return der(0x31, ...parts);
}

function text(value: string): Uint8Array {
  return der(0x0c, new TextEncoder().encode(value));
}

function utcTime(value: string): Uint8Array {
  return der(0x17, new TextEncoder().encode(value));
}
