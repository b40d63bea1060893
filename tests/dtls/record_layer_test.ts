/** The record layer by itself. */
import { deepEqual, equal } from "node:assert/strict";
import { cipherSuitesNamed } from "../../src/dtls/cipher_suite.ts";
import type { CipherSuiteName } from "../../src/dtls/cipher_suite.ts";
import { contentTypes } from "../../src/dtls/record.ts";
import { defaultKeyLimits, RecordLayer } from "../../src/dtls/record_layer.ts";
import type { KeyLimits } from "../../src/dtls/record_layer.ts";
import { credulousCrypto } from "./test_crypto.ts";

/** A layer whose AEAD does nothing, and what it was asked with. */
function watchedLayer(
  name: CipherSuiteName,
  limits: KeyLimits = defaultKeyLimits,
  firstSequence = 0,
): {
  readonly layer: RecordLayer;
  readonly nonces: string[];
  readonly aads: string[];
} {
  const nonces: string[] = [];
  const aads: string[] = [];
  const provider = {
    name: "watched",
    createKey: () => ({
      ...credulousCrypto().aead.createKey("aes-128-gcm", new Uint8Array(16)),
      seal: (_: Uint8Array, _start: number, _end: number, nonce: Uint8Array, aad: Uint8Array) => {
        nonces.push(nonce.toHex());
        aads.push(aad.toHex());
      },
    }),
  };
  const layer = new RecordLayer(limits, firstSequence);
  for (const suite of cipherSuitesNamed([name])) {
    const key = () => ({
      key: new Uint8Array(suite.keyLength),
      fixedIv: Uint8Array.from({ length: suite.fixedIvLength }, (_, index) => 0xa0 + index),
    });
    layer.install({ provider, suite, write: key(), read: key() });
  }
  return { layer, nonces, aads };
}

Deno.test("D11: an AES-GCM nonce is the salt and the record number, which the record carries", () => {
  const { layer, nonces, aads } = watchedLayer("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
  const bytes = new Uint8Array(64);
  equal(layer.sealApplicationData(bytes, 0, 3), true);
  equal(layer.sealApplicationData(bytes, 0, 3), true);
  deepEqual(nonces, ["a0a1a2a30001000000000000", "a0a1a2a30001000000000001"]);
  equal(aads[1], "0001000000000001" + "17" + "fefd" + "0003");
  equal(
    bytes.subarray(0, 21).toHex(),
    "17fefd" + "0001000000000001" + "001b" + "0001000000000001",
  );
});

Deno.test("D11: a ChaCha20 nonce is the IV xor the record number, which no record carries", () => {
  const { layer, nonces } = watchedLayer("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
  const bytes = new Uint8Array(64);
  for (let count = 0; count < 3; count++) equal(layer.sealApplicationData(bytes, 0, 3), true);
  deepEqual(nonces.map((nonce) => nonce.slice(8)), [
    "a4a4a6a7a8a9aaab",
    "a4a4a6a7a8a9aaaa",
    "a4a4a6a7a8a9aaa9",
  ]);
  equal(bytes.subarray(0, 13).toHex(), "17fefd" + "0001000000000002" + "0013");
});

Deno.test("D12: beyond the last sequence number nothing is written, whatever it is", () => {
  for (const epoch of [0, 1] as const) {
    const limits = { ...defaultKeyLimits, lastSequenceNumber: 2 };
    const { layer, nonces } = watchedLayer("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", limits);
    const bytes = new Uint8Array(64);
    const record = { epoch, type: contentTypes.alert, payloadLength: 2 };
    const ends = [0, 1, 2, 3, 4].map(() => layer.write(bytes, 0, record) !== undefined);
    deepEqual(ends, [true, true, true, false, false]);
    equal(nonces.length, epoch === 0 ? 0 : 3);
  }
});

for (
  const [name, width] of [
    ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 8],
    ["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", 0],
  ] as const
) {
  Deno.test(`D12: at 2^48 - 1 writing stops, and no number comes again, with ${name}`, () => {
    for (const epoch of [0, 1] as const) {
      const { layer, nonces } = watchedLayer(name, defaultKeyLimits, 2 ** 48 - 4);
      const bytes = new Uint8Array(64);
      const numbers: string[] = [];
      for (let count = 0; count < 20; count++) {
        const record = { epoch, type: contentTypes.handshake, payloadLength: 2 };
        if (layer.write(bytes, 0, record) === undefined) continue;
        numbers.push(bytes.subarray(3, 11).toHex());
        equal(bytes.subarray(11, 13).toHex(), epoch === 0 ? "0002" : width === 8 ? "001a" : "0012");
      }
      const last = ["fc", "fd", "fe", "ff"].map((end) => `000${epoch}ffffffffff${end}`);
      deepEqual(numbers, last);
      equal(layer.isExhausted(), true);
      equal(new Set(nonces).size, epoch === 0 ? 0 : 4);
    }
  });

  Deno.test(`D12: application data leaves eight numbers before 2^48, with ${name}`, () => {
    const { layer, nonces } = watchedLayer(name, defaultKeyLimits, 2 ** 48 - 11);
    const bytes = new Uint8Array(64);
    const areSealed = [1, 2, 3, 4, 5].map(() => layer.sealApplicationData(bytes, 0, 3));
    deepEqual(areSealed, [true, true, true, false, false]);
    equal(bytes.subarray(3, 11).toHex(), "0001fffffffffff7");
    equal(new Set(nonces).size, 3);
  });
}

Deno.test("keys are wiped from where they came", () => {
  const layer = new RecordLayer(defaultKeyLimits);
  const given = [1, 2].map(() => ({
    key: new Uint8Array(16).fill(7),
    fixedIv: new Uint8Array(4).fill(7),
  }));
  const [write, read] = given;
  const [suite] = cipherSuitesNamed(["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]);
  if (write === undefined || read === undefined || suite === undefined) throw new Error("no keys");
  layer.install({ provider: credulousCrypto().aead, suite, write, read });
  for (const { key, fixedIv } of given) {
    deepEqual([...key, ...fixedIv], new Array(20).fill(0));
  }
});
