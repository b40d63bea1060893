import { equal } from "node:assert/strict";
import fc from "fast-check";
import { crc32c, extendCrc32c } from "../../../src/sctp/packet/crc32c.ts";
import { slowCrc32c } from "./slow_crc32c.ts";

const seed = 17;

const vectors: readonly (readonly [string, Uint8Array, number])[] = [
  ["no bytes", new Uint8Array(0), 0],
  ["32 zeros", new Uint8Array(32), 0x8a9136aa],
  ["32 bytes of ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ["0 to 31", Uint8Array.from({ length: 32 }, (_, n) => n), 0x46dd794e],
  ["31 to 0", Uint8Array.from({ length: 32 }, (_, n) => 31 - n), 0x113fdb5c],
  ["the digits", new TextEncoder().encode("123456789"), 0xe3069283],
];

for (const [name, bytes, expected] of vectors) {
  Deno.test(`the CRC32c of ${name} is that of RFC 3720, appendix B.4`, () => {
    equal(crc32c(bytes, 0, bytes.length), expected);
    equal(slowCrc32c(bytes), expected);
  });
}

Deno.test("equals its slow twin at every length and every start", () => {
  const bytes = Uint8Array.from({ length: 80 }, (_, n) => (n * 151 + 7) & 0xff);
  for (let start = 0; start < 16; start++) {
    for (let end = start; end <= bytes.length; end++) {
      equal(crc32c(bytes, start, end), slowCrc32c(bytes.subarray(start, end)), `${start} ${end}`);
    }
  }
});

Deno.test("equals its slow twin for random bytes, whole and in two pieces", () => {
  const bytesAndCut = fc.uint8Array({ maxLength: 1_500 }).chain((bytes) =>
    fc.tuple(fc.constant(bytes), fc.nat(bytes.length))
  );
  fc.assert(
    fc.property(bytesAndCut, ([bytes, cut]) => {
      const expected = slowCrc32c(bytes);
      equal(crc32c(bytes, 0, bytes.length), expected);
      equal(extendCrc32c(crc32c(bytes, 0, cut), bytes, cut, bytes.length), expected);
    }),
    { seed, numRuns: 500 },
  );
});
