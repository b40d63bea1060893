/** Known answers, of the vectors that circulate for the TLS 1.2 PRF. */
import { equal } from "node:assert/strict";
import { prf } from "../../src/dtls/prf.ts";
import { clientIdentity } from "./pair.ts";
import { testCrypto } from "./test_crypto.ts";

const crypto = testCrypto(clientIdentity);

const vectors = [
  {
    hash: "sha256",
    secret: "9bbe436ba940f017b17652849a71db35",
    seed: "a0ba9f936cda311827a6f796ffd5198c",
    output: "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a" +
      "6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab" +
      "4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701" +
      "87347b66",
  },
  {
    hash: "sha384",
    secret: "b80b733d6ceefcdc71566ea48e5567df",
    seed: "cd665cf6a8447dd6ff8b27555edb7465",
    output: "7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cd" +
      "e9ca0faa60be9fe34f82b1233c9146a0e534cb400fed2700884f9dc236f80edd" +
      "8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d918425" +
      "9b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee6" +
      "91c8f3a26854308d5eaa3be85e0990703d73e56f",
  },
] as const;

for (const { hash, secret, seed, output } of vectors) {
  Deno.test(`the PRF with ${hash} gives the known answer, and each start of it`, () => {
    const input = {
      hash,
      secret: Uint8Array.fromHex(secret),
      label: "test label",
      seed: Uint8Array.fromHex(seed),
    };
    for (const length of [0, 1, 12, 32, 33, 48, output.length / 2]) {
      equal(prf(crypto, { ...input, length }).toHex(), output.slice(0, 2 * length));
    }
  });
}
