import { equal } from "node:assert/strict";
import { classify } from "../../src/ice/classify.ts";

Deno.test("all 256 first bytes are told apart as RFC 7983 has it", () => {
  const counts = { stun: 0, dtls: 0, channelData: 0, other: 0 };
  for (let byte = 0; byte < 256; byte++) counts[classify(byte)]++;
  equal(JSON.stringify(counts), JSON.stringify({ stun: 4, dtls: 44, channelData: 16, other: 192 }));
  for (const [byte, kind] of [[0, "stun"], [3, "stun"], [4, "other"], [19, "other"]] as const) {
    equal(classify(byte), kind);
  }
  for (const [byte, kind] of [[20, "dtls"], [63, "dtls"], [64, "channelData"]] as const) {
    equal(classify(byte), kind);
  }
  equal(classify(79), "channelData");
  equal(classify(80), "other");
  equal(classify(128), "other");
});

Deno.test("an empty datagram is of no kind", () => {
  equal(classify(undefined), "other");
});
