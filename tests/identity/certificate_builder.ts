/**
 * Makes certificates for tests, good ones and ones with any single thing wrong: a writer of DER that
 * shares nothing with the code under test.
 */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { Buffer } from "node:buffer";

/** One DER element: the tag, and its contents joined. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(contents);
  return concat(Uint8Array.of(tag), lengthOf(content.length), content);
}

/** An OBJECT IDENTIFIER from its dotted form. */
export function oid(dotted: string): Uint8Array {
  const [root = 0, second = 0, ...arcs] = dotted.split(".").map(Number);
  const bytes = [root * 40 + second, ...arcs].flatMap((arc) => {
    const groups = [arc & 0x7f];
    for (let rest = arc >> 7; rest > 0; rest >>= 7) groups.unshift((rest & 0x7f) | 0x80);
    return groups;
  });
  return der(0x06, Uint8Array.from(bytes));
}

/** ASCII or UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The bytes one after another. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** A distinguished name of one common name. */
export function commonName(text: string): Uint8Array {
  return der(0x30, der(0x31, der(0x30, oid("2.5.4.3"), der(0x0c, utf8(text)))));
}

/** UTCTime, in seconds from now. */
export function timeFromNow(seconds: number): Uint8Array {
  const iso = new Date(Date.now() + seconds * 1000).toISOString();
  return der(0x17, utf8(iso.replace(/\.\d+/, "").replace(/[-:T]/g, "").slice(2)));
}

/** `Extension`; `critical` may be given as the bytes of its BOOLEAN. */
export function extension(
  id: string,
  value: Uint8Array,
  critical: boolean | Uint8Array = false,
): Uint8Array {
  const flag = typeof critical === "boolean"
    ? (critical ? der(0x01, Uint8Array.of(0xff)) : new Uint8Array())
    : critical;
  return der(0x30, oid(id), flag, der(0x04, value));
}

/** A named BIT STRING of up to eight bits, in its shortest form. */
export function namedBits(...bits: readonly number[]): Uint8Array {
  const byte = bits.reduce((sum, bit) => sum | (0x80 >> bit), 0);
  return der(0x03, Uint8Array.of(7 - Math.max(...bits), byte));
}

export function basicConstraints(
  { ca, pathLength, critical = true }: { ca: boolean; pathLength?: number; critical?: boolean },
): Uint8Array {
  const flag = ca ? der(0x01, Uint8Array.of(0xff)) : new Uint8Array();
  const limit = pathLength === undefined ? new Uint8Array() : der(0x02, Uint8Array.of(pathLength));
  return extension("2.5.29.19", der(0x30, flag, limit), critical);
}

export function keyUsage(...bits: readonly number[]): Uint8Array {
  return extension("2.5.29.15", namedBits(...bits), true);
}

export function extendedKeyUsage(...ids: readonly string[]): Uint8Array {
  return extension("2.5.29.37", der(0x30, ...ids.map(oid)));
}

export function alternativeNames(
  { dns = [], uris = [] }: { dns?: readonly string[]; uris?: readonly string[] },
): Uint8Array {
  const names = [
    ...dns.map((name) => der(0x82, utf8(name))),
    ...uris.map((uri) => der(0x86, utf8(uri))),
  ];
  return extension("2.5.29.17", der(0x30, ...names));
}

/** Subtrees as GeneralNames. */
export function nameConstraints(
  { permitted, excluded }: { permitted?: Uint8Array; excluded?: Uint8Array },
): Uint8Array {
  const parts = [
    permitted && der(0xa0, der(0x30, permitted)),
    excluded && der(0xa1, der(0x30, excluded)),
  ].filter((part) => part !== undefined);
  return extension("2.5.29.30", der(0x30, ...parts), true);
}

export function subjectKeyId(id: Uint8Array): Uint8Array {
  return extension("2.5.29.14", der(0x04, id));
}

export function authorityKeyId(id: Uint8Array): Uint8Array {
  return extension("2.5.29.35", der(0x30, der(0x80, id)));
}

export const serverAuth = "1.3.6.1.5.5.7.3.1";
export const clientAuth = "1.3.6.1.5.5.7.3.2";

/** `SEQUENCE { ecdsa-with-SHA256 }` */
export const ecdsaWithSha256: Uint8Array = der(0x30, oid("1.2.840.10045.4.3.2"));

/** The parts of a certificate, each as DER. */
export interface CertificateParts {
  version: Uint8Array;
  serialNumber: Uint8Array;
  innerAlgorithm: Uint8Array;
  issuer: Uint8Array;
  validity: Uint8Array;
  subject: Uint8Array;
  spki: Uint8Array;
  uniqueIds: Uint8Array;
  /** Each an `Extension`; none leaves the field out. */
  extensions: readonly Uint8Array[];
  outerAlgorithm: Uint8Array;
  hash: "sha256" | "sha1" | "sha384";
  signingKey: KeyObject;
}

/** A key with the SPKI and a stable id of it. */
export interface TestKey {
  readonly privateKey: KeyObject;
  readonly spki: Uint8Array;
  readonly id: Uint8Array;
}

export function testKey(namedCurve = "P-256"): TestKey {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve });
  const spki = new Uint8Array(createPublicKey(privateKey).export({ type: "spki", format: "der" }));
  return { privateKey, spki, id: spki.slice(-20) };
}

/** A certificate of these parts, signed. */
export function buildCertificate(parts: CertificateParts): Uint8Array {
  const extensions = parts.extensions.length === 0
    ? new Uint8Array()
    : der(0xa3, der(0x30, ...parts.extensions));
  const tbs = der(
    0x30,
    ...[parts.version, parts.serialNumber, parts.innerAlgorithm, parts.issuer, parts.validity],
    ...[parts.subject, parts.spki, parts.uniqueIds, extensions],
  );
  const signature = new Uint8Array(sign(parts.hash, tbs, parts.signingKey));
  return der(0x30, tbs, parts.outerAlgorithm, der(0x03, Uint8Array.of(0), signature));
}

/** The parts of a good authority; `signer` is itself unless given. */
export function authorityParts(
  { name, key, signer = { name, key } }: {
    name: string;
    key: TestKey;
    signer?: { name: string; key: TestKey };
  },
): CertificateParts {
  return {
    ...commonParts({ name, key, signer }),
    extensions: [
      basicConstraints({ ca: true }),
      keyUsage(5, 6),
      subjectKeyId(key.id),
      authorityKeyId(signer.key.id),
    ],
  };
}

/** The parts of a good node's certificate. */
export function nodeParts(
  { name, key, signer }: { name: string; key: TestKey; signer: { name: string; key: TestKey } },
): CertificateParts {
  return {
    ...commonParts({ name, key, signer }),
    extensions: nodeExtensions({ name, key, signer }),
  };
}

/** The extensions of a good node's certificate, with some replaced or left out by their names. */
export function nodeExtensions(
  { name, key, signer, replace = {} }: {
    name: string;
    key: TestKey;
    signer: { key: TestKey };
    replace?: Readonly<Record<string, Uint8Array>>;
  },
): Uint8Array[] {
  const extensions: Record<string, Uint8Array> = {
    basicConstraints: basicConstraints({ ca: false }),
    keyUsage: keyUsage(0),
    extendedKeyUsage: extendedKeyUsage(serverAuth, clientAuth),
    subjectKeyId: subjectKeyId(key.id),
    authorityKeyId: authorityKeyId(signer.key.id),
    alternativeNames: alternativeNames({ dns: [name], uris: [`aetherport:node/${name}`] }),
    ...replace,
  };
  return Object.values(extensions).filter(({ length }) => length > 0);
}

function commonParts(
  { name, key, signer }: { name: string; key: TestKey; signer: { name: string; key: TestKey } },
): Omit<CertificateParts, "extensions"> {
  return {
    version: der(0xa0, der(0x02, Uint8Array.of(2))),
    serialNumber: der(0x02, Uint8Array.of(0x12, 0x34)),
    innerAlgorithm: ecdsaWithSha256,
    issuer: commonName(signer.name),
    validity: der(0x30, timeFromNow(-3600), timeFromNow(86_400)),
    subject: commonName(name),
    spki: key.spki,
    uniqueIds: new Uint8Array(),
    outerAlgorithm: ecdsaWithSha256,
    hash: "sha256",
    signingKey: signer.key.privateKey,
  };
}

function lengthOf(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  if (length < 0x100) return Uint8Array.of(0x81, length);
  return Uint8Array.of(0x82, length >> 8, length & 0xff);
}
