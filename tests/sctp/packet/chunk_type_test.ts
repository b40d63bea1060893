import { equal } from "node:assert/strict";
import { chunkTypes, unknownAction } from "../../../src/sctp/packet/chunk_type.ts";

const actions = ["stop", "stop-and-report", "skip", "skip-and-report"] as const;

Deno.test("S16: the highest two bits of a chunk type say what to do with one unknown", () => {
  for (let type = 0; type < 2 ** 8; type++) {
    equal(unknownAction(type, "chunk"), actions[Math.floor(type / 2 ** 6)], `${type}`);
  }
});

Deno.test("S16: the highest two bits of a parameter type say what to do with one unknown", () => {
  for (let type = 0; type < 2 ** 16; type++) {
    equal(unknownAction(type, "parameter"), actions[Math.floor(type / 2 ** 14)], `${type}`);
  }
});

Deno.test("peers without an extension pass over its chunks, but not over I-DATA", () => {
  equal(unknownAction(chunkTypes.iData, "chunk"), "stop-and-report");
  equal(unknownAction(chunkTypes.reConfig, "chunk"), "skip");
  equal(unknownAction(chunkTypes.pad, "chunk"), "skip");
  equal(unknownAction(chunkTypes.forwardTsn, "chunk"), "skip-and-report");
  equal(unknownAction(chunkTypes.iForwardTsn, "chunk"), "skip-and-report");
});
