import { equal } from "node:assert/strict";
import { writePad } from "../../../src/sctp/packet/pad_chunk.ts";

Deno.test("PAD is written as RFC 4820 section 3 has it, over what was there", () => {
  const out = new Uint8Array(12).fill(0xee);
  writePad(out, 2, 8);
  equal(out.toHex(), "eeee" + "84000008" + "00000000" + "eeee");
});

Deno.test("a PAD may be a header only, or fill a jumbo packet", () => {
  const out = new Uint8Array(9_000);
  writePad(out, 0, 4);
  equal(out.slice(0, 4).toHex(), "84000004");
  writePad(out, 0, out.length);
  equal(out.slice(0, 4).toHex(), "84002328");
});
