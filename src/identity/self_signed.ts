/**
 * Certificates that say nothing but a key: what a link without an identity shows, whose fingerprint
 * the session description binds (RFC 8827, section 6.5). Written by hand, as the library that issues
 * nodes' certificates takes 25 MB and 0.1 s to load.
 */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

/** A key and its certificate. */
export interface SelfSigned {
  /** PKCS #8 in PEM. */
  readonly privateKeyPem: string;
  readonly certificatePem: string;
}

const dayLength = 86_400_000;
/** A link does not live longer. */
const lifetime = 30 * dayLength;

const tags = {
  integer: 0x02,
  bitString: 0x03,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
  version: 0xa0,
} as const;

/** ecdsa-with-SHA256, 1.2.840.10045.4.3.2 (RFC 5758, section 3.2). */
const ecdsaWithSha256 = Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);
/** id-at-commonName, 2.5.4.3. */
const commonName = Uint8Array.of(0x55, 0x04, 0x03);

/** A new P-256 key with a certificate (RFC 5280, section 4.1); `now` in ms since 1970. */
export function createSelfSigned(now: number): SelfSigned {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = der(tags.sequence, der(tags.objectIdentifier, ecdsaWithSha256));
  const name = distinguishedName("aetherport");
  const tbsCertificate = der(
    tags.sequence,
    der(tags.version, der(tags.integer, Uint8Array.of(2))),
    der(tags.integer, serialNumber()),
    algorithm,
    name,
    der(tags.sequence, utcTime(now - dayLength), utcTime(now + lifetime)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
  );
  const signature = sign("sha256", tbsCertificate, privateKey);
  const certificate = der(
    tags.sequence,
    tbsCertificate,
    algorithm,
    der(tags.bitString, Uint8Array.of(0), signature),
  );
  return {
    privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    certificatePem: toPem(certificate),
  };
}

function distinguishedName(text: string): Uint8Array {
  const value = der(tags.utf8String, new TextEncoder().encode(text));
  const attribute = der(tags.sequence, der(tags.objectIdentifier, commonName), value);
  return der(tags.sequence, der(tags.set, attribute));
}

/** Positive, and of the same length each time. */
function serialNumber(): Uint8Array {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f);
  return bytes;
}

/** YYMMDDHHMMSSZ: RFC 5280, section 4.1.2.5.1. */
function utcTime(at: number): Uint8Array {
  const digits = new Date(at).toISOString().replaceAll(/\D/g, "").slice(2, 14);
  return der(tags.utcTime, new TextEncoder().encode(`${digits}Z`));
}

/** One value of DER, its contents being these. */
function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  const header = length < 0x80
    ? [tag, length]
    : length < 0x100
    ? [tag, 0x81, length]
    : [tag, 0x82, length >> 8, length & 0xff];
  const value = new Uint8Array(header.length + length);
  value.set(header);
  let at = header.length;
  for (const part of contents) {
    value.set(part, at);
    at += part.length;
  }
  return value;
}

function toPem(certificate: Uint8Array): string {
  const lines = certificate.toBase64().match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}
