import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import {
  createSackFields,
  gapEnd,
  gapStart,
  parseSack,
  type SackFields,
  sackHeaderLength,
  writeDuplicate,
  writeGap,
  writeSackHeader,
} from "../../../src/sctp/packet/sack_chunk.ts";
import { hex, parseAmid, readableLengths } from "./amid.ts";

const seed = 21;

/** Two gap blocks, one duplicate. */
const example = hex(
  "0300001c",
  "fffffffe", // Cumulative TSN Ack
  "00020000", // a_rwnd
  "00020001",
  "00020003 00050005",
  "fffffffd",
);

interface Sack {
  readonly cumulativeTsnAck: number;
  readonly window: number;
  readonly gaps: readonly (readonly [number, number])[];
  readonly duplicates: readonly number[];
}

function write({ cumulativeTsnAck, window, gaps, duplicates }: Sack): Uint8Array {
  const out = new Uint8Array(sackHeaderLength + (gaps.length + duplicates.length) * 4);
  writeSackHeader(out, 0, cumulativeTsnAck, window, gaps.length, duplicates.length);
  gaps.forEach(([start, end], n) => writeGap(out, 16 + n * 4, start, end));
  duplicates.forEach((tsn, n) => writeDuplicate(out, 16 + (gaps.length + n) * 4, tsn));
  return out;
}

function parse(bytes: Uint8Array, into: SackFields = createSackFields()): boolean {
  return parseAmid(bytes, (...range) => parseSack(...range, into));
}

Deno.test("SACK is written as RFC 9260 section 3.3.4 has it", () => {
  const written = write({
    cumulativeTsnAck: 0xfffffffe,
    window: 131_072,
    gaps: [[2, 3], [5, 5]],
    duplicates: [0xfffffffd],
  });
  equal(written.toHex(), example.toHex());
});

Deno.test("any sound SACK is read as it was written", () => {
  const offsets = fc.uniqueArray(fc.integer({ min: 2, max: 0xffff }), { maxLength: 40 });
  const sack = fc.record({
    cumulativeTsnAck: fc.nat(0xffffffff),
    window: fc.nat(0xffffffff),
    gaps: offsets.map((list) => {
      const sorted = list.toSorted((one, other) => one - other);
      return Array.from(
        { length: sorted.length >> 1 },
        (_, n) => [sorted[n * 2] ?? 0, sorted[n * 2 + 1] ?? 0] as const,
      );
    }),
    duplicates: fc.array(fc.nat(0xffffffff), { maxLength: 5 }),
  });
  fc.assert(
    fc.property(sack, (written) => {
      const bytes = write(written);
      const fields = createSackFields();
      ok(parseSack(bytes, 0, bytes.length, fields));
      const gaps = written.gaps.map((
        _,
        n,
      ) => [gapStart(bytes, fields, n), gapEnd(bytes, fields, n)]);
      deepEqual(gaps, written.gaps);
      equal(fields.cumulativeTsnAck, written.cumulativeTsnAck);
      equal(fields.advertisedReceiverWindowCredit, written.window);
      equal(fields.duplicateCount, written.duplicates.length);
    }),
    { seed },
  );
});

/** The numbers of gap blocks and duplicates the header claims, and what follows it. */
type Crafted = readonly [name: string, gapCount: number, duplicateCount: number, rest: string];

const crafted: readonly Crafted[] = [
  ["a block that starts at 0", 1, 0, "00000003"],
  ["a block that is 0 to 0", 1, 0, "00000000"],
  ["a block that starts at 1", 1, 0, "00010003"],
  ["a block that is 1 to 1", 1, 0, "00010001"],
  ["a block that is 0 to 65535", 1, 0, "0000ffff"],
  ["a block that is 1 to 65535", 1, 0, "0001ffff"],
  ["a block that ends before it starts", 1, 0, "00050004"],
  ["a block that ends at 0", 1, 0, "00020000"],
  ["a block that ends at 1", 1, 0, "00020001"],
  ["a block reversed from the end", 1, 0, "ffff0002"],
  ["a block reversed by one at the end", 1, 0, "fffffffe"],
  ["a block that wraps to 0", 1, 0, "ffff0000"],
  ["a block that is reversed at 2^15", 1, 0, "80007fff"],
  ["the same block twice", 2, 0, "00030004 00030004"],
  ["the same block of one twice", 2, 0, "00030003 00030003"],
  ["a block that starts where the last ended", 2, 0, "00030004 00040006"],
  ["a block within the last", 2, 0, "00030009 00050006"],
  ["a block around the last", 2, 0, "00050006 00030009"],
  ["blocks in descending order", 2, 0, "00080009 00030004"],
  ["a block that overlaps the last by two", 2, 0, "00030008 00070009"],
  ["a block after 65535", 2, 0, "0003ffff 00020002"],
  ["a block at 65535 twice", 2, 0, "ffffffff ffffffff"],
  ["a block reversed after a sound one", 2, 0, "00030004 00080007"],
  ["a third block out of order", 3, 0, "00030004 00060007 00050005"],
  ["a third block that starts at 1", 3, 0, "00030004 00060007 00010009"],
  ["a last block of zeros", 3, 0, "00030004 00060007 00000000"],
  ["a first block of zeros", 3, 0, "00000000 00030004 00060007"],
  ["one block claimed, none there", 1, 0, ""],
  ["two blocks claimed, one there", 2, 0, "00030004"],
  ["65535 blocks claimed, none there", 0xffff, 0, ""],
  ["65535 blocks and duplicates claimed", 0xffff, 0xffff, "00030004"],
  ["one duplicate claimed, none there", 0, 1, ""],
  ["65535 duplicates claimed, one there", 0, 0xffff, "00000001"],
  ["16384 duplicates claimed: 2^16 bytes", 0, 0x4000, ""],
  ["16384 blocks claimed: 2^16 bytes", 0x4000, 0, ""],
  ["no block claimed, one there", 0, 0, "00030004"],
  ["no duplicate claimed, one there", 1, 0, "00030004 00000001"],
  ["one byte too many", 1, 0, "0003000400"],
  ["two bytes too many", 0, 1, "000000010000"],
  ["a block cut in half", 1, 0, "0003"],
  ["a duplicate cut in half", 1, 1, "00030004 0000"],
  ["a duplicate read as a block", 2, 0, "00030004 00000001"],
];

for (const [name, gapCount, duplicateCount, rest] of crafted) {
  Deno.test(`S6: a SACK with ${name} is malformed, and changes nothing`, () => {
    const header = new Uint8Array(sackHeaderLength);
    writeSackHeader(header, 0, 1000, 1000, gapCount, duplicateCount);
    const fields = createSackFields();
    ok(!parse(Uint8Array.of(...header, ...hex(rest)), fields));
    deepEqual(fields, createSackFields());
  });
}

Deno.test("S6: blocks at the very ends are sound", () => {
  for (
    const gaps of ["0002ffff", "ffffffff", "00020002", "0002fffe ffffffff", "00020003 00040005"]
  ) {
    const rest = hex(gaps);
    const header = new Uint8Array(sackHeaderLength);
    writeSackHeader(header, 0, 0xffffffff, 0, rest.length / 4, 0);
    ok(parse(Uint8Array.of(...header, ...rest)), gaps);
  }
});

Deno.test("S6: a SACK is malformed where a byte is missing", () => {
  const bytes = write({ cumulativeTsnAck: 9, window: 9, gaps: [[2, 3], [5, 5]], duplicates: [8] });
  const into = createSackFields();
  deepEqual(readableLengths(bytes, (...range) => parseSack(...range, into)), [bytes.length]);
});
