import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import {
  type Certificate,
  fingerprintOf,
  parseCertificate,
} from "../../src/identity/certificate.ts";
import { judgeByKeyId } from "../../src/identity/judge.ts";
import { keyIdOf } from "../../src/identity/key_id.ts";
import { writePem } from "../../src/identity/pem.ts";
import {
  peerOfCertificate,
  type PeerVerdict,
  verifyCertificateChain,
} from "../../src/identity/verify.ts";
import {
  alternativeNames,
  authorityKeyId,
  authorityParts,
  basicConstraints,
  buildCertificate,
  type CertificateParts,
  clientAuth,
  commonName,
  concat,
  der,
  ecdsaWithSha256,
  extendedKeyUsage,
  extension,
  keyUsage,
  nameConstraints,
  nodeExtensions,
  nodeParts,
  oid,
  serverAuth,
  subjectKeyId,
  testKey,
  timeFromNow,
  utf8,
} from "./certificate_builder.ts";

const nothing = new Uint8Array();
const ca = { name: "test-ca", key: testKey() };
const sub = { name: "sub-ca", key: testKey() };
const node = { name: "node1", key: testKey(), signer: ca };
const stranger = { name: "stranger", key: testKey() };
const keyOfP384 = testKey("P-384");

/** What a peer presents (its own certificate first) and what the verifier trusts. */
interface Case {
  readonly chain: readonly Uint8Array[];
  readonly trusted: readonly Uint8Array[];
}

type CaParts = Partial<CertificateParts>;

const caCertificate = makeCa();
const goodNode = makeNode();

function makeCa(changed: CaParts = {}): Uint8Array {
  return buildCertificate({ ...authorityParts(ca), ...changed });
}

function makeSub(changed: CaParts = {}): Uint8Array {
  return buildCertificate({ ...authorityParts({ ...sub, signer: ca }), ...changed });
}

function makeNode(changed: Partial<CertificateParts> = {}): Uint8Array {
  return buildCertificate({ ...nodeParts(node), ...changed });
}

/** A node's certificate with some extensions replaced. */
function leafWith(replace: Readonly<Record<string, Uint8Array>>, name = node.name): Case {
  const extensions = nodeExtensions({ ...node, name, replace });
  return { chain: [makeNode({ subject: commonName(name), extensions })], trusted: [caCertificate] };
}

function leaf(changed: Partial<CertificateParts>): Case {
  return { chain: [makeNode(changed)], trusted: [caCertificate] };
}

/** A good node under a CA with these extensions. */
function caWith(...extensions: readonly Uint8Array[]): Case {
  const ids = [subjectKeyId(ca.key.id), authorityKeyId(ca.key.id)];
  return { chain: [goodNode], trusted: [makeCa({ extensions: [...extensions, ...ids] })] };
}

function underSub(subCertificate: Uint8Array, trusted = caCertificate): Case {
  const chain = [buildCertificate(nodeParts({ ...node, signer: sub })), subCertificate];
  return { chain, trusted: [trusted] };
}

function raw(certificate: Uint8Array): Case {
  return { chain: [certificate], trusted: [caCertificate] };
}

const good: Record<string, () => Case> = {
  "a node under a trusted CA": () => raw(goodNode),
  "a node under an intermediate": () => underSub(makeSub()),
  "a chain that repeats the CA": () => ({
    chain: [goodNode, caCertificate],
    trusted: [caCertificate],
  }),
  "a CA with a path length of 0": () =>
    caWith(basicConstraints({ ca: true, pathLength: 0 }), keyUsage(5)),
  "a name within the CA's name constraints": () =>
    caWith(
      basicConstraints({ ca: true }),
      keyUsage(5),
      nameConstraints({ permitted: der(0x82, utf8("node1")) }),
    ),
  "an unknown extension that is not critical": () =>
    leafWith({ more: extension("1.2.3.4", der(0x05)) }),
  "a trusted self-signed node": () => {
    const certificate = buildCertificate(nodeParts({ ...node, signer: node }));
    return { chain: [certificate], trusted: [certificate] };
  },
};

/**
 * One defect each. "refuses": openssl sees it too, which is checked. "accepts": why openssl has no
 * objection, since that rule is this project's own.
 */
type Defect = readonly [
  reason: RegExp,
  make: () => Case,
  openssl: "refuses" | { readonly accepts: string },
];

const ownNames = { accepts: "it knows nothing of aetherport's names" };
const ownBound = { accepts: "it has no such bound" };
const anyEncoding = { accepts: "it reads this BER" };
const optional = { accepts: "the extension is optional there" };

const defects: Record<string, Defect> = {
  // Signatures and names.
  "the signature is changed": [
    /is not signed by/,
    () => raw(withLastByteChanged(goodNode)),
    "refuses",
  ],
  "the certificate was changed after it was signed": [
    /is not signed by/,
    () => raw(renamed(goodNode)),
    "refuses",
  ],
  "another key signed in the CA's name": [
    /is not signed by/,
    () => leaf({ signingKey: stranger.key.privateKey }),
    "refuses",
  ],
  "the issuer is unknown": [
    /no trusted authority/,
    () => raw(buildCertificate(nodeParts({ ...node, signer: stranger }))),
    "refuses",
  ],
  "the issuer's name differs from the CA's": [
    /no trusted authority/,
    () => leaf({ issuer: commonName("other-ca") }),
    "refuses",
  ],
  "the issuer's key id differs from the CA's": [
    /no trusted authority/,
    () => leafWith({ authorityKeyId: authorityKeyId(stranger.key.id) }),
    "refuses",
  ],
  "inner and outer signature algorithm differ": [
    /signature algorithm/,
    () => leaf({ outerAlgorithm: der(0x30, oid("1.2.840.10045.4.3.3")) }),
    "refuses",
  ],
  "it is signed over SHA-1": [/signature algorithm/, () => {
    const algorithm = der(0x30, oid("1.2.840.10045.4.1"));
    return leaf({ hash: "sha1", innerAlgorithm: algorithm, outerAlgorithm: algorithm });
  }, "refuses"],
  "it is signed over SHA-384": [/signature algorithm/, () => {
    const algorithm = der(0x30, oid("1.2.840.10045.4.3.3"));
    return leaf({ hash: "sha384", innerAlgorithm: algorithm, outerAlgorithm: algorithm });
  }, { accepts: "the one algorithm is this profile's choice" }],
  "a self-signed certificate is not trusted": [
    /no trusted authority/,
    () => raw(buildCertificate(nodeParts({ ...node, signer: node }))),
    "refuses",
  ],
  "an intermediate is missing": [
    /no trusted authority/,
    () => ({ chain: underSub(makeSub()).chain.slice(0, 1), trusted: [caCertificate] }),
    "refuses",
  ],

  "the intermediate's signature is changed": [
    /sub-ca. is not signed by/,
    () => underSub(withLastByteChanged(makeSub())),
    "refuses",
  ],
  "an intermediate has another name than the issuer it signed as": [
    /is not signed by "renamed-ca"/,
    () => underSub(makeSub({ subject: commonName("renamed-ca") })),
    "refuses",
  ],
  "the signature is empty": [
    /is not signed by/,
    () => raw(withSignature(goodNode, der(0x30))),
    "refuses",
  ],

  // Validity.
  "it has ended": [
    /node1. ended on/,
    () => leaf({ validity: der(0x30, timeFromNow(-86_400), timeFromNow(-600)) }),
    "refuses",
  ],
  "it has not begun": [
    /node1. begins on/,
    () => leaf({ validity: der(0x30, timeFromNow(600), timeFromNow(86_400)) }),
    "refuses",
  ],
  "it ends before it begins": [
    /ends before it begins/,
    () => leaf({ validity: der(0x30, timeFromNow(3600), timeFromNow(-3600)) }),
    "refuses",
  ],
  "the CA has ended": [/test-ca. ended on/, () => ({
    chain: [goodNode],
    trusted: [makeCa({ validity: der(0x30, timeFromNow(-86_400), timeFromNow(-600)) })],
  }), "refuses"],
  "the intermediate has ended": [
    /sub-ca. ended on/,
    () => underSub(makeSub({ validity: der(0x30, timeFromNow(-86_400), timeFromNow(-600)) })),
    "refuses",
  ],
  "a time has no such day": [
    /no real date/,
    () => leaf({ validity: der(0x30, der(0x17, utf8("250230000000Z")), timeFromNow(3600)) }),
    "refuses",
  ],
  "a time has no seconds": [
    /as RFC 5280 asks/,
    () => leaf({ validity: der(0x30, der(0x17, utf8("2501010000Z")), timeFromNow(3600)) }),
    "refuses",
  ],

  // Who may sign.
  "the issuer is a node": [/node2. is no authority/, () => {
    const other = { name: "node2", key: testKey() };
    const issuer = buildCertificate(nodeParts({ ...other, signer: ca }));
    const chain = [buildCertificate(nodeParts({ ...node, signer: other })), issuer];
    return { chain, trusted: [caCertificate] };
  }, "refuses"],
  "the intermediate has no basicConstraints": [
    /sub-ca. is no authority/,
    () => underSub(makeSub({ extensions: [keyUsage(5), ...subIds()] })),
    "refuses",
  ],
  "the intermediate's basicConstraints say it is no CA": [/sub-ca. is no authority/, () =>
    underSub(
      makeSub({ extensions: [basicConstraints({ ca: false }), keyUsage(5), ...subIds()] }),
    ), "refuses"],
  "the CA's basicConstraints are not critical": [
    /not critical/,
    () => caWith(basicConstraints({ ca: true, critical: false }), keyUsage(5)),
    "refuses",
  ],
  "the CA's key usage lacks certificate signing": [
    /may not sign certificates/,
    () => caWith(basicConstraints({ ca: true }), keyUsage(0, 6)),
    "refuses",
  ],
  "the CA has an empty name": [
    /has an empty name/,
    () => {
      const nameless = makeCa({ subject: der(0x30), issuer: der(0x30) });
      return { chain: [makeNode({ issuer: der(0x30) })], trusted: [nameless] };
    },
    "refuses",
  ],
  "the CA has no key usage": [
    /may not sign certificates/,
    () => caWith(basicConstraints({ ca: true })),
    "refuses",
  ],
  "the CA's extended key usage is for servers only": [
    /may not vouch for servers and clients/,
    () => caWith(basicConstraints({ ca: true }), keyUsage(5), extendedKeyUsage(serverAuth)),
    "refuses",
  ],
  "the path is longer than the CA allows": [/longer than it allows/, () => {
    const extensions = [
      basicConstraints({ ca: true, pathLength: 0 }),
      ...[keyUsage(5), subjectKeyId(ca.key.id), authorityKeyId(ca.key.id)],
    ];
    return underSub(makeSub(), makeCa({ extensions }));
  }, "refuses"],
  "the CA has an unknown critical extension": [
    /test-ca. has an unknown critical/,
    () =>
      caWith(basicConstraints({ ca: true }), keyUsage(5), extension("1.2.3.4", der(0x05), true)),
    "refuses",
  ],
  "the name is outside of the CA's permitted names": [
    /outside of its issuer's name constraints/,
    () => constrained({ permitted: der(0x82, utf8("example.org")) }),
    "refuses",
  ],
  "the name is among the CA's excluded names": [
    /outside of its issuer's name constraints/,
    () => constrained({ excluded: der(0x82, utf8("node1")) }),
    "refuses",
  ],
  "the CA has name constraints of an unsupported form": [
    /form that is not supported/,
    () => constrained({ permitted: der(0x86, utf8("example.org")) }),
    "refuses",
  ],
  "the CA's key is on P-384": [/P-256 key/, () => {
    const big = { name: "big-ca", key: keyOfP384 };
    const chain = [
      buildCertificate(nodeParts({ ...node, signer: sub })),
      buildCertificate(
        authorityParts({ ...sub, signer: big }),
      ),
      buildCertificate(authorityParts(big)),
    ];
    return { chain, trusted: [buildCertificate(authorityParts(big))] };
  }, { accepts: "the one curve is this profile's choice" }],

  // What a node's certificate may do.
  "a CA's certificate is presented as a node's": [
    /an authority's, not a node's/,
    () => leafWith({ basicConstraints: basicConstraints({ ca: true }), keyUsage: keyUsage(0, 5) }),
    { accepts: "it lets a CA be a server" },
  ],
  "it has a path length and is no CA": [
    /only an authority's may have/,
    () => leafWith({ basicConstraints: basicConstraints({ ca: false, pathLength: 0 }) }),
    "refuses",
  ],
  "its key usage lacks digital signatures": [
    /does not allow digital signatures/,
    () => leafWith({ keyUsage: keyUsage(1) }),
    "refuses",
  ],
  "its key usage allows certificate signing": [
    /allows certificate signing/,
    () => leafWith({ keyUsage: keyUsage(0, 5) }),
    "refuses",
  ],
  "it has no key usage": [
    /does not allow digital signatures/,
    () => leafWith({ keyUsage: nothing }),
    optional,
  ],
  "its extended key usage lacks clients": [
    /lacks serverAuth or clientAuth/,
    () => leafWith({ extendedKeyUsage: extendedKeyUsage(serverAuth) }),
    "refuses",
  ],
  "its extended key usage lacks servers": [
    /lacks serverAuth or clientAuth/,
    () => leafWith({ extendedKeyUsage: extendedKeyUsage(clientAuth) }),
    "refuses",
  ],
  "its extended key usage is for code": [
    /lacks serverAuth or clientAuth/,
    () => leafWith({ extendedKeyUsage: extendedKeyUsage("1.3.6.1.5.5.7.3.3") }),
    "refuses",
  ],
  "it has no extended key usage": [
    /lacks serverAuth or clientAuth/,
    () => leafWith({ extendedKeyUsage: nothing }),
    optional,
  ],
  "it has an unknown critical extension": [
    /the certificate has an unknown critical/,
    () => leafWith({ more: extension("1.2.3.4", der(0x05), true) }),
    "refuses",
  ],
  "it has name constraints and is no CA": [
    /only an authority's may have/,
    () => leafWith({ more: nameConstraints({ permitted: der(0x82, utf8("node1")) }) }),
    { accepts: "it looks at an issuer's only" },
  ],

  // Names.
  "it names no node": [
    /names 0 nodes/,
    () => leafWith({ alternativeNames: alternativeNames({ dns: ["node1"] }) }),
    ownNames,
  ],
  "it names two nodes": [
    /names 2 nodes/,
    () => withUris("aetherport:node/node1", "aetherport:node/node2"),
    ownNames,
  ],
  "its common name is another": [
    /common name is not/,
    () => leaf({ subject: commonName("node2") }),
    ownNames,
  ],
  "its name has a slash": [
    /name is malformed/,
    () =>
      leafWith({ alternativeNames: alternativeNames({ uris: ["aetherport:node/a/b"] }) }, "a/b"),
    ownNames,
  ],
  "a label is not in its one spelling": [
    /label is malformed/,
    () => withUris("aetherport:node/node1", "aetherport:label/site=%62erlin"),
    ownNames,
  ],
  "a label is given twice": [
    /given twice/,
    () => withUris("aetherport:node/node1", "aetherport:label/a=1", "aetherport:label/a=2"),
    ownNames,
  ],

  // The encoding.
  "the serial number is zero": [
    /not positive/,
    () => leaf({ serialNumber: der(0x02, Uint8Array.of(0)) }),
    { accepts: "it does not look at serial numbers" },
  ],
  "the serial number is negative": [
    /not positive/,
    () => leaf({ serialNumber: der(0x02, Uint8Array.of(0xff, 0x01)) }),
    { accepts: "it does not look at serial numbers" },
  ],
  "the serial number is too long": [
    /serial number is too long/,
    () => leaf({ serialNumber: der(0x02, new Uint8Array(21).fill(1)) }),
    { accepts: "it does not look at serial numbers" },
  ],
  "it is version 1": [/version 3/, () => leaf({ version: nothing, extensions: [] }), optional],
  "it is version 2 with extensions": [
    /version 3/,
    () => leaf({ version: der(0xa0, der(0x02, Uint8Array.of(1))) }),
    "refuses",
  ],
  "it is version 1 with extensions": [/version 3/, () => leaf({ version: nothing }), "refuses"],
  "an extension comes twice": [
    /2.5.29.15 comes twice/,
    () => leafWith({ more: keyUsage(0) }),
    "refuses",
  ],
  "it has unique ids": [/bytes follow/, () => leaf({ uniqueIds: der(0x81, Uint8Array.of(0, 1)) }), {
    accepts: "it allows what RFC 5280 forbids issuers",
  }],
  "its key is on P-384": [/P-256 key/, () => leaf({ spki: keyOfP384.spki }), {
    accepts: "the one curve is this profile's choice",
  }],
  "its key is RSA": [/P-256 key/, () => leaf({ spki: rsaSpki() }), {
    accepts: "the one curve is this profile's choice",
  }],
  "its key is no point on the curve": [
    /no point on P-256/,
    () => leaf({ spki: withLastByteChanged(node.key.spki) }),
    "refuses",
  ],
  "a boolean is true as 01": [/boolean/, () =>
    leafWith({
      keyUsage: extension(
        "2.5.29.15",
        der(0x03, Uint8Array.of(7, 0x80)),
        der(0x01, Uint8Array.of(1)),
      ),
    }), anyEncoding],
  "a length is not in its shortest form": [
    /length is not in its shortest/,
    () => raw(concat(Uint8Array.of(0x30, 0x83, 0), goodNode.subarray(2))),
    anyEncoding,
  ],
  "bytes follow the certificate": [
    /bytes follow/,
    () => raw(concat(goodNode, Uint8Array.of(0))),
    anyEncoding,
  ],
  "it is cut off": [/cut off/, () => raw(goodNode.subarray(0, -1)), "refuses"],
  "it is over 8 KB": [
    /longer than 8192/,
    () => leafWith({ more: extension("1.2.3.4", der(0x04, new Uint8Array(8192))) }),
    ownBound,
  ],
  "the chain has nine certificates": [/over 8 certificates/, () => ({
    chain: [goodNode, ...Array.from({ length: 8 }, () => makeSub())],
    trusted: [caCertificate],
  }), ownBound],
  "there is no certificate": [
    /no certificate was given/,
    () => ({ chain: [], trusted: [caCertificate] }),
    "refuses",
  ],
};

function subIds(): Uint8Array[] {
  return [subjectKeyId(sub.key.id), authorityKeyId(ca.key.id)];
}

function constrained(constraints: { permitted?: Uint8Array; excluded?: Uint8Array }): Case {
  return caWith(basicConstraints({ ca: true }), keyUsage(5), nameConstraints(constraints));
}

function withUris(...uris: readonly string[]): Case {
  return leafWith({ alternativeNames: alternativeNames({ dns: ["node1"], uris }) });
}

function withSignature(certificate: Uint8Array, signature: Uint8Array): Uint8Array {
  const parsed = parseCertificate(certificate);
  assert.ok(parsed.ok);
  const bits = der(0x03, Uint8Array.of(0), signature);
  return der(0x30, parsed.value.tbs, ecdsaWithSha256, bits);
}

function rsaSpki(): Uint8Array {
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return new Uint8Array(publicKey.export({ type: "spki", format: "der" }));
}

function withLastByteChanged(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte, at) => at === bytes.length - 1 ? byte ^ 1 : byte);
}

/** The same certificate for "node9" under the signature for "node1". */
function renamed(certificate: Uint8Array): Uint8Array {
  const text = Buffer.from(certificate).toString("latin1").replaceAll("node1", "node9");
  return new Uint8Array(Buffer.from(text, "latin1"));
}

/** What is trusted, as the program has it once its files were read; unreadable is untrusted. */
function trustOf(trusted: readonly Uint8Array[]): { cas: Certificate[] } {
  const cas = trusted.map(parseCertificate).flatMap((each) => each.ok ? [each.value] : []);
  return { cas };
}

function verdictOf({ chain, trusted }: Case): PeerVerdict {
  return verifyCertificateChain(chain, trustOf(trusted), Date.now());
}

const hasOpenssl = await isOpensslThere();
if (!hasOpenssl) {
  console.warn("SKIPPED: openssl is not installed, it cannot be asked for its opinion");
}

async function isOpensslThere(): Promise<boolean> {
  try {
    return (await new Deno.Command("openssl", { args: ["version"] }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Whether openssl takes the chain, both for a server and for a client. */
async function opensslAccepts({ chain, trusted }: Case): Promise<boolean> {
  const folder = await Deno.makeTempDir();
  try {
    const file = async (name: string, ders: readonly Uint8Array[]) => {
      const path = `${folder}/${name}.pem`;
      const pem = ders.map((each) => writePem({ label: "CERTIFICATE", der: each })).join("");
      await Deno.writeTextFile(path, pem);
      return path;
    };
    const args = [
      ...["verify", "-x509_strict", "-auth_level", "2"],
      ...["-CAfile", await file("trusted", trusted)],
      ...["-untrusted", await file("untrusted", [...chain.slice(1), ...trusted])],
    ];
    const leafPath = await file("leaf", chain.slice(0, 1));
    for (const purpose of ["sslserver", "sslclient"]) {
      const command = new Deno.Command("openssl", {
        args: [...args, "-purpose", purpose, leafPath],
      });
      if (!(await command.output()).success) return false;
    }
    return true;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const [name, make] of Object.entries(good)) {
  Deno.test(`accepts ${name}, as openssl does`, async () => {
    const verdict = verdictOf(make());
    assert.equal(verdict.ok ? verdict.peer.name : verdict.reason, "node1");
    if (hasOpenssl) assert.ok(await opensslAccepts(make()));
  });
}

for (const [name, [reason, make, openssl]] of Object.entries(defects)) {
  const also = openssl === "refuses" ? ", as openssl does" : "";
  Deno.test(`refuses a chain where ${name}${also}`, async () => {
    const presented = make();
    const verdict = verdictOf(presented);
    assert.ok(!verdict.ok);
    assert.match(verdict.reason, reason);
    if (hasOpenssl && openssl === "refuses") assert.ok(!await opensslAccepts(presented));
  });
}

Deno.test("the table has at least 40 defects that openssl knows too", () => {
  const rows = Object.values(defects);
  assert.ok(rows.filter(([, , openssl]) => openssl === "refuses").length >= 40);
});

Deno.test("a clock may be wrong by five minutes and no more", () => {
  const longLived = makeCa({ validity: der(0x30, timeFromNow(-864_000), timeFromNow(864_000)) });
  const parsed = parseCertificate(goodNode);
  assert.ok(parsed.ok);
  const { notBefore, notAfter } = parsed.value;
  const isTakenAt = (now: number) =>
    verifyCertificateChain([goodNode], trustOf([longLived]), now).ok;
  assert.deepEqual([notBefore - 300_000, notAfter + 300_000].map(isTakenAt), [true, true]);
  assert.deepEqual([notBefore - 300_001, notAfter + 300_001].map(isTakenAt), [false, false]);
});

Deno.test("a CA that ended does not hide its renewal with the same name and key", () => {
  const ended = makeCa({ validity: der(0x30, timeFromNow(-86_400), timeFromNow(-600)) });
  assert.ok(verdictOf({ chain: [goodNode], trusted: [ended, caCertificate] }).ok);
});

Deno.test("a trusted node's own signature is looked at too", () => {
  const certificate = withLastByteChanged(buildCertificate(nodeParts({ ...node, signer: node })));
  const verdict = verdictOf({ chain: [certificate], trusted: [certificate] });
  assert.match(verdict.ok ? "" : verdict.reason, /own signature is wrong/);
});

Deno.test("a trusted node vouches for nobody but itself", () => {
  const trusted = buildCertificate(nodeParts({ ...node, signer: node }));
  const other = buildCertificate(nodeParts({ name: "node2", key: testKey(), signer: node }));
  assert.ok(!verdictOf({ chain: [other], trusted: [trusted] }).ok);
  assert.ok(!verdictOf({ chain: [other, trusted], trusted: [trusted] }).ok);
});

Deno.test("a verified peer has the certificate's name, labels, key id and earliest end", () => {
  const soon = timeFromNow(60);
  const presented = withUris("aetherport:node/node1", "aetherport:label/site=berlin%20%C3%A4");
  const trusted = [makeCa({ validity: der(0x30, timeFromNow(-60), soon) })];
  const verdict = verdictOf({ ...presented, trusted });
  assert.ok(verdict.ok);
  assert.equal(verdict.peer.labels.get("site"), "berlin \u00e4");
  assert.equal(verdict.peer.keyId, keyIdOf(node.key.spki));
  assert.equal(verdict.peer.vouchedBy, "chain");
  assert.deepEqual(verdict.peer.authorities, [{
    name: trusted.map(certificateOf)[0]?.subjectName,
    fingerprint: trusted.map(fingerprintOf)[0],
  }]);
  const [leaf] = presented.chain.map(certificateOf);
  assert.equal(verdict.peer.serialNumber, leaf?.serialNumber);
  assert.ok(verdict.peer.notAfter <= Date.now() + 60_000);
});

Deno.test("a certificate that stands for its key alone needs no issuer, and only claims a name", () => {
  const ended = der(0x30, timeFromNow(-86_400), timeFromNow(-600));
  const certificate = buildCertificate({
    ...nodeParts({ ...node, signer: stranger }),
    validity: ended,
  });
  const verdict = peerOfCertificate(certificate);
  assert.ok(verdict.ok);
  assert.equal(verdict.peer.vouchedBy, "key");
  assert.deepEqual(verdict.peer.authorities, []);
  assert.equal(verdict.peer.keyId, keyIdOf(node.key.spki));
  assert.ok(!peerOfCertificate(certificate.subarray(1)).ok);
});

Deno.test("a judge by key id admits the allowed keys and no others", () => {
  const judge = judgeByKeyId(new Set([keyIdOf(node.key.spki)]));
  const other = buildCertificate(nodeParts({ name: "node1", key: stranger.key, signer: ca }));
  assert.ok(judge([goodNode], 0).ok);
  assert.ok(!judge([other], 0).ok);
  assert.ok(!judge([other, goodNode], 0).ok);
  assert.ok(!judge([], 0).ok);
});

Deno.test("no changed byte of a certificate leaves it accepted, and none throws", () => {
  const trust = trustOf([caCertificate]);
  const now = Date.now();
  for (const at of goodNode.keys()) {
    for (const flip of [0x01, 0x80, 0xff]) {
      const changed = goodNode.map((byte, index) => index === at ? byte ^ flip : byte);
      assert.ok(!verifyCertificateChain([changed], trust, now).ok, `byte ${at} ^ ${flip}`);
    }
  }
});

Deno.test("no cut of a certificate is accepted, and none throws", () => {
  for (const length of goodNode.keys()) {
    assert.ok(!parseCertificate(goodNode.subarray(0, length)).ok);
  }
});

Deno.test("20,000 mutated certificates throw nothing and are not accepted", () => {
  const trust = trustOf([caCertificate]);
  const now = Date.now();
  const edit = fc.record({
    at: fc.nat(goodNode.length - 1),
    removed: fc.nat(4),
    inserted: fc.uint8Array({ maxLength: 4 }),
  });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      const mutated = edits.reduce(
        (bytes, { at, removed, inserted }) =>
          concat(bytes.subarray(0, at), inserted, bytes.subarray(at + removed)),
        goodNode,
      );
      const isSame = Buffer.compare(mutated, goodNode) === 0;
      return verifyCertificateChain([mutated], trust, now).ok === isSame;
    }),
    { numRuns: 20_000 },
  );
});

function certificateOf(der: Uint8Array): Certificate {
  const parsed = parseCertificate(der);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.value;
}
