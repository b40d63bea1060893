import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { type InitFields, parseInit, writeInit } from "../../../src/sctp/packet/init_chunk.ts";
import { hex, parseAmid, readableLengths, withoutPadding } from "./amid.ts";

const seed = 22;

const bare: InitFields = {
  initiateTag: 0x01020304,
  advertisedReceiverWindowCredit: 131_072,
  outboundStreams: 1024,
  inboundStreams: 2048,
  initialTsn: 0xfffffffb,
  supportedExtensions: [],
  isForwardTsnSupported: false,
  zeroChecksumMethod: undefined,
  stateCookie: undefined,
  unrecognized: [],
};
const bareHex = "01020304" + "00020000" + "04000800" + "fffffffb";

function initWith(parameters: string): Uint8Array {
  const value = hex(bareHex, parameters);
  return Uint8Array.of(1, 0, 0, 4 + value.length, ...value);
}

function parseWith(parameters: string): InitFields | undefined {
  return parseAmid(initWith(parameters), parseInit);
}

Deno.test("INIT is written as RFC 9260 section 3.3.2 has it, and read back", () => {
  const fields = {
    ...bare,
    supportedExtensions: [0x40, 0x82, 0xc0, 0xc2, 0x84],
    isForwardTsnSupported: true,
    zeroChecksumMethod: 1,
  };
  const bytes = writeInit(1, fields);
  equal(
    bytes.toHex(),
    "0100002c" + bareHex + "80080009" + "4082c0c284000000" + "c0000004" + "80010008" + "00000001",
  );
  deepEqual(parseAmid(bytes, parseInit), fields);
});

Deno.test("INIT ACK carries a State Cookie, and what of the INIT was not recognized", () => {
  const cookie = hex("c00c1e");
  const bytes = writeInit(2, { ...bare, stateCookie: cookie, unrecognized: [hex("c1230005 aa")] });
  equal(
    bytes.toHex(),
    "02000025" + bareHex + "00070007" + "c00c1e00" + "00080009" + "c1230005aa000000",
  );
  deepEqual(parseAmid(withoutPadding(bytes), parseInit), { ...bare, stateCookie: cookie });
});

Deno.test("parameters of extensions we do without are passed over", () => {
  // ECN (0x8000), Forward TSN, Supported Extensions, Random, Chunk List and HMAC (RFC 4895).
  const parameters = "80000004" + "c0000004" + "8008000ac0c1808240840000" +
    "80020024" + "11".repeat(32) + "800400060001000080030006" + "80c10000";
  const fields = parseWith(parameters);
  deepEqual(fields, {
    ...bare,
    isForwardTsnSupported: true,
    supportedExtensions: [0xc0, 0xc1, 0x80, 0x82, 0x40, 0x84],
  });
});

Deno.test("any INIT ACK is read as it was written", () => {
  const uint16 = fc.nat(0xffff);
  const uint32 = fc.nat(0xffffffff);
  const fields = fc.record({
    initiateTag: uint32,
    advertisedReceiverWindowCredit: uint32,
    outboundStreams: uint16,
    inboundStreams: uint16,
    initialTsn: uint32,
    supportedExtensions: fc.array(fc.nat(255), { maxLength: 20 }),
    isForwardTsnSupported: fc.boolean(),
    zeroChecksumMethod: fc.option(uint32, { nil: undefined }),
    stateCookie: fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined }),
    unrecognized: fc.constant([]),
  });
  fc.assert(
    fc.property(fields, fc.constantFrom(1, 2), (written, type) => {
      const bytes = writeInit(type, written);
      equal(bytes.length % 4, 0);
      deepEqual(parseAmid(withoutPadding(bytes), parseInit), { ...written });
    }),
    { seed },
  );
});

Deno.test("INIT is whole where its parameters are", () => {
  const bytes = initWith("c0000004" + "00070006aabb0000" + "8001000800000001");
  deepEqual(readableLengths(bytes, parseInit), [20, 24, 30, 31, 32, 40]);
});

Deno.test("what is read is no view of the packet", () => {
  const bytes = initWith("0007000811223344" + "c1230008aabbccdd");
  const fields = parseInit(bytes, 0, bytes.length);
  bytes.fill(0);
  equal(fields?.stateCookie?.toHex(), "11223344");
  equal(fields?.unrecognized[0]?.toHex(), "c1230008aabbccdd");
});

Deno.test("S20: address parameters are ignored, whatever they hold (RFC 8261 section 6)", () => {
  const addresses = "00050008c0000201" + "00060014" + "20".repeat(16) + "000b0006" + "61620000" +
    "000c000600050000" + "00050004" + "00060004";
  deepEqual(parseWith(addresses + "c0000004"), { ...bare, isForwardTsnSupported: true });
});

Deno.test("a Cookie Preservative and a peer's report are passed over", () => {
  const fields = parseWith("00090008000003e8" + "00080008c1230004" + "c0000004");
  deepEqual(fields, { ...bare, isForwardTsnSupported: true });
});

Deno.test("S16: the highest bits of an unknown parameter say whether to go on and to report", () => {
  const cases = [
    ["3fff", false, 0],
    ["7fff", false, 1],
    ["bfff", true, 0],
    ["ffff", true, 1],
  ] as const;
  for (const [type, isReadOn, reportedCount] of cases) {
    const fields = parseWith(type + "0005aa000000" + "c0000004");
    equal(fields?.isForwardTsnSupported, isReadOn, type);
    equal(fields?.unrecognized.length, reportedCount, type);
    if (reportedCount === 1) equal(fields?.unrecognized[0]?.toHex(), type + "0005aa");
  }
});

Deno.test("S16: what is reported has an end", () => {
  const fields = parseWith("ffff0008aaaaaaaa".repeat(20));
  equal(fields?.unrecognized.length, 20);
  const long = hex("ffff0064", "aa".repeat(96));
  const bytes = hex("010001f4", bareHex, ...Array.from({ length: 5 }, () => long.toHex()));
  equal(parseInit(bytes, 0, bytes.length)?.unrecognized.length, 2);
});

Deno.test("S16: unknown parameters that ask for no report take no room from others", () => {
  const bytes = hex("010000fc", bareHex, "bfff0200", "00".repeat(508), "ffff0004");
  equal(parseInit(bytes, 0, bytes.length)?.unrecognized.length, 1);
});

Deno.test("a Zero Checksum Acceptable parameter of another length is malformed", () => {
  equal(parseWith("80010008000000ff")?.zeroChecksumMethod, 255);
  equal(parseWith("80010004"), undefined);
  equal(parseWith("8001000600010000"), undefined);
  equal(parseWith("8001000c0000000100000001"), undefined);
});

Deno.test("tags and streams of zero are the caller's to judge", () => {
  const bytes = new Uint8Array(20);
  bytes[3] = 20;
  const zero = { initiateTag: 0, outboundStreams: 0, inboundStreams: 0, initialTsn: 0 };
  deepEqual(parseInit(bytes, 0, 20), { ...bare, ...zero, advertisedReceiverWindowCredit: 0 });
});

Deno.test("S20: long lists of extensions are cut", () => {
  const fields = { ...bare, supportedExtensions: Array.from({ length: 255 }, (_, n) => n) };
  equal(parseAmid(writeInit(1, fields), parseInit)?.supportedExtensions.length, 64);
});
