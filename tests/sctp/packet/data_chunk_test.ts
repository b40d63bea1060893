import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import {
  createDataFields,
  dataFlags,
  dataHeaderLength,
  iDataHeaderLength,
  parseData,
  writeDataHeader,
  writeIDataHeader,
} from "../../../src/sctp/packet/data_chunk.ts";
import { hex, readableLengths } from "./amid.ts";

const seed = 28;
const uint16 = fc.nat(0xffff);
const uint32 = fc.nat(0xffffffff);

Deno.test("DATA is written as RFC 9260 section 3.3.1 has it, and read back", () => {
  const out = new Uint8Array(19);
  writeDataHeader(out, 0, dataFlags.beginning | dataFlags.ending, 0xfffffffe, 1, 0xffff, 51, 3);
  equal(out.toHex(), "00030013" + "fffffffe" + "0001ffff" + "00000033" + "000000");
  const fields = createDataFields();
  ok(parseData(out, 0, out.length, false, fields));
  deepEqual(fields, {
    flags: 3,
    tsn: 0xfffffffe,
    streamId: 1,
    messageNumber: 0xffff,
    ppid: 51,
    fragmentNumber: 0,
    payloadStart: 16,
    payloadEnd: 19,
  });
});

Deno.test("I-DATA is written as RFC 8260 section 2.1 has it, and read back", () => {
  const out = new Uint8Array(21);
  writeIDataHeader(out, 0, dataFlags.beginning, 1, 2, 0xffffffff, 53, 1);
  equal(out.toHex(), "40020015" + "00000001" + "00020000" + "ffffffff" + "00000035" + "00");
  const fields = createDataFields();
  ok(parseData(out, 0, out.length, true, fields));
  equal(fields.ppid, 53);
  equal(fields.fragmentNumber, 0);
  out[1] = 0;
  ok(parseData(out, 0, out.length, true, fields));
  equal(fields.ppid, 0);
  equal(fields.fragmentNumber, 53);
  deepEqual([fields.payloadStart, fields.payloadEnd], [20, 21]);
});

Deno.test("any DATA or I-DATA header is read as it was written", () => {
  fc.assert(
    fc.property(
      fc.nat(15),
      uint32,
      uint16,
      uint32,
      uint32,
      (flags, tsn, streamId, number, last) => {
        const out = new Uint8Array(iDataHeaderLength);
        const fields = createDataFields();
        const common = { flags, tsn, streamId };
        writeDataHeader(out, 0, flags, tsn, streamId, number & 0xffff, last, 0);
        ok(parseData(out, 0, dataHeaderLength, false, fields));
        deepEqual(fields, {
          ...common,
          messageNumber: number & 0xffff,
          ppid: last,
          fragmentNumber: 0,
          payloadStart: dataHeaderLength,
          payloadEnd: dataHeaderLength,
        });
        writeIDataHeader(out, 0, flags, tsn, streamId, number, last, 0);
        ok(parseData(out, 0, iDataHeaderLength, true, fields));
        const isFirst = (flags & dataFlags.beginning) !== 0;
        deepEqual(fields, {
          ...common,
          messageNumber: number,
          ppid: isFirst ? last : 0,
          fragmentNumber: isFirst ? 0 : last,
          payloadStart: iDataHeaderLength,
          payloadEnd: iDataHeaderLength,
        });
      },
    ),
    { seed },
  );
});

Deno.test("a piece is malformed where its header is not whole", () => {
  const into = createDataFields();
  const plain = hex("00030012", "00000001", "00010002", "00000033", "abcd");
  const interleaved = hex("40030015", "00000001", "00010000", "00000002", "00000033", "ab");
  deepEqual(readableLengths(plain, (...range) => parseData(...range, false, into)), [16, 17, 18]);
  deepEqual(readableLengths(interleaved, (...range) => parseData(...range, true, into)), [20, 21]);
});
