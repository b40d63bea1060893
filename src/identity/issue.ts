/**
 * Makes certificates. This is the one module that loads @peculiar/x509 (25 MB of memory and 0.1 s
 * that a running proxy need not spend): import it dynamically, where a certificate is to be made.
 */
// @peculiar/x509 registers its types through this polyfill, so it comes first.
import "reflect-metadata";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { BadInput } from "../bad_input.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";
import { keyPurpose } from "./certificate_extensions.ts";
import { backdating } from "./duration.ts";
import { isDnsName, type NodeNames, urisOfLabels, urisOfNames } from "./node_names.ts";
import { verifyCertificateChain } from "./verify.ts";

const ecdsaP256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

// Envelopes hold a certificate in base64 of base64 of base64 within 24 KB, beside an offer.
const maxNodeCertificateLength = 4096;

/** An authority with its key: what issues. */
export interface Authority {
  readonly certificate: Certificate;
  readonly key: KeyObject;
}

/** When a certificate is to be valid; milliseconds since 1970. */
export interface Validity {
  /** The present. The certificate begins five minutes earlier. */
  readonly now: number;
  readonly notAfter: number;
}

/** A new P-256 private key. */
export function createPrivateKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

/** Makes a self-signed authority that may issue nodes' certificates and no further authorities. */
export async function issueAuthority(
  { key, spki, names, validity }: {
    key: KeyObject;
    spki: Uint8Array;
    names: NodeNames;
    validity: Validity;
  },
): Promise<Certificate> {
  const publicKey = await importPublicKey(spki);
  const subject = [{ CN: [names.name] }];
  return await sign({
    ...{ key, publicKey, subject, issuer: subject, validity },
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(publicKey),
      ...alternativeNames(urisOfLabels(names.labels).map(asUri)),
    ],
  });
}

/**
 * Issues a node's certificate. What comes back has been verified against the authority just as a
 * peer will.
 *
 * @param options.spki the node's public key
 * @throws {BadInput} where the authority cannot vouch for such a certificate, or it is over 4 KB
 */
export async function issueNodeCertificate(
  { authority, spki, names, validity }: {
    authority: Authority;
    spki: Uint8Array;
    names: NodeNames;
    validity: Validity;
  },
): Promise<Certificate> {
  const publicKey = await importPublicKey(spki);
  const { serverAuth, clientAuth } = keyPurpose;
  const certificate = await sign({
    ...{ key: authority.key, publicKey, validity },
    subject: [{ CN: [names.name] }],
    // The authority's name as it stands: an issuer is compared byte for byte.
    issuer: new Name(new Uint8Array(authority.certificate.subject)),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      // keyAgreement, since sealed messages are encrypted to this key (ECDH-ES).
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyAgreement, true),
      new ExtendedKeyUsageExtension([serverAuth, clientAuth]),
      await SubjectKeyIdentifierExtension.create(publicKey),
      ...authorityKeyId(authority.certificate),
      ...alternativeNames([...dnsNames(names.name), ...urisOfNames(names).map(asUri)]),
    ],
  });
  refuseUnusable(certificate, { authority, validity });
  return certificate;
}

async function sign(
  { key, publicKey, subject, issuer, validity, extensions }: {
    key: KeyObject;
    publicKey: CryptoKey;
    subject: Name | { CN: string[] }[];
    issuer: Name | { CN: string[] }[];
    validity: Validity;
    extensions: Extension[];
  },
): Promise<Certificate> {
  const issued = await X509CertificateGenerator.create({
    serialNumber: randomSerialNumber(),
    subject,
    issuer,
    notBefore: nextSecond(validity.now - backdating),
    notAfter: nextSecond(validity.notAfter),
    signingAlgorithm: ecdsaP256,
    publicKey,
    signingKey: await importSigningKey(key),
    extensions,
  });
  const parsed = parseCertificate(new Uint8Array(issued.rawData));
  if (!parsed.ok) throw new Error(`a certificate was made that cannot be read: ${parsed.reason}`);
  return parsed.value;
}

/** Certificates count in seconds; cut off, one would end before it was to. */
function nextSecond(time: number): Date {
  return new Date(Math.ceil(time / 1000) * 1000);
}

/** 128 random bits. The library puts a zero octet before a leading 1 bit, so it is positive. */
function randomSerialNumber(): string {
  return randomBytes(16).toString("hex");
}

function refuseUnusable(
  certificate: Certificate,
  { authority, validity }: { authority: Authority; validity: Validity },
): void {
  if (certificate.der.length > maxNodeCertificateLength) {
    throw new BadInput(
      `the certificate would be over ${maxNodeCertificateLength} bytes: give fewer or shorter ` +
        `labels`,
    );
  }
  const trust = { cas: [authority.certificate] };
  const verdict = verifyCertificateChain([certificate.der], trust, validity.now);
  if (!verdict.ok) {
    throw new BadInput(`the authority cannot issue this certificate: ${verdict.reason}`);
  }
}

/** RFC 5280 section 4.2.1.1: the key id is copied from the issuer's subjectKeyIdentifier. */
function authorityKeyId(authority: Certificate): Extension[] {
  const { subjectKeyId } = authority.extensions;
  return subjectKeyId === undefined
    ? []
    : [new AuthorityKeyIdentifierExtension(subjectKeyId.toHex())];
}

function alternativeNames(names: JsonGeneralName[]): Extension[] {
  return names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)];
}

function dnsNames(name: string): JsonGeneralName[] {
  return isDnsName(name) ? [{ type: "dns", value: name }] : [];
}

function asUri(value: string): JsonGeneralName {
  return { type: "url", value };
}

function importPublicKey(spki: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey("spki", new Uint8Array(spki), ecdsaP256, true, ["verify"]);
}

function importSigningKey(key: KeyObject): Promise<CryptoKey> {
  const pkcs8 = new Uint8Array(key.export({ type: "pkcs8", format: "der" }));
  return crypto.subtle.importKey("pkcs8", pkcs8, ecdsaP256, false, ["sign"]);
}
