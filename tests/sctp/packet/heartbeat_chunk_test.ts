import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import {
  parseHeartbeatInfo,
  writeHeartbeat,
  writeHeartbeatAck,
} from "../../../src/sctp/packet/heartbeat_chunk.ts";
import { hex, parseAmid, readableLengths, withoutPadding } from "./amid.ts";

const seed = 23;

Deno.test("HEARTBEAT and its ack are written as RFC 9260 sections 3.3.5 and 3.3.6 have them", () => {
  equal(writeHeartbeat(hex("0102030405")).toHex(), "0400000d" + "00010009" + "0102030405000000");
  equal(writeHeartbeatAck(hex("01020304")).toHex(), "0500000c" + "00010008" + "01020304");
});

Deno.test("the information is read as it was written, and outlives the packet", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (info) => {
      const chunk = withoutPadding(writeHeartbeat(info));
      equal(parseAmid(chunk, parseHeartbeatInfo)?.toHex(), info.toHex());
      const read = parseHeartbeatInfo(chunk, 0, chunk.length);
      chunk.fill(0xee);
      equal(read?.toHex(), info.toHex());
    }),
    { seed },
  );
});

Deno.test("a heartbeat is malformed where a byte is missing", () => {
  const chunk = hex("0400000d", "00010009", "0102030405");
  deepEqual(readableLengths(chunk, parseHeartbeatInfo), [13]);
});

Deno.test("a heartbeat without information is malformed", () => {
  equal(parseAmid(hex("04000004"), parseHeartbeatInfo), undefined);
  equal(parseAmid(hex("0400000c", "00020008 01020304"), parseHeartbeatInfo), undefined);
});

Deno.test("S19: a heartbeat with more than 1024 bytes of information is dropped", () => {
  const read = (length: number) =>
    parseAmid(writeHeartbeat(new Uint8Array(length)), parseHeartbeatInfo)?.length;
  equal(read(1024), 1024);
  equal(read(1025), undefined);
});
