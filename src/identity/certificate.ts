/**
 * A certificate as its bytes say it: parsed strictly (RFC 5280 section 4.1 in DER), in the one
 * profile that Aetherport takes (X.509 v3, P-256, ecdsa-with-SHA256). Parsed is not verified: who
 * vouches for it is the business of verify.ts.
 */
import { Buffer } from "node:buffer";
import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import {
  type CertificateExtensions,
  generalNameTag,
  noExtensions,
  readExtensions,
} from "./certificate_extensions.ts";
import {
  DerDefect,
  type DerElement,
  DerReader,
  derTag,
  readInteger,
  readObjectIdentifier,
  readSmallInteger,
  readText,
  readTime,
  readWholeBytes,
} from "./der.ts";
import { isP256PublicKey, keyIdOf } from "./key_id.ts";
import type { Outcome } from "./node_names.ts";

/** Bytes of one certificate in DER, at most. */
export const maxCertificateLength = 8192;

// SEQUENCE { ecdsa-with-SHA256 } without parameters, RFC 5758 section 3.2.
const ecdsaWithSha256 = Uint8Array.of(
  ...[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
);

const commonNameOid = "2.5.4.3";
const version3 = 2;

// RFC 5280 section 4.1.2.2: at most 20 octets.
const maxSerialNumberLength = 20;

/** A parsed certificate. The byte arrays are its own copy and are not to be changed. */
export interface Certificate {
  readonly der: Uint8Array;
  /** The signed part, as it stands in the encoding. */
  readonly tbs: Uint8Array;
  readonly signature: Uint8Array;
  /** Hexadecimal, upper case, of the number's bytes: as openssl prints it. Always positive. */
  readonly serialNumber: string;
  /** The names as DER, for comparing; an empty name is the two bytes 30 00. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** The common name where there is exactly one that is readable. */
  readonly issuerName: string | undefined;
  readonly subjectName: string | undefined;
  /** Milliseconds since 1970; both ends are part of the validity (RFC 5280 section 4.1.2.5). */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SubjectPublicKeyInfo in DER: an uncompressed P-256 key whose point is on the curve. */
  readonly spki: Uint8Array;
  readonly publicKey: KeyObject;
  readonly keyId: string;
  readonly extensions: CertificateExtensions;
}

/**
 * Parses one certificate in DER. Never throws on the input's account: what is malformed, too long
 * or outside of the profile gives a reason.
 */
export function parseCertificate(der: Uint8Array): Outcome<Certificate> {
  if (der.length > maxCertificateLength) {
    return { ok: false, reason: `it is longer than ${maxCertificateLength} bytes` };
  }
  try {
    return { ok: true, value: readCertificate(new Uint8Array(der)) };
  } catch (error) {
    if (error instanceof DerDefect) return { ok: false, reason: error.message };
    throw error;
  }
}

/** SHA-256 of a certificate's DER, as SDP (RFC 8122 section 5) and openssl write it: "AB:CD:...". */
export function fingerprintOf(der: Uint8Array): string {
  const digest = createHash("sha256").update(der).digest("hex").toUpperCase();
  return digest.replace(/(..)(?!$)/g, "$1:");
}

/** The URIs among the subject's alternative names. */
export function urisOf(certificate: Certificate): string[] {
  return alternativeNames(certificate, generalNameTag.uri);
}

/** The DNS names among the subject's alternative names. */
export function dnsNamesOf(certificate: Certificate): string[] {
  return alternativeNames(certificate, generalNameTag.dnsName);
}

function alternativeNames({ extensions }: Certificate, tag: number): string[] {
  return extensions.subjectAltNames
    .filter((name) => name.tag === tag)
    .map(({ content }) => String.fromCharCode(...content));
}

/** `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature BIT STRING }` */
function readCertificate(der: Uint8Array): Certificate {
  const outer = new DerReader(der);
  const reader = outer.enter(derTag.sequence);
  outer.end();
  const tbs = reader.expect(derTag.sequence);
  expectSignatureAlgorithm(reader);
  const signature = readWholeBytes(reader.expect(derTag.bitString));
  reader.end();
  return { der, tbs: tbs.whole, signature, ...readToBeSigned(tbs) };
}

/** `TBSCertificate` (RFC 5280 section 4.1): the fields in their order. */
function readToBeSigned(tbs: DerElement): Omit<Certificate, "der" | "tbs" | "signature"> {
  const reader = new DerReader(tbs.content);
  expectVersion3(reader);
  const serialNumber = readSerialNumber(reader.expect(derTag.integer));
  // RFC 5280 section 4.1.1.2: this MUST be the same algorithm as outside. Both are the one constant.
  expectSignatureAlgorithm(reader);
  const issuer = reader.expect(derTag.sequence);
  const validity = readValidity(reader.enter(derTag.sequence));
  const subject = reader.expect(derTag.sequence);
  const spki = reader.expect(derTag.sequence).whole;
  const publicKey = readPublicKey(spki);
  const extensions = readExtensionsField(reader);
  reader.end();
  return {
    serialNumber,
    issuer: issuer.whole,
    subject: subject.whole,
    issuerName: readCommonName(issuer),
    subjectName: readCommonName(subject),
    ...validity,
    spki,
    publicKey,
    keyId: keyIdOf(spki),
    extensions,
  };
}

function expectVersion3(reader: DerReader): void {
  const version = reader.optional(0xa0);
  if (version !== undefined) {
    const inner = new DerReader(version.content);
    const number = readSmallInteger(inner.expect(derTag.integer));
    inner.end();
    if (number === version3) return;
  }
  throw new DerDefect("it is not an X.509 version 3 certificate");
}

function expectSignatureAlgorithm(reader: DerReader): void {
  const { whole } = reader.expect(derTag.sequence);
  if (!equalBytes(whole, ecdsaWithSha256)) {
    throw new DerDefect("its signature algorithm is not ecdsa-with-SHA256");
  }
}

/** RFC 5280 section 4.1.2.2: a positive integer of at most 20 octets. */
function readSerialNumber(element: DerElement): string {
  const bytes = readInteger(element);
  const first = bytes[0] ?? 0;
  const isZero = bytes.length === 1 && first === 0;
  if (isZero || first >= 0x80) throw new DerDefect("its serial number is not positive");
  if (bytes.length > maxSerialNumberLength) throw new DerDefect("its serial number is too long");
  return (first === 0 ? bytes.subarray(1) : bytes).toHex().toUpperCase();
}

function readValidity(reader: DerReader): { notBefore: number; notAfter: number } {
  const notBefore = readTime(reader.any());
  const notAfter = readTime(reader.any());
  reader.end();
  if (notAfter < notBefore) throw new DerDefect("it ends before it begins");
  return { notBefore, notAfter };
}

function readPublicKey(spki: Uint8Array): KeyObject {
  if (!isP256PublicKey(spki)) throw new DerDefect("its key is not an uncompressed P-256 key");
  try {
    return createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  } catch (error) {
    // The form was checked, so what is left for the import to refuse is a point off the curve.
    if (error instanceof Error) throw new DerDefect("its public key is no point on P-256");
    throw error;
  }
}

/** `issuerUniqueID [1]` and `subjectUniqueID [2]` MUST NOT be used (RFC 5280 section 4.1.2.8). */
function readExtensionsField(reader: DerReader): CertificateExtensions {
  const field = reader.optional(0xa3);
  if (field === undefined) return noExtensions;
  const inner = new DerReader(field.content);
  const extensions = readExtensions(inner.expect(derTag.sequence));
  inner.end();
  return extensions;
}

/**
 * `Name ::= SEQUENCE OF SET OF SEQUENCE { type, value }` (RFC 5280 section 4.1.2.4). Foreign
 * authorities use string types that are not read here; their names are compared as bytes.
 */
function readCommonName(name: DerElement): string | undefined {
  const found: (string | undefined)[] = [];
  const reader = new DerReader(name.content);
  while (!reader.isAtEnd) {
    const relative = reader.enter(derTag.set);
    do {
      const attribute = relative.enter(derTag.sequence);
      const type = readObjectIdentifier(attribute.expect(derTag.objectIdentifier));
      const value = attribute.any();
      attribute.end();
      if (type === commonNameOid) found.push(readCommonText(value));
    } while (!relative.isAtEnd);
  }
  return found.length === 1 ? found[0] : undefined;
}

function readCommonText(value: DerElement): string | undefined {
  const isRead = value.tag === derTag.utf8String || value.tag === derTag.printableString;
  return isRead ? readText(value) : undefined;
}

/** Whether two byte strings are the same. For public data only: it ends at the first difference. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => b[at] === byte);
}
