import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import {
  causeCodes,
  cookieReceivedWhileShuttingDown,
  describeErrorCauses,
  noUserData,
  protocolViolation,
  staleCookie,
  unrecognizedChunkType,
  unrecognizedParameters,
  userInitiatedAbort,
  writeErrorCause,
} from "../../../src/sctp/packet/error_cause.ts";
import { hex, parseAmid } from "./amid.ts";

const seed = 25;

function describe(...causes: readonly Uint8Array[]): string {
  return parseAmid(hex(...causes.map((cause) => cause.toHex())), describeErrorCauses);
}

Deno.test("error causes are written as RFC 9260 section 3.3.10 has them", () => {
  equal(staleCookie(1_000_000).toHex(), "00030008" + "000f4240");
  equal(unrecognizedChunkType(hex("3f000005 aa")).toHex(), "00060009" + "3f000005aa000000");
  equal(noUserData(0xfffffffe).toHex(), "00090008" + "fffffffe");
  equal(cookieReceivedWhileShuttingDown().toHex(), "000a0004");
  equal(userInitiatedAbort("bye").toHex(), "000c0007" + "62796500");
  equal(protocolViolation("no").toHex(), "000d0006" + "6e6f0000");
});

Deno.test("unrecognized parameters stand one after the other, padded", () => {
  const cause = unrecognizedParameters([hex("c1230005 aa"), hex("c1240004")]);
  equal(cause.toHex(), "00080010" + "c1230005aa000000" + "c1240004");
});

Deno.test("causes fit in a packet, and texts end with a whole character", () => {
  equal(unrecognizedChunkType(new Uint8Array(5_000)).length, 4 + 504);
  const cause = userInitiatedAbort("\u{1f600}".repeat(1_000) + "x");
  equal(cause.length, 4 + 504);
  const odd = protocolViolation("x" + "\u20ac".repeat(1_000));
  // 1 + 167 * 3 bytes.
  equal(odd.toHex().slice(0, 10), "000d" + "01fa" + "78");
  ok(!new TextDecoder().decode(odd.subarray(4, 0x1fa)).includes("\ufffd"));
});

Deno.test("causes are told for people to read", () => {
  equal(describe(), "no cause");
  equal(describe(userInitiatedAbort("good bye")), 'user-initiated abort "good bye"');
  equal(describe(userInitiatedAbort("")), "user-initiated abort");
  equal(
    describe(noUserData(7), unrecognizedChunkType(hex("3f000004")), staleCookie(1)),
    "no user data (TSN 7), unrecognized chunk type 63, stale cookie",
  );
  equal(
    describe(hex("00090007 01020300"), hex("00060004")),
    "no user data, unrecognized chunk type",
  );
  equal(describe(hex("0063000c", "6e6f7420666f7220")), "cause 99");
});

Deno.test("S16: causes of any code are told", () => {
  for (let code = 0; code < 2 ** 16; code += 7) {
    ok(describe(writeErrorCause(code, hex("00"))).length < 60);
  }
  for (const code of Object.values(causeCodes)) {
    ok(!describe(writeErrorCause(code, new Uint8Array(0))).startsWith("cause "));
  }
});

Deno.test("S16: many causes are told in short", () => {
  equal(
    describe(...Array.from({ length: 9 }, () => cookieReceivedWhileShuttingDown())),
    Array.from({ length: 4 }, () => "cookie received while shutting down").join(", ") +
      " and 5 more",
  );
});

Deno.test("malformed causes are told as such", () => {
  equal(describe(hex("000d0003")), "malformed causes");
  equal(describe(hex("000d0009 61")), "malformed causes");
  equal(describe(hex("00")), "malformed causes");
});

Deno.test("every truncation of causes is told, or told as malformed", () => {
  const causes = hex(noUserData(7).toHex(), protocolViolation("abcde").toHex());
  const told = Array.from(
    causes,
    (_, length) => parseAmid(causes.slice(0, length), describeErrorCauses),
  );
  equal(told[0], "no cause");
  equal(told[8], "no user data (TSN 7)");
  const whole = 'no user data (TSN 7), protocol violation "abcde"';
  deepEqual(told.flatMap((text, length) => text === whole ? [length] : []), [17, 18, 19]);
  equal(told.filter((text) => text === "malformed causes").length, causes.length - 5);
});

Deno.test("of a peer's text 64 printable characters are told", () => {
  const told = (text: string) => describe(protocolViolation(text));
  equal(told("x".repeat(65)), `protocol violation "${"x".repeat(64)}"`);
  equal(told("\u{1f600}".repeat(65)), `protocol violation "${"\u{1f600}".repeat(64)}"`);
  equal(told("a\u001b[31mb\r\n\u0000\u202ec\u2028"), 'protocol violation "a[31mbc"');
  equal(told("\n\n"), "protocol violation");
  equal(describe(hex("000d0006 fffe0000")), 'protocol violation "\ufffd\ufffd"');
});

Deno.test("what is told is short and printable, whatever was sent", () => {
  const cause = fc.tuple(fc.constantFrom(...Object.values(causeCodes), 99), fc.uint8Array());
  fc.assert(
    fc.property(fc.array(cause), (causes) => {
      const text = describe(...causes.map(([code, value]) => writeErrorCause(code, value)));
      ok([...text].length < 4 * (64 + 40), text);
      ok(/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]+$/u.test(text), text);
    }),
    { seed, numRuns: 500 },
  );
});
