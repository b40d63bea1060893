import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import {
  parseShutdown,
  writeShutdown,
  writeShutdownAck,
  writeShutdownComplete,
} from "../../../src/sctp/packet/shutdown_chunk.ts";
import { hex, parseAmid, readableLengths } from "./amid.ts";

const seed = 24;

Deno.test("the chunks of a shutdown are written as RFC 9260 section 3.3 has them", () => {
  equal(writeShutdown(0xfffffffe).toHex(), "07000008" + "fffffffe");
  equal(writeShutdownAck().toHex(), "08000004");
  equal(writeShutdownComplete(false).toHex(), "0e000004");
  equal(writeShutdownComplete(true).toHex(), "0e010004");
});

Deno.test("a SHUTDOWN is read as it was written", () => {
  fc.assert(
    fc.property(
      fc.nat(0xffffffff),
      (tsn) => equal(parseAmid(writeShutdown(tsn), parseShutdown), tsn),
    ),
    { seed },
  );
});

Deno.test("a SHUTDOWN is malformed where a byte is missing or too many", () => {
  deepEqual(readableLengths(hex("0700000c", "00000001", "00000000"), parseShutdown), [8]);
});
