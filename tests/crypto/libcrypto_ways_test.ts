/** Which way to call libcrypto is taken, and what its TLS mode must never do. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import type { Arena } from "../../src/crypto/arena.ts";
import { type Libcrypto, type LibcryptoCalls, openLibcrypto } from "../../src/crypto/libcrypto.ts";
import {
  createLibcryptoAead,
  type LibcryptoAead,
  type LibcryptoWay,
  libcryptoWays,
} from "../../src/crypto/libcrypto_aead.ts";
import { nodeAead } from "../../src/crypto/node_aead.ts";
import type { AeadKey } from "../../src/dtls/aead.ts";
import { libcryptoName, libcryptos } from "./back_ends.ts";

const ignore = libcryptoName === undefined;

type Calls = LibcryptoCalls<Deno.PointerObject>;
type Library = Libcrypto<Deno.PointerObject>;

const [provider, legacy, , legacyInTlsMode] = libcryptoWays.map(nameOf);

function nameOf({ source, isInTlsMode }: LibcryptoWay): string {
  return `${source}${isInTlsMode ? " in TLS mode" : ""}`;
}

/** Which way that is. */
function wayOf(aead: LibcryptoAead | undefined): string | undefined {
  if (aead === undefined) return undefined;
  const source = aead.name.includes(", legacy ciphers") ? "legacy" : "provider";
  return nameOf({ source, isInTlsMode: aead.name.includes(", TLS mode") });
}

/** This system's library, with some calls replaced. */
function library(replace: (calls: Calls, arena: Arena<Deno.PointerObject>) => Partial<Calls>) {
  const opened = openLibcrypto(libcryptoName ?? "", {
    addresses: "pointer",
    capacity: 1024 * 1024,
  });
  ok(opened !== undefined);
  const { version, arena, calls, none } = opened as Library;
  return { version, arena, none, calls: { ...calls, ...replace(calls, arena) } };
}

/** A library, and a clock by which a nonce takes so long, for a provider's cipher and for a copy. */
function slowLibrary({ provided, copied }: { readonly provided: number; readonly copied: number }) {
  let time = 0;
  const copies = new Set<Deno.PointerValue>();
  const copiedContexts = new Set<Deno.PointerValue>();
  const slow = library((calls) => ({
    EVP_CIPHER_meth_dup: (cipher) => {
      const copy = calls.EVP_CIPHER_meth_dup?.(cipher) ?? null;
      copies.add(copy);
      return copy;
    },
    EVP_CipherInit_ex: (context, cipher, ...others) => {
      if (copies.has(cipher)) copiedContexts.add(context);
      time += copiedContexts.has(context) ? copied : provided;
      return calls.EVP_CipherInit_ex(context, cipher, ...others);
    },
  }));
  return { library: slow, now: () => time };
}

Deno.test("the faster ciphers are taken, and copies in TLS mode", { ignore }, () => {
  for (
    const [provided, copied, chosen] of [
      [2, 1, legacyInTlsMode],
      [1, 2, provider],
      // Not worth it.
      [1, 1, provider],
      [100, 99, provider],
    ] as const
  ) {
    const { library: slow, now } = slowLibrary({ provided, copied });
    equal(wayOf(createLibcryptoAead(slow, { now })), chosen);
  }
});

Deno.test("a few batches that were slow, or fast, decide nothing", { ignore }, () => {
  const { library: slow, now } = slowLibrary({ provided: 2, copied: 1 });
  let skew = 0;
  let looks = 0;
  const noisy = () => now() + (skew += looks++ === 3 ? 1000 : 0);
  equal(wayOf(createLibcryptoAead(slow, { now: noisy })), legacyInTlsMode);
});

Deno.test("a library that lacks a function is called in another way", { ignore }, () => {
  const { library: slow, now } = slowLibrary({ provided: 2, copied: 1 });
  const without = (missing: Partial<Calls>) => {
    const lacking = { ...slow, calls: { ...slow.calls, ...missing } };
    for (const way of libcryptoWays) {
      const lacks = way.source === "legacy" && missing.EVP_Cipher === undefined ||
        way.isInTlsMode && missing.EVP_Cipher === null;
      equal(createLibcryptoAead(lacking, { way }) === undefined, lacks, nameOf(way));
    }
    return wayOf(createLibcryptoAead(lacking, { now }));
  };
  equal(without({ EVP_CIPHER_meth_dup: null }), provider);
  equal(without({ EVP_CIPHER_meth_dup: () => null }), provider);
  equal(without({ EVP_Cipher: null }), legacy);
});

Deno.test("a way that does not give the known answers is not taken", { ignore }, () => {
  const { library: slow, now } = slowLibrary({ provided: 2, copied: 1 });
  const chosen = (replaced: Partial<Calls>) =>
    wayOf(createLibcryptoAead({ ...slow, calls: { ...slow.calls, ...replaced } }, { now }));
  const { EVP_CIPHER_meth_dup: dup, EVP_aes_128_gcm: short } = slow.calls;
  equal(chosen({ EVP_CIPHER_meth_dup: () => dup?.(short()) ?? null }), provider);
  for (const result of [-1, 0]) equal(chosen({ EVP_Cipher: () => result }), legacy);
  // Says that it did, and did nothing.
  equal(chosen({ EVP_Cipher: (...args) => args[3] }), legacy);
});

Deno.test("where a library refuses an AEAD, no way is taken around it", { ignore }, () => {
  const refusing = library(() => ({ EVP_chacha20_poly1305: () => null }));
  equal(createLibcryptoAead(refusing), undefined);
  const { library: slow, now } = slowLibrary({ provided: 2, copied: 1 });
  const { EVP_CipherInit_ex: init, EVP_aes_128_gcm, EVP_aes_256_gcm } = slow.calls;
  const provided = new Set([EVP_aes_128_gcm(), EVP_aes_256_gcm()].map(addressOf));
  const calls: Calls = {
    ...slow.calls,
    EVP_CipherInit_ex: (context, cipher, ...others) =>
      provided.has(addressOf(cipher)) ? 0 : init(context, cipher, ...others),
  };
  equal(createLibcryptoAead({ ...slow, calls }, { now }), undefined);
});

function addressOf(pointer: Deno.PointerValue): bigint {
  return BigInt(Deno.UnsafePointer.value(pointer));
}

/** One call for a record, or for what looks like one. */
interface Step {
  readonly action: "seal" | "open" | "open forged";
  readonly salt: number;
  readonly number: bigint;
  /** Whether the nonce's end stands before the text. */
  readonly isExplicit: boolean;
  /** Whether the additional data ends with the text's length. */
  readonly isLengthTold: boolean;
  /** Whether nonce and additional data are written where they need not be copied. */
  readonly isInPlace: boolean;
  readonly length: number;
}

const steps = fc.array(
  fc.record<Step>({
    action: fc.constantFrom("seal", "seal", "open", "open forged"),
    salt: fc.constantFrom(1, 2 ** 32 - 1),
    // Many that follow one another, and where words end.
    number: fc.constantFrom(0n, 1n, 2n, 3n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 64n - 1n),
    isExplicit: fc.boolean(),
    isLengthTold: fc.boolean(),
    isInPlace: fc.boolean(),
    length: fc.constantFrom(0, 1, 16, 100, 1360),
  }),
  { maxLength: 30 },
);

/** Does it with both keys, and compares. The text begins at 30 of `record`. */
function takeStep(
  step: Step,
  { one, key, reference, record }: {
    readonly one: LibcryptoAead;
    readonly key: AeadKey;
    readonly reference: AeadKey;
    readonly record: Uint8Array;
  },
): void {
  const { nonce, aad } = step.isInPlace && one.operands !== undefined
    ? one.operands
    : { nonce: new Uint8Array(12), aad: new Uint8Array(13) };
  const [start, end] = [30, 30 + step.length];
  const view = new DataView(nonce.buffer, nonce.byteOffset, 12);
  view.setUint32(0, step.salt);
  view.setBigUint64(4, step.number);
  aad.fill(0xd7);
  if (step.isLengthTold) aad.set([step.length >> 8, step.length & 0xff], 11);
  record.fill(0xe1);
  if (step.isExplicit) record.set(nonce.subarray(4), start - 8);
  const operands = [nonce.slice(), aad.slice()] as const;
  const expected = record.slice();
  reference.seal(expected, start, end, ...operands);
  if (step.action === "seal") {
    key.seal(record, start, end, nonce, aad);
  } else {
    record.set(expected);
    if (step.action === "open forged") record[end + 3] = (record[end + 3] ?? 0) ^ 0x10;
    expected.set(record);
    equal(key.open(record, start, end, nonce, aad), step.action === "open");
    reference.open(expected, start, end, ...operands);
  }
  deepEqual(record, expected);
  deepEqual([nonce, aad], operands, "the operands are kept");
}

for (const one of libcryptos) {
  Deno.test(`${one.name}: any nonces, in any order and any way, do as node:crypto does`, () => {
    const record = one.allocate(30 + 1360 + 16 + 10);
    ok(record !== undefined);
    fc.assert(
      fc.property(fc.constantFrom("aes-128-gcm", "aes-256-gcm"), steps, (aead, list) => {
        const bytes = new Uint8Array(aead === "aes-128-gcm" ? 16 : 32).fill(9);
        const key = one.createKey(aead, bytes);
        const reference = nodeAead.createKey(aead, bytes);
        for (const step of list) takeStep(step, { one, key, reference, record });
        key.destroy();
      }),
      { numRuns: 150 },
    );
    one.release(record);
  });
}

Deno.test("a nonce that OpenSSL counted otherwise leaves nothing in the record", { ignore }, () => {
  for (const way of libcryptoWays.filter(({ isInTlsMode }) => isInTlsMode)) {
    let isDiverging = false;
    let recordOffset = 0;
    const diverging = library((calls, arena) => ({
      EVP_Cipher: (...args) => {
        const result = calls.EVP_Cipher?.(...args) ?? -1;
        const at = recordOffset - 1;
        if (isDiverging) arena.bytes[at] = (arena.bytes[at] ?? 0) + 1;
        return result;
      },
    }));
    const aead = createLibcryptoAead(diverging, { way });
    const record = aead?.allocate(8 + 20 + 16);
    const { nonce, aad } = aead?.operands ?? {};
    ok(aead !== undefined && record && nonce && aad);
    recordOffset = record.byteOffset + 8;
    const key = aead.createKey("aes-128-gcm", new Uint8Array(16));
    const seal = (number: number) => {
      nonce.fill(0);
      nonce[11] = number;
      aad.fill(0);
      aad[12] = 20;
      record.fill(0x55);
      record.set(nonce.subarray(4));
      key.seal(record, 8, 28, nonce, aad);
      return record.slice();
    };
    const first = seal(1);
    isDiverging = true;
    throws(() => seal(2), /cannot seal/, nameOf(way));
    deepEqual(record.slice(8), new Uint8Array(36));
    isDiverging = false;
    deepEqual(seal(1), first, "and the key seals with the nonces that it is given");
  }
});
