import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import {
  parseReConfig,
  type ReConfigParameter,
  reConfigResults,
  writeReConfig,
} from "../../../src/sctp/packet/re_config_chunk.ts";
import { hex, parseAmid, readableLengths, withoutPadding } from "./amid.ts";

const seed = 27;

const outgoing: ReConfigParameter = {
  type: "outgoing-ssn-reset-request",
  requestSequenceNumber: 0xffffffff,
  responseSequenceNumber: 2,
  lastAssignedTsn: 3,
  streamIds: [4, 5, 6],
};
const incoming: ReConfigParameter = {
  type: "incoming-ssn-reset-request",
  requestSequenceNumber: 7,
  streamIds: [8],
};
const ssnTsn: ReConfigParameter = { type: "ssn-tsn-reset-request", requestSequenceNumber: 9 };
const response: ReConfigParameter = {
  type: "response",
  responseSequenceNumber: 10,
  result: reConfigResults.inProgress,
};
const responseWithTsns: ReConfigParameter = {
  type: "response",
  responseSequenceNumber: 11,
  result: reConfigResults.successPerformed,
  nextTsns: { sender: 12, receiver: 13 },
};
const addOutgoing: ReConfigParameter = {
  type: "add-outgoing-streams-request",
  requestSequenceNumber: 14,
  newStreamCount: 15,
};
const addIncoming: ReConfigParameter = { ...addOutgoing, type: "add-incoming-streams-request" };

const examples: readonly (readonly [ReConfigParameter, string])[] = [
  [outgoing, "8200001a" + "000d0016ffffffff00000002000000030004000500060000"],
  [incoming, "8200000e" + "000e000a00000007" + "00080000"],
  [ssnTsn, "8200000c" + "000f000800000009"],
  [response, "82000010" + "0010000c0000000a00000006"],
  [responseWithTsns, "82000018" + "001000140000000b000000010000000c0000000d"],
  [addOutgoing, "82000010" + "0011000c0000000e000f0000"],
  [addIncoming, "82000010" + "0012000c0000000e000f0000"],
];

for (const [parameter, expected] of examples) {
  Deno.test(`${parameter.type} is written as RFC 6525 section 4 has it, and read back`, () => {
    const chunk = writeReConfig([parameter]);
    equal(chunk.toHex(), expected);
    deepEqual(parseAmid(withoutPadding(chunk), parseReConfig), [parameter]);
  });
}

Deno.test("a parameter is malformed where a byte is missing", () => {
  for (const [, text] of examples) {
    const chunk = withoutPadding(hex(text));
    deepEqual(readableLengths(chunk, parseReConfig), [chunk.length]);
  }
});

Deno.test("parameters of another length are malformed", () => {
  const malformed = [
    "000d000e" + "00000001" + "00000002" + "0003", // too short
    "000d0011" + "00000001" + "00000002" + "00000003" + "01", // half a stream
    "000e0006" + "0001",
    "000e0009" + "00000001" + "01",
    "000f0004",
    "000f000c" + "00000001" + "00000001",
    "00100008" + "00000001",
    "00100010" + "00000001" + "00000001" + "00000001",
    "00100018" + "00000001".repeat(5),
    "00110008" + "00000001",
    "0011000a" + "00000001" + "0001",
    "00120010" + "00000001".repeat(3),
  ];
  for (const text of malformed) {
    equal(parseAmid(hex("82000000", text), parseReConfig), undefined, text);
  }
});

Deno.test("a reset request without streams is for all of them", () => {
  const all = { ...outgoing, streamIds: [] };
  deepEqual(parseAmid(writeReConfig([all]), parseReConfig), [all]);
});

Deno.test("of all pairs those of RFC 6525 section 3.1 are read, in either order", () => {
  const allowed = [
    "outgoing-ssn-reset-request, incoming-ssn-reset-request",
    "add-outgoing-streams-request, add-incoming-streams-request",
    "response, outgoing-ssn-reset-request",
    "response, response",
  ];
  const kinds: readonly ReConfigParameter[] = [
    outgoing,
    incoming,
    ssnTsn,
    response,
    addOutgoing,
    addIncoming,
  ];
  for (const one of kinds) {
    for (const other of kinds) {
      const names = [`${one.type}, ${other.type}`, `${other.type}, ${one.type}`];
      const isAllowed = names.some((name) => allowed.includes(name));
      const read = parseAmid(withoutPadding(writeReConfig([one, other])), parseReConfig);
      deepEqual(read, isAllowed ? [one, other] : undefined, names[0]);
    }
  }
});

Deno.test("no parameter, three of them, and unknown ones are malformed", () => {
  equal(parseAmid(hex("82000004"), parseReConfig), undefined);
  equal(parseAmid(writeReConfig([response, response, response]), parseReConfig), undefined);
  equal(parseAmid(hex("8200000c", "00130008 00000001"), parseReConfig), undefined);
  const withUnknown = hex("82000018", "0010000c0000000a00000006", "c1230008 00000001");
  equal(parseAmid(withUnknown, parseReConfig), undefined);
});

Deno.test("any response with its outgoing request is read as it was written", () => {
  const uint32 = fc.nat(0xffffffff);
  const request = fc.record({
    type: fc.constant("outgoing-ssn-reset-request" as const),
    requestSequenceNumber: uint32,
    responseSequenceNumber: uint32,
    lastAssignedTsn: uint32,
    streamIds: fc.array(fc.nat(0xffff)),
  });
  const answer = fc.record({
    type: fc.constant("response" as const),
    responseSequenceNumber: uint32,
    result: uint32,
  });
  fc.assert(
    fc.property(answer, request, (one, other) => {
      const chunk = writeReConfig([one, other]);
      equal(chunk.length % 4, 0);
      deepEqual(parseAmid(withoutPadding(chunk), parseReConfig), [{ ...one }, { ...other }]);
    }),
    { seed },
  );
});
