import { equal } from "node:assert/strict";
import { writeAbort } from "../../../src/sctp/packet/abort_chunk.ts";
import { noUserData, userInitiatedAbort } from "../../../src/sctp/packet/error_cause.ts";

Deno.test("ABORT is written as RFC 9260 section 3.3.7 has it", () => {
  equal(writeAbort([], false).toHex(), "06000004");
  equal(writeAbort([], true).toHex(), "06010004");
  equal(
    writeAbort([userInitiatedAbort("a"), noUserData(7)], false).toHex(),
    "06000014" + "000c000561000000" + "0009000800000007",
  );
});

Deno.test("the length of an ABORT does not count the padding of its last cause", () => {
  const chunk = writeAbort([noUserData(7), userInitiatedAbort("a")], false);
  equal(chunk.toHex(), "06000011" + "0009000800000007" + "000c000561000000");
});
