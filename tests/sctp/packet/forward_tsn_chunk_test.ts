import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import {
  parseForwardTsn,
  type SkippedMessage,
  writeForwardTsn,
} from "../../../src/sctp/packet/forward_tsn_chunk.ts";
import { hex, parseAmid, readableLengths } from "./amid.ts";

const seed = 26;

const parsePlain = (bytes: Uint8Array, start: number, end: number) =>
  parseForwardTsn(bytes, start, end, false);
const parseInterleaved = (bytes: Uint8Array, start: number, end: number) =>
  parseForwardTsn(bytes, start, end, true);

const plainHex = "c0000010" + "fffffffe" + "0001ffff" + "ffff0000";
const plain = {
  newCumulativeTsn: 0xfffffffe,
  skipped: [
    { streamId: 1, isUnordered: false, messageNumber: 0xffff },
    { streamId: 0xffff, isUnordered: false, messageNumber: 0 },
  ],
};
const interleavedHex = "c2000018" + "00000005" + "00010000" + "ffffffff" + "00010001" + "00000002";
const interleaved = {
  newCumulativeTsn: 5,
  skipped: [
    { streamId: 1, isUnordered: false, messageNumber: 0xffffffff },
    { streamId: 1, isUnordered: true, messageNumber: 2 },
  ],
};

Deno.test("FORWARD TSN is written as RFC 3758 section 3.2 has it, and read back", () => {
  equal(writeForwardTsn(plain, false).toHex(), plainHex);
  deepEqual(parseAmid(hex(plainHex), parsePlain), plain);
});

Deno.test("I-FORWARD-TSN is written as RFC 8260 section 2.3.1 has it, and read back", () => {
  equal(writeForwardTsn(interleaved, true).toHex(), interleavedHex);
  deepEqual(parseAmid(hex(interleavedHex), parseInterleaved), interleaved);
});

Deno.test("reserved bits of an I-FORWARD-TSN are ignored", () => {
  const bytes = hex("c2000010", "00000005", "0001fffe", "00000002");
  deepEqual(parseAmid(bytes, parseInterleaved)?.skipped[0]?.isUnordered, false);
});

Deno.test("unordered messages are left out of a FORWARD TSN", () => {
  equal(writeForwardTsn(interleaved, false).toHex(), "c000000c" + "00000005" + "0001ffff");
});

Deno.test("any FORWARD TSN or I-FORWARD-TSN is read as it was written", () => {
  const skipped: fc.Arbitrary<SkippedMessage> = fc.record({
    streamId: fc.nat(0xffff),
    isUnordered: fc.boolean(),
    messageNumber: fc.nat(0xffffffff),
  });
  const forward = fc.record({ newCumulativeTsn: fc.nat(0xffffffff), skipped: fc.array(skipped) });
  fc.assert(
    fc.property(forward, ({ newCumulativeTsn, skipped }) => {
      const all = { newCumulativeTsn, skipped: skipped.map((one) => ({ ...one })) };
      deepEqual(parseAmid(writeForwardTsn(all, true), parseInterleaved), all);
      const short = skipped.map(({ streamId, messageNumber }) => ({
        streamId,
        isUnordered: false,
        messageNumber: messageNumber & 0xffff,
      }));
      const ordered = { newCumulativeTsn, skipped: short };
      deepEqual(parseAmid(writeForwardTsn(ordered, false), parsePlain), ordered);
    }),
    { seed },
  );
});

Deno.test("each is whole at its entries only", () => {
  deepEqual(readableLengths(hex(plainHex), parsePlain), [8, 12, 16]);
  deepEqual(readableLengths(hex(interleavedHex), parseInterleaved), [8, 16, 24]);
});

Deno.test("S13: more entries than a DTLS record has room for are malformed", () => {
  const bytes = new Uint8Array(8 + 4097 * 4);
  equal(parsePlain(bytes, 0, bytes.length - 4)?.skipped.length, 4096);
  equal(parsePlain(bytes, 0, bytes.length), undefined);
});
