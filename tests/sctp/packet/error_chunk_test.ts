import { equal } from "node:assert/strict";
import { noUserData, unrecognizedChunkType } from "../../../src/sctp/packet/error_cause.ts";
import { maxErrorLength, writeError } from "../../../src/sctp/packet/error_chunk.ts";
import { hex } from "./amid.ts";

const causes = [noUserData(7), unrecognizedChunkType(hex("3f000005 aa")), noUserData(8)];

Deno.test("ERROR is written as RFC 9260 section 3.3.10 has it", () => {
  equal(
    writeError(causes, 1200).toHex(),
    "09000020" + "0009000800000007" + "000600093f000005aa000000" + "0009000800000008",
  );
});

Deno.test("S16: an ERROR is never longer than asked for", () => {
  const lengths = Array.from({ length: 33 }, (_, limit) => writeError(causes, limit).length);
  equal(lengths[32], 32);
  equal(lengths[31], 24);
  equal(lengths[24], 24);
  equal(lengths[23], 12);
  equal(lengths[12], 12);
  equal(lengths[11], 4);
  equal(
    writeError(causes, 30).toHex(),
    "09000015" + "0009000800000007" + "000600093f000005aa000000",
  );
});

Deno.test("S16: the longest chunk that is not recognized is reported all the same", () => {
  const cause = unrecognizedChunkType(new Uint8Array(65_535));
  equal(writeError([cause], maxErrorLength).length, maxErrorLength);
});
