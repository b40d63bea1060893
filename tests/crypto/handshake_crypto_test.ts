import { deepEqual, equal, notDeepEqual, ok, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import fc from "fast-check";
import { createKeyShare } from "../../src/crypto/key_share.ts";
import { nodeAead } from "../../src/crypto/node_aead.ts";
import { createNodeHandshakeCrypto } from "../../src/crypto/node_handshake_crypto.ts";
import type { NamedGroup } from "../../src/dtls/handshake_crypto.ts";
import { certificateWith } from "./forged_certificate.ts";
import { type EcdhGroup, readEcdh, readEcdsa, readHmac } from "./vectors.ts";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const crypto = createNodeHandshakeCrypto({ aead: nodeAead, privateKey });
const groups: readonly NamedGroup[] = ["x25519", "secp256r1"];

function spkiOf(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ type: "spki", format: "der" }));
}

/** The shared secret as our wrapper derives it. */
function derive(group: NamedGroup, vector: EcdhGroup["tests"][number]): string | undefined {
  // The vectors write the private number as DER does: without leading zeros, or with one for the
  // sign.
  const privateKey = Uint8Array.fromHex(vector.private.slice(-64).padStart(64, "0"));
  const share = createKeyShare(group, { privateKey });
  return share.deriveSecret(Uint8Array.fromHex(vector.public))?.toHex();
}

Deno.test("secp256r1: all of Wycheproof's ecdh_secp256r1_ecpoint", () => {
  const results = new Map<string, number>();
  for (const { tests } of readEcdh("ecdh_secp256r1_ecpoint")) {
    for (const one of tests) {
      // "acceptable" is a compressed point, which RFC 8422 section 5.4.1 has done away with.
      const expected = one.result === "valid" ? one.shared : undefined;
      equal(derive("secp256r1", one), expected, `${one.tcId}`);
      results.set(one.result, (results.get(one.result) ?? 0) + 1);
    }
  }
  deepEqual(Object.fromEntries(results), { valid: 330, acceptable: 1, invalid: 24 });
});

Deno.test("x25519: all of Wycheproof's x25519", () => {
  const counts = { derived: 0, refused: 0 };
  for (const { tests } of readEcdh("x25519")) {
    for (const one of tests) {
      // RFC 7748 section 5: points that are non-canonical or on the twist are taken. Section 6.1:
      // a result of zeros is not.
      const isRefused = one.flags?.includes("ZeroSharedSecret") ?? false;
      equal(derive("x25519", one), isRefused ? undefined : one.shared, `${one.tcId}`);
      isRefused ? counts.refused++ : counts.derived++;
    }
  }
  deepEqual(counts, { derived: 487, refused: 31 });
});

Deno.test("ECDSA P-256 with SHA-256: all of Wycheproof's ecdsa_secp256r1_sha256", () => {
  const counts = { valid: 0, invalid: 0 };
  for (const { publicKeyDer, tests } of readEcdsa()) {
    const certificate = certificateWith(Uint8Array.fromHex(publicKeyDer));
    for (const { tcId, msg, sig, result } of tests) {
      const isVerified = crypto.verify(
        certificate,
        Uint8Array.fromHex(msg),
        Uint8Array.fromHex(sig),
      );
      equal(isVerified, result === "valid", `${tcId}`);
      isVerified ? counts.valid++ : counts.invalid++;
    }
  }
  equal(counts.valid + counts.invalid, 484);
  ok(counts.valid > 100 && counts.invalid > 100);
});

for (const name of ["sha256", "sha384"] as const) {
  Deno.test(`HMAC: all of Wycheproof's hmac_${name}`, () => {
    let count = 0;
    for (const { tagSize, tests } of readHmac(`hmac_${name}`)) {
      for (const { tcId, key, msg, tag, result } of tests) {
        const mac = crypto.hmac(name, Uint8Array.fromHex(key), Uint8Array.fromHex(msg));
        equal(mac.length * 8, name === "sha256" ? 256 : 384);
        const isEqual = crypto.equal(mac.subarray(0, tagSize / 8), Uint8Array.fromHex(tag));
        equal(isEqual, result === "valid", `${tcId}`);
        count++;
      }
    }
    equal(count, 174);
  });
}

Deno.test("two fresh shares derive the same secret, and each share is another", () => {
  for (const group of groups) {
    const [a, z] = [crypto.createKeyShare(group), crypto.createKeyShare(group)];
    equal(a.publicKey.length, group === "x25519" ? 32 : 65);
    notDeepEqual(a.publicKey, z.publicKey);
    const secret = a.deriveSecret(z.publicKey);
    equal(secret?.length, 32);
    deepEqual(z.deriveSecret(a.publicKey), secret);
    deepEqual(a.deriveSecret(z.publicKey), secret, "and again");
  }
});

Deno.test("a peer's share of any other length or form derives nothing", () => {
  for (const group of groups) {
    const share = crypto.createKeyShare(group);
    const good = crypto.createKeyShare(group).publicKey;
    for (let length = 0; length < good.length + 40; length++) {
      if (length === good.length) continue;
      const bad = new Uint8Array(length);
      bad.set(good.subarray(0, length));
      equal(share.deriveSecret(bad), undefined, `${group}: ${length}`);
    }
  }
  const share = crypto.createKeyShare("secp256r1");
  const { publicKey: good } = crypto.createKeyShare("secp256r1");
  for (let form = 0; form < 256; form++) {
    const bytes = good.slice();
    bytes[0] = form;
    equal(share.deriveSecret(bytes) !== undefined, form === 4, `form ${form}`);
  }
});

/** RFC 7748 section 6.1: points of small order, with which every secret is zero. */
const smallOrderPoints = [
  "00".repeat(32),
  `01${"00".repeat(31)}`,
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  `ec${"ff".repeat(30)}7f`,
  `ed${"ff".repeat(30)}7f`,
  `ee${"ff".repeat(30)}7f`,
];

Deno.test("D10: X25519 by node:crypto throws where the secret is zero", () => {
  const { privateKey } = generateKeyPairSync("x25519");
  for (const point of smallOrderPoints) {
    const der = Uint8Array.fromHex(`302a300506032b656e032100${point}`);
    const publicKey = createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
    throws(() => diffieHellman({ privateKey, publicKey }), point);
  }
});

Deno.test("D10: a zero secret is refused, whoever derives it, with X25519", () => {
  const good = crypto.createKeyShare("x25519").publicKey;
  for (const [last, isTaken] of [[0, false], [1, true]] as const) {
    const secret = new Uint8Array(32);
    secret[31] = last;
    const share = createKeyShare("x25519", { x25519: () => secret.slice() });
    deepEqual(share.deriveSecret(good), isTaken ? secret : undefined);
  }
  for (const point of smallOrderPoints) {
    equal(crypto.createKeyShare("x25519").deriveSecret(Uint8Array.fromHex(point)), undefined);
  }
});

Deno.test("points off P-256, beyond its field, and at infinity derive nothing", () => {
  const share = crypto.createKeyShare("secp256r1");
  const point = (x: string, y: string) =>
    Uint8Array.fromHex("04" + x.padStart(64, "0") + y.padStart(64, "0"));
  const prime = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
  const [zero, ones] = ["0", "f".repeat(64)];
  for (const [x, y] of [[zero, zero], [ones, ones], [prime, prime], [prime, zero], ["1", "1"]]) {
    equal(share.deriveSecret(point(x ?? "", y ?? "")), undefined, `${x}, ${y}`);
  }
  // x = 0 is on the curve, and x = p would be the same point written otherwise.
  const y = "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4";
  ok(share.deriveSecret(point(zero, y)) !== undefined);
  equal(share.deriveSecret(point(prime, y)), undefined);
});

Deno.test("what the node signs, its certificate verifies, and nothing else", () => {
  const certificate = certificateWith(spkiOf(publicKey));
  const data = crypto.randomBytes(200);
  const signature = crypto.sign(data);
  ok(verify("sha256", data, publicKey, signature));
  ok(crypto.verify(certificate, data, signature));
  const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey;
  equal(crypto.verify(certificateWith(spkiOf(other)), data, signature), false);
  for (const bytes of [certificate, data, signature]) {
    for (const length of [0, 1, bytes.length - 1]) {
      const parts = [certificate, data, signature].map((one) =>
        one === bytes ? one.subarray(0, length) : one
      ) as [Uint8Array, Uint8Array, Uint8Array];
      equal(crypto.verify(...parts), false);
    }
  }
});

Deno.test("a certificate with a key of another kind verifies nothing, even what it signed", () => {
  const data = crypto.randomBytes(50);
  const keys = [
    { ...generateKeyPairSync("ec", { namedCurve: "P-384" }), hash: "sha256" },
    { ...generateKeyPairSync("rsa", { modulusLength: 2048 }), hash: "sha256" },
    { ...generateKeyPairSync("ed25519"), hash: null },
  ];
  for (const pair of keys) {
    const certificate = certificateWith(spkiOf(pair.publicKey));
    const signature = sign(pair.hash, data, pair.privateKey);
    ok(verify(pair.hash, data, pair.publicKey, signature));
    equal(crypto.verify(certificate, data, signature), false);
    equal(crypto.verify(certificate, data, crypto.sign(data)), false);
    throws(
      () => createNodeHandshakeCrypto({ aead: nodeAead, privateKey: pair.privateKey }),
      /P-256/,
    );
  }
  throws(() => createNodeHandshakeCrypto({ aead: nodeAead, privateKey: publicKey }), /P-256/);
});

Deno.test("no mutation of certificate and signature throws, or verifies what was not signed", () => {
  const certificate = certificateWith(spkiOf(publicKey));
  const data = crypto.randomBytes(64);
  const signature = crypto.sign(data);
  for (let length = 0; length < certificate.length; length++) {
    equal(crypto.verify(certificate.subarray(0, length), data, signature), false);
  }
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(certificate.length - 1), fc.nat(255)), { maxLength: 4 }),
      fc.tuple(fc.nat(signature.length - 1), fc.integer({ min: 1, max: 255 })),
      fc.uint8Array({ maxLength: 300 }),
      (changes, [at, change], random) => {
        const mutated = certificate.slice();
        for (const [place, byte] of changes) mutated[place] = byte;
        crypto.verify(mutated, data, signature);
        const forged = signature.slice();
        forged[at] = (forged[at] ?? 0) ^ change;
        equal(crypto.verify(certificate, data, forged), false);
        equal(crypto.verify(random, data, signature), false);
        equal(crypto.verify(certificate, data, random), false);
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("a hash grows after it was asked for its digest", () => {
  for (const [name, expected] of Object.entries(digestsOfAbc)) {
    const hash = crypto.createHash(name as "sha256" | "sha384");
    const empty = hash.digest();
    hash.update(new TextEncoder().encode("a"));
    hash.digest();
    hash.update(new TextEncoder().encode("bc"));
    equal(hash.digest().toHex(), expected);
    equal(hash.digest().toHex(), expected, "and again");
    notDeepEqual(empty, hash.digest());
  }
});

/** FIPS 180-4, the example of three letters. */
const digestsOfAbc = {
  sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  sha384: "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed" +
    "8086072ba1e7cc2358baeca134c825a7",
};

Deno.test("a private key may come as PEM", () => {
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const other = createNodeHandshakeCrypto({ aead: nodeAead, privateKey: pem });
  const data = crypto.randomBytes(20);
  ok(crypto.verify(certificateWith(spkiOf(publicKey)), data, other.sign(data)));
});

Deno.test("equal compares content and length", () => {
  const bytes = crypto.randomBytes(12);
  ok(crypto.equal(bytes, bytes.slice()));
  ok(crypto.equal(new Uint8Array(), new Uint8Array()));
  equal(crypto.equal(bytes, bytes.subarray(0, 11)), false);
  equal(crypto.equal(bytes, new Uint8Array()), false);
  equal(crypto.equal(bytes, bytes.map((byte, at) => at === 11 ? byte ^ 1 : byte)), false);
});
