import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { parseParameters, writeParameter } from "../../../src/sctp/packet/parameter.ts";
import { hex, parseAmid, readableLengths } from "./amid.ts";

const seed = 20;

Deno.test("a parameter is written as RFC 9260 section 3.2.1 has it", () => {
  equal(writeParameter(0x8008, hex("82c0")).toHex(), "80080006" + "82c00000");
  equal(writeParameter(0xc000, new Uint8Array(0)).toHex(), "c0000004");
});

Deno.test("any parameters are read as they were written", () => {
  const parameter = fc.record({
    type: fc.nat(0xffff),
    value: fc.uint8Array({ maxLength: 40 }),
  });
  fc.assert(
    fc.property(fc.array(parameter, { maxLength: 64 }), (parameters) => {
      const written = parameters.flatMap(({ type, value }) => [...writeParameter(type, value)]);
      const read = parseAmid(Uint8Array.from(written), parseParameters);
      deepEqual(
        read?.map(({ type, value }) => ({ type, value: value.toHex() })),
        parameters.map(({ type, value }) => ({ type, value: value.toHex() })),
      );
    }),
    { seed },
  );
});

Deno.test("parameters are whole, but for the padding of the last", () => {
  const bytes = hex("80080006 82c00000", "c0000004", "00070005 aa000000");
  deepEqual(readableLengths(bytes, parseParameters), [0, 6, 7, 8, 12, 17, 18, 19, 20]);
});

Deno.test("lengths below 4 and beyond the chunk are malformed", () => {
  for (const length of ["0000", "0003", "0009", "ffff"]) {
    equal(parseAmid(hex("0007", length, "01020304"), parseParameters), undefined);
  }
});

Deno.test("S20: more than 64 parameters are malformed", () => {
  const count = (parameters: number) =>
    parseAmid(hex("00070004".repeat(parameters)), parseParameters)?.length;
  equal(count(64), 64);
  equal(count(65), undefined);
});
