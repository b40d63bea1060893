import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { keyLengths } from "../../src/crypto/aead_sizes.ts";
import { maxAadLength, maxCopiedLength } from "../../src/crypto/libcrypto_desk.ts";
import { nodeAead } from "../../src/crypto/node_aead.ts";
import type { AeadKey, AeadName, AeadProvider } from "../../src/dtls/aead.ts";
import { backEnds, libcryptos } from "./back_ends.ts";
import { type AeadGroup, readAead } from "./vectors.ts";

const names: readonly AeadName[] = ["aes-128-gcm", "aes-256-gcm", "chacha20-poly1305"];
const tagLength = 16;

/** Where V8 keeps an array, and how FFI passes it, changes at 64 bytes. */
const borderLengths = [0, 1, 47, 48, 49, 63, 64, 65, 255, 16_384, 65_535];

const none = new Uint8Array();
const nonce = Uint8Array.from({ length: 12 }, (_, position) => position + 1);
const header = Uint8Array.from({ length: 13 }, (_, position) => 0xf0 ^ position);

function createKey(provider: AeadProvider, name: AeadName): AeadKey {
  return provider.createKey(name, patterned(keyLengths[name], 7));
}

/** Bytes that differ from their neighbours and, by the seed, from each other. */
function patterned(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let offset = 0; offset < length; offset++) bytes[offset] = (offset * 167 + seed * 31) & 0xff;
  return bytes;
}

/** A buffer with the text at an offset, room for the tag, and a margin around both. */
function buffered(text: Uint8Array, { before, after }: { before: number; after: number }) {
  const bytes = new Uint8Array(before + text.length + tagLength + after).fill(0xee);
  bytes.set(text, before);
  return { bytes, start: before, end: before + text.length };
}

function sealed(
  key: AeadKey,
  text: Uint8Array,
  { nonce: chosen = nonce, aad = header }: { nonce?: Uint8Array; aad?: Uint8Array } = {},
): Uint8Array {
  const { bytes, start, end } = buffered(text, { before: 0, after: 0 });
  key.seal(bytes, start, end, chosen, aad);
  return bytes;
}

for (const provider of backEnds) {
  for (const [file, nameOf, count] of wycheproof()) {
    Deno.test(`${provider.name}: all of Wycheproof's ${file}`, () => {
      let checked = 0;
      for (const group of readAead(file)) {
        for (const one of group.tests) {
          checkVector(provider, nameOf(group), one);
          checked++;
        }
      }
      equal(checked, count);
    });
  }

  Deno.test(`${provider.name}: seals and opens every size at the FFI border, and in place`, () => {
    for (const name of names) {
      const key = createKey(provider, name);
      for (const length of borderLengths) {
        const text = patterned(length, length);
        for (const before of [0, 1, 13]) {
          const { bytes, start, end } = buffered(text, { before, after: 3 });
          key.seal(bytes, start, end, nonce, header);
          const ciphertext = bytes.slice(start, end);
          if (length > 15) ok(ciphertext.some((byte, offset) => byte !== text[offset]));
          ok(bytes.subarray(0, start).every((byte) => byte === 0xee), "bytes before are kept");
          ok(bytes.subarray(end + tagLength).every((byte) => byte === 0xee), "and bytes after");
          const tag = bytes.slice(end, end + tagLength);
          ok(key.open(bytes, start, end, nonce, header), `${name} ${length}`);
          deepEqual(bytes.subarray(start, end), text);
          deepEqual(bytes.subarray(end, end + tagLength), tag, "the tag is kept");
          ok(bytes.subarray(0, start).every((byte) => byte === 0xee), "bytes before are kept");
          ok(bytes.subarray(end + tagLength).every((byte) => byte === 0xee), "and bytes after");
        }
      }
      key.destroy();
    }
  });

  Deno.test(`${provider.name}: works on views into a larger buffer`, () => {
    const key = createKey(provider, "aes-128-gcm");
    const text = patterned(100, 3);
    const view = new Uint8Array(new ArrayBuffer(1000), 301, 300);
    view.set(text, 5);
    key.seal(view, 5, 105, nonce, header);
    deepEqual(view.slice(5, 121), sealed(key, text));
    const longNonce = new Uint8Array([9, ...nonce, 9]).subarray(1, 13);
    const longHeader = new Uint8Array([9, ...header, 9]).subarray(1, 14);
    ok(key.open(view, 5, 105, longNonce, longHeader));
    deepEqual(view.slice(5, 105), text);
  });

  Deno.test(`${provider.name}: a wrong bit in text, tag, nonce or header opens nothing`, () => {
    const text = patterned(40, 1);
    for (const name of names) {
      const key = createKey(provider, name);
      const good = sealed(key, text);
      for (let bit = 0; bit < good.length * 8; bit++) {
        const bad = flipped(good, bit);
        equal(key.open(bad, 0, text.length, nonce, header), false, `bit ${bit}`);
        ok(bad.subarray(0, text.length).every((byte) => byte === 0), "no plaintext is left");
      }
      for (let bit = 0; bit < nonce.length * 8; bit++) {
        equal(key.open(good.slice(), 0, text.length, flipped(nonce, bit), header), false);
      }
      for (let bit = 0; bit < header.length * 8; bit++) {
        equal(key.open(good.slice(), 0, text.length, nonce, flipped(header, bit)), false);
      }
      equal(key.open(good.slice(), 0, text.length, nonce, none), false);
      equal(key.open(good.slice(), 0, text.length - 1, nonce, header), false);
      ok(key.open(good, 0, text.length, nonce, header), "and the key still works");
      deepEqual(good.slice(0, text.length), text);
    }
  });

  Deno.test(`${provider.name}: without room for the tag, seals nothing and opens nothing`, () => {
    const key = createKey(provider, "aes-256-gcm");
    const bytes = patterned(40, 1);
    const before = bytes.slice();
    const places = [[0, 25], [0, 40], [-1, 4], [5, 4], [41, 41], [NaN, 4], [0, NaN], [0, Infinity]];
    for (const [start = 0, end = 0] of places) {
      throws(() => key.seal(bytes, start, end, nonce, header), RangeError, `${start}, ${end}`);
      equal(key.open(bytes, start, end, nonce, header), false, `${start}, ${end}`);
    }
    for (const length of [0, 11, 13, 16]) {
      throws(() => key.seal(bytes, 0, 8, new Uint8Array(length), header), RangeError);
      equal(key.open(bytes, 0, 8, new Uint8Array(length), header), false);
    }
    deepEqual(bytes, before);
  });

  Deno.test(`${provider.name}: a key of another length is refused`, () => {
    for (const name of names) {
      for (const length of [0, 15, 16, 17, 24, 31, 32, 33]) {
        if (length === keyLengths[name]) continue;
        throws(() => provider.createKey(name, new Uint8Array(length)), RangeError);
      }
    }
  });

  Deno.test(`${provider.name}: the caller may erase the key it gave`, () => {
    const given = patterned(16, 7);
    const key = provider.createKey("aes-128-gcm", given);
    given.fill(0);
    deepEqual(sealed(key, header), sealed(createKey(nodeAead, "aes-128-gcm"), header));
  });

  Deno.test(`${provider.name}: a destroyed key seals and opens nothing`, () => {
    const key = createKey(provider, "chacha20-poly1305");
    const record = sealed(key, patterned(30, 2));
    key.destroy();
    key.destroy();
    equal(key.open(record.slice(), 0, 30, nonce, header), false);
    const text = patterned(46, 2);
    throws(() => key.seal(text, 0, 30, nonce, header), /destroyed/);
    ok(text.every((byte) => byte === 0), "plaintext is not left where ciphertext is expected");
  });

  Deno.test(`${provider.name}: keys do not disturb one another`, () => {
    const keys = names.flatMap((name) =>
      [1, 2, 3].map((seed) => provider.createKey(name, patterned(keyLengths[name], seed)))
    );
    const text = patterned(77, 4);
    const records = keys.map((key) => sealed(key, text));
    for (const [at, key] of keys.entries()) {
      for (const [other, record] of records.entries()) {
        equal(key.open(record.slice(), 0, text.length, nonce, header), at === other);
      }
    }
    keys.forEach((key) => key.destroy());
  });

  Deno.test(`${provider.name}: agrees with node:crypto byte for byte, and opens what it seals`, () => {
    fc.assert(
      fc.property(
        fc.record({
          name: fc.constantFrom(...names),
          key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
          nonce: fc.uint8Array({ minLength: 12, maxLength: 12 }),
          aad: fc.uint8Array({ maxLength: 80 }),
          text: fc.uint8Array({ maxLength: 2000, size: "max" }),
          before: fc.nat(70),
          after: fc.nat(70),
        }),
        ({ name, key, nonce, aad, text, before, after }) => {
          const length = keyLengths[name];
          const mine = provider.createKey(name, key.subarray(0, length));
          const reference = nodeAead.createKey(name, key.subarray(0, length));
          const { bytes, start, end } = buffered(text, { before, after });
          const other = bytes.slice();
          mine.seal(bytes, start, end, nonce, aad);
          reference.seal(other, start, end, nonce, aad);
          equal(compareBytes(bytes, other), 0);
          ok(mine.open(other, start, end, nonce, aad));
          ok(reference.open(bytes, start, end, nonce, aad));
          equal(compareBytes(bytes, other), 0);
          equal(compareBytes(bytes.subarray(start, end), text), 0);
          mine.destroy();
        },
      ),
      { numRuns: 400 },
    );
  });
}

for (const provider of libcryptos) {
  Deno.test(`${provider.name}: in its own memory it does the same without copying`, () => {
    for (const name of names) {
      const key = createKey(provider, name);
      for (const length of borderLengths) {
        const text = patterned(length, 5);
        const piece = provider.allocate(length + tagLength + 20);
        ok(piece !== undefined);
        piece.fill(0xee);
        piece.set(text, 13);
        key.seal(piece, 13, 13 + length, nonce, header);
        deepEqual(piece.slice(13, 13 + length + tagLength), sealed(key, text));
        ok([0, 12, length + 29, length + 35].every((offset) => piece[offset] === 0xee));
        const bad = flipped(piece, (13 + length) * 8);
        ok(key.open(piece, 13, 13 + length, nonce, header));
        deepEqual(piece.slice(13, 13 + length), text);
        piece.set(bad);
        equal(key.open(piece, 13, 13 + length, nonce, header), false);
        ok(piece.subarray(13, 13 + length).every((byte) => byte === 0), "no plaintext is left");
        ok([0, 12, length + 29, length + 35].every((offset) => piece[offset] === 0xee));
        ok(provider.release(piece));
      }
    }
  });

  Deno.test(`${provider.name}: reads nonce and header where they lie, and copies others`, () => {
    const { operands } = provider;
    ok(operands !== undefined);
    deepEqual([operands.nonce.length, operands.aad.length], [12, 13]);
    const text = patterned(77, 6);
    for (const name of names) {
      const [key, other] = [createKey(provider, name), createKey(provider, name)];
      const good = sealed(createKey(nodeAead, name), text);
      for (const [isNonceOurs, isAadOurs] of [[true, true], [true, false], [false, true]]) {
        // Another key's call in between, with operands of its own.
        sealed(other, text, { nonce: patterned(12, 3), aad: patterned(13, 3) });
        operands.nonce.set(nonce);
        operands.aad.set(header);
        const mine: Uint8Array = isNonceOurs ? operands.nonce : nonce.slice();
        const aad: Uint8Array = isAadOurs ? operands.aad : header.slice();
        deepEqual(sealed(key, text, { nonce: mine, aad }), good);
        const opens = () => key.open(good.slice(), 0, text.length, mine, aad);
        ok(opens());
        deepEqual([operands.nonce, operands.aad], [nonce, header], "and they are kept");
        for (const operand of [mine, aad]) {
          const first = operand[0] ?? 0;
          operand[0] = first ^ 1;
          equal(opens(), false);
          operand[0] = first;
          // Of a copy, only the other operand is where it was.
          operands.nonce.set(nonce);
          operands.aad.set(header);
          ok(opens(), "the key still works");
        }
      }
      key.destroy();
      other.destroy();
    }
  });

  Deno.test(`${provider.name}: refuses what does not fit its desk`, () => {
    const key = createKey(provider, "aes-128-gcm");
    const longest = new Uint8Array(maxCopiedLength + tagLength);
    key.seal(longest, 0, maxCopiedLength, nonce, new Uint8Array(maxAadLength));
    ok(key.open(longest, 0, maxCopiedLength, nonce, new Uint8Array(maxAadLength)));
    const reference = createKey(nodeAead, "aes-128-gcm");
    for (const excess of [1, 200]) {
      const tooLong = new Uint8Array(maxCopiedLength + excess);
      const record = sealed(reference, tooLong);
      throws(() => sealed(key, tooLong), RangeError);
      equal(key.open(record, 0, tooLong.length, nonce, header), false);
      const aad = new Uint8Array(maxAadLength + excess);
      const other = sealed(reference, header, { aad });
      throws(() => sealed(key, header, { aad }), RangeError);
      equal(key.open(other, 0, header.length, nonce, aad), false);
    }
  });

  Deno.test(`${provider.name}: is not disturbed by the garbage collector`, () => {
    const key = createKey(provider, "aes-128-gcm");
    const reference = createKey(nodeAead, "aes-128-gcm");
    const kept: Uint8Array[] = [];
    for (let round = 0; round < 20_000; round++) {
      const text = patterned(round % 90, round);
      const record = sealed(key, text);
      kept[round % 100] = record;
      if (round % 50 === 0) deepEqual(record, sealed(reference, text));
      ok(key.open(record, 0, text.length, nonce, header));
    }
  });

  Deno.test(`${provider.name}: keeps no copy of a key in its own memory`, () => {
    const key = provider.createKey("aes-256-gcm", patterned(32, 99));
    const piece = provider.allocate(1);
    ok(piece !== undefined);
    equal(Buffer.from(piece.buffer).indexOf(patterned(32, 99)), -1);
    provider.release(piece);
    key.destroy();
  });

  Deno.test(`${provider.name}: a destroyed key leaves no memory behind`, () => {
    const rounds = (count: number) => {
      for (let round = 0; round < count; round++) createKey(provider, "aes-256-gcm").destroy();
    };
    rounds(5_000);
    const before = Deno.memoryUsage().rss;
    rounds(40_000);
    const growth = Deno.memoryUsage().rss - before;
    ok(growth < 20_000_000, `40,000 keys took ${growth} bytes`);
  });
}

function wycheproof(): readonly (readonly [
  "aes_gcm" | "chacha20_poly1305",
  (group: AeadGroup) => AeadName,
  number,
])[] {
  return [
    ["aes_gcm", ({ keySize }) => keySize === 128 ? "aes-128-gcm" : "aes-256-gcm", 133],
    ["chacha20_poly1305", () => "chacha20-poly1305", 316],
  ];
}

function checkVector(
  provider: AeadProvider,
  name: AeadName,
  vector: AeadGroup["tests"][number],
): void {
  const [key, iv, aad, text, ciphertext, tag] = [
    vector.key,
    vector.iv,
    vector.aad,
    vector.msg,
    vector.ct,
    vector.tag,
  ].map(Uint8Array.fromHex) as [Uint8Array, Uint8Array, Uint8Array, ...Uint8Array[]];
  const isValid = vector.result === "valid";
  const aeadKey = provider.createKey(name, key);
  const { bytes, start, end } = buffered(ciphertext ?? none, { before: 2, after: 1 });
  bytes.set(tag ?? none, end);
  equal(aeadKey.open(bytes, start, end, iv, aad), isValid, `${vector.tcId}`);
  if (isValid) {
    deepEqual(bytes.slice(start, end), text, `${vector.tcId}`);
    const record = sealed(aeadKey, text ?? none, { nonce: iv, aad });
    equal(record.toHex(), vector.ct + vector.tag, `${vector.tcId}`);
  }
  aeadKey.destroy();
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

/** 0 where they are equal; much cheaper than deepEqual. */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}
