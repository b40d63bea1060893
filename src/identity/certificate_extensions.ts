/**
 * The extensions of a certificate that bear on trust (RFC 5280 section 4.2.1), read strictly. What
 * is not known here is remembered only where it is critical, since such a certificate is refused.
 */
import {
  DerDefect,
  type DerElement,
  DerReader,
  derTag,
  readBoolean,
  readNamedBits,
  readObjectIdentifier,
  readOnlyElement,
  readSmallInteger,
  readText,
} from "./der.ts";

/** Bits of keyUsage (RFC 5280 section 4.2.1.3) that are asked for here. */
export const keyUsageBit = { digitalSignature: 0, keyCertSign: 5 } as const;

/** Purposes of extendedKeyUsage (RFC 5280 section 4.2.1.12) that are asked for here. */
export const keyPurpose = {
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
  any: "2.5.29.37.0",
} as const;

/** Tags of GeneralName (RFC 5280 section 4.2.1.6) that are read here. */
export const generalNameTag = { dnsName: 0x82, uri: 0x86 } as const;

// A certificate has room for thousands of empty extensions; no true one has so many.
const maxExtensionCount = 32;

/** A GeneralName: its context tag, and its contents as they stand. */
export interface GeneralName {
  readonly tag: number;
  readonly content: Uint8Array;
}

/** RFC 5280 section 4.2.1.9. */
export interface BasicConstraints {
  readonly isCritical: boolean;
  readonly isCa: boolean;
  readonly pathLength: number | undefined;
}

/** RFC 5280 section 4.2.1.10. */
export interface NameConstraints {
  readonly permitted: readonly GeneralName[];
  readonly excluded: readonly GeneralName[];
}

/** What the extensions say. A field is undefined (or a list empty) where the extension is absent. */
export interface CertificateExtensions {
  readonly basicConstraints: BasicConstraints | undefined;
  readonly keyUsage: ReadonlySet<number> | undefined;
  readonly extendedKeyUsage: readonly string[] | undefined;
  readonly subjectAltNames: readonly GeneralName[];
  readonly nameConstraints: NameConstraints | undefined;
  readonly subjectKeyId: Uint8Array | undefined;
  readonly authorityKeyId: Uint8Array | undefined;
  /** The first critical extension that is not known here, as a dotted object identifier. */
  readonly unknownCritical: string | undefined;
}

/** The extensions of a certificate that has none. */
export const noExtensions: CertificateExtensions = {
  basicConstraints: undefined,
  keyUsage: undefined,
  extendedKeyUsage: undefined,
  subjectAltNames: [],
  nameConstraints: undefined,
  subjectKeyId: undefined,
  authorityKeyId: undefined,
  unknownCritical: undefined,
};

interface Extension {
  readonly oid: string;
  readonly isCritical: boolean;
  readonly value: Uint8Array;
}

const readers: Record<string, (extension: Extension) => Partial<CertificateExtensions>> = {
  "2.5.29.14": ({ value }) => ({
    subjectKeyId: readOnlyElement(value, derTag.octetString).content,
  }),
  "2.5.29.15": ({ value }) => ({
    keyUsage: readNamedBits(readOnlyElement(value, derTag.bitString)),
  }),
  "2.5.29.17": ({ value }) => ({ subjectAltNames: readGeneralNames(value) }),
  "2.5.29.19": (extension) => ({ basicConstraints: readBasicConstraints(extension) }),
  "2.5.29.30": ({ value }) => ({ nameConstraints: readNameConstraints(value) }),
  "2.5.29.35": ({ value }) => ({ authorityKeyId: readAuthorityKeyId(value) }),
  "2.5.29.37": ({ value }) => ({ extendedKeyUsage: readPurposes(value) }),
};

/**
 * Reads `Extensions ::= SEQUENCE SIZE (1..MAX) OF Extension` (RFC 5280 section 4.1).
 *
 * @throws {DerDefect} where an extension is malformed or given twice (section 4.2: MUST NOT)
 */
export function readExtensions(element: DerElement): CertificateExtensions {
  const seen = new Set<string>();
  let extensions = noExtensions;
  for (const extension of elementsOf(element.content, maxExtensionCount).map(readExtension)) {
    if (seen.has(extension.oid)) throw new DerDefect(`the extension ${extension.oid} comes twice`);
    seen.add(extension.oid);
    const reader = readers[extension.oid];
    if (reader !== undefined) extensions = { ...extensions, ...reader(extension) };
    else if (extension.isCritical) {
      extensions = {
        ...extensions,
        unknownCritical: extensions.unknownCritical ?? extension.oid,
      };
    }
  }
  return extensions;
}

/** `Extension ::= SEQUENCE { extnID, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }` */
function readExtension(element: DerElement): Extension {
  const reader = new DerReader(asSequence(element));
  const oid = readObjectIdentifier(reader.expect(derTag.objectIdentifier));
  const isCritical = readDefaultFalse(reader);
  const value = reader.expect(derTag.octetString).content;
  reader.end();
  return { oid, isCritical, value };
}

/** `SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER (0..MAX) OPTIONAL }` */
function readBasicConstraints({ value, isCritical }: Extension): BasicConstraints {
  const reader = new DerReader(readOnlyElement(value, derTag.sequence).content);
  const isCa = readDefaultFalse(reader);
  const pathLength = reader.optional(derTag.integer);
  reader.end();
  return {
    isCritical,
    isCa,
    pathLength: pathLength === undefined ? undefined : readSmallInteger(pathLength),
  };
}

function readPurposes(value: Uint8Array): string[] {
  return elementsOf(readOnlyElement(value, derTag.sequence).content).map((element) => {
    if (element.tag !== derTag.objectIdentifier) throw new DerDefect("a key purpose is no OID");
    return readObjectIdentifier(element);
  });
}

function readGeneralNames(value: Uint8Array): GeneralName[] {
  return elementsOf(readOnlyElement(value, derTag.sequence).content).map(asGeneralName);
}

/** `SEQUENCE { permittedSubtrees [0] OPTIONAL, excludedSubtrees [1] OPTIONAL }` */
function readNameConstraints(value: Uint8Array): NameConstraints {
  const reader = new DerReader(readOnlyElement(value, derTag.sequence).content);
  const permitted = reader.optional(0xa0);
  const excluded = reader.optional(0xa1);
  reader.end();
  if (permitted === undefined && excluded === undefined) {
    throw new DerDefect("the name constraints are empty");
  }
  return { permitted: readSubtrees(permitted), excluded: readSubtrees(excluded) };
}

/**
 * `GeneralSubtree ::= SEQUENCE { base GeneralName, minimum [0] DEFAULT 0, maximum [1] OPTIONAL }`,
 * where minimum and maximum are not used (RFC 5280 section 4.2.1.10).
 */
function readSubtrees(element: DerElement | undefined): GeneralName[] {
  if (element === undefined) return [];
  return elementsOf(element.content).map((subtree) => {
    const reader = new DerReader(asSequence(subtree));
    const base = asGeneralName(reader.any());
    reader.end();
    return base;
  });
}

/** `AuthorityKeyIdentifier ::= SEQUENCE { keyIdentifier [0] OPTIONAL, issuer [1], serial [2] }` */
function readAuthorityKeyId(value: Uint8Array): Uint8Array | undefined {
  const reader = new DerReader(readOnlyElement(value, derTag.sequence).content);
  const keyId = reader.optional(0x80);
  reader.optional(0xa1);
  reader.optional(0x82);
  reader.end();
  return keyId?.content;
}

/** `BOOLEAN DEFAULT FALSE`: DER leaves the default out (X.690 section 11.5). */
function readDefaultFalse(reader: DerReader): boolean {
  const element = reader.optional(derTag.boolean);
  if (element === undefined) return false;
  if (!readBoolean(element)) throw new DerDefect("DER leaves out a default value");
  return true;
}

function asSequence(element: DerElement): Uint8Array {
  if (element.tag !== derTag.sequence) throw new DerDefect("a DER sequence was expected");
  return element.content;
}

/** dNSName and URI are IA5String; the other kinds are kept as they are. */
function asGeneralName({ tag, content, whole }: DerElement): GeneralName {
  if (tag === generalNameTag.dnsName || tag === generalNameTag.uri) {
    readText({ tag: derTag.ia5String, content, whole });
  }
  return { tag, content };
}

/** The elements of a `SEQUENCE SIZE (1..countMax)`. */
function elementsOf(content: Uint8Array, countMax = Infinity): DerElement[] {
  const elements: DerElement[] = [];
  const reader = new DerReader(content);
  do {
    elements.push(reader.any());
    if (elements.length > countMax) throw new DerDefect(`a list has over ${countMax} entries`);
  } while (!reader.isAtEnd);
  return elements;
}
