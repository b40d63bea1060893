/** DATA_CHANNEL_OPEN and DATA_CHANNEL_ACK: their bytes, there and back, truncated and spoilt. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import {
  type DataChannelOpen,
  isDataChannelAck,
  isDataChannelOpen,
  parseDataChannelOpen,
  writeDataChannelAck,
  writeDataChannelOpen,
} from "../../src/datachannel/dcep.ts";
import { bytesOf } from "./channel_pair.ts";
import { tryOpens } from "./mutation.ts";

const names = { label: "chat", protocol: "x/1", priority: 256 };
const namesHex = bytesOf("chatx/1").toHex();

const examples: readonly { readonly hex: string; readonly open: DataChannelOpen }[] = [
  { hex: "0300010000000000" + "00040003", open: { ...names, isOrdered: true } },
  { hex: "0380010000000000" + "00040003", open: { ...names, isOrdered: false } },
  {
    hex: "0301010000000003" + "00040003",
    open: { ...names, isOrdered: true, maxRetransmissions: 3 },
  },
  {
    hex: "0381010000000000" + "00040003",
    open: { ...names, isOrdered: false, maxRetransmissions: 0 },
  },
  {
    hex: "03020100fffffffe" + "00040003",
    open: { ...names, isOrdered: true, lifetime: 2 ** 32 - 2 },
  },
  { hex: "03820100000003e8" + "00040003", open: { ...names, isOrdered: false, lifetime: 1_000 } },
];

/** Within other bytes, so that only those between `start` and `end` are read. */
function parse(bytes: Uint8Array): DataChannelOpen | undefined {
  const around = new Uint8Array(bytes.length + 9).fill(0x41);
  around.set(bytes, 4);
  return parseDataChannelOpen(around, 4, 4 + bytes.length);
}

for (const { hex, open } of examples) {
  Deno.test(`writes and reads an open of channel type 0x${hex.slice(2, 4)}`, () => {
    equal(writeDataChannelOpen(open).toHex(), hex + namesHex);
    deepEqual(parse(Uint8Array.fromHex(hex + namesHex)), open);
  });

  Deno.test(`an open of channel type 0x${hex.slice(2, 4)} is refused at every other length`, () => {
    const bytes = Uint8Array.fromHex(hex + namesHex + "00");
    for (let length = 0; length <= bytes.length; length++) {
      equal(parse(bytes.subarray(0, length)) !== undefined, length === bytes.length - 1);
    }
  });
}

Deno.test("an acknowledgement is one byte", () => {
  equal(writeDataChannelAck().toHex(), "02");
  ok(isDataChannelAck(Uint8Array.of(9, 2, 9), 1, 2));
  ok(!isDataChannelAck(Uint8Array.of(2), 0, 0));
  ok(!isDataChannelAck(Uint8Array.of(2, 0), 0, 2));
  ok(!isDataChannelAck(Uint8Array.of(3), 0, 1));
  ok(!isDataChannelOpen(Uint8Array.of(3), 0, 0));
  ok(isDataChannelOpen(Uint8Array.of(2, 3), 1, 2));
});

Deno.test("the parameter of a reliable channel is ignored", () => {
  const open = parse(Uint8Array.fromHex("0380010012345678" + "00040003" + namesHex));
  deepEqual(open, { ...names, isOrdered: false });
});

Deno.test("unknown channel types are refused", () => {
  const known = [0x00, 0x01, 0x02, 0x80, 0x81, 0x82];
  for (let type = 0; type < 256; type++) {
    const bytes = Uint8Array.fromHex("0300010000000000" + "00040003" + namesHex);
    bytes[1] = type;
    equal(parse(bytes) !== undefined, known.includes(type), `${type}`);
  }
});

Deno.test("empty names and any priority are taken", () => {
  const open = { label: "", protocol: "", isOrdered: true, priority: 65_535 };
  deepEqual(parse(writeDataChannelOpen(open)), open);
  deepEqual(parse(writeDataChannelOpen({ ...open, priority: 0 })), { ...open, priority: 0 });
});

Deno.test("a label has 1,024 bytes at most, a protocol 256", () => {
  const open = { label: "é".repeat(512), protocol: "p".repeat(256), isOrdered: true, priority: 1 };
  deepEqual(parse(writeDataChannelOpen(open)), open);
  throws(() => writeDataChannelOpen({ ...open, label: `${open.label}x` }), /label.* is 1025/);
  throws(
    () => writeDataChannelOpen({ ...open, protocol: `${open.protocol}x` }),
    /protocol.* is 257/,
  );
  for (const [labelLength, protocolLength] of [[1_025, 0], [0, 257], [65_535, 65_535]] as const) {
    const bytes = new Uint8Array(12 + labelLength + protocolLength);
    bytes.set([3, 0, 0, 0, 0, 0, 0, 0, labelLength >> 8, labelLength & 255]);
    bytes.set([protocolLength >> 8, protocolLength & 255], 10);
    equal(parse(bytes), undefined);
  }
});

Deno.test("names that are not UTF-8 are refused, and a byte order mark is kept", () => {
  const header = "0300010000000000";
  for (const spoilt of ["ff", "c080", "eda080", "e282", "f4908080"]) {
    const length = (spoilt.length / 2).toString(16).padStart(4, "0");
    equal(parse(Uint8Array.fromHex(`${header}${length}0000${spoilt}`)), undefined, spoilt);
    equal(parse(Uint8Array.fromHex(`${header}0000${length}${spoilt}`)), undefined, spoilt);
  }
  equal(parse(Uint8Array.fromHex(`${header}00030000efbbbf`))?.label, "\ufeff");
});

Deno.test("what does not fit into an open is not written", () => {
  const open = { ...names, isOrdered: true };
  throws(() => writeDataChannelOpen({ ...open, lifetime: 1, maxRetransmissions: 1 }), RangeError);
  throws(() => writeDataChannelOpen({ ...open, lifetime: 2 ** 32 }), RangeError);
  throws(() => writeDataChannelOpen({ ...open, maxRetransmissions: -1 }), RangeError);
  throws(() => writeDataChannelOpen({ ...open, lifetime: 0.5 }), RangeError);
  throws(() => writeDataChannelOpen({ ...open, priority: 65_536 }), RangeError);
});

Deno.test("200,000 changed opens are read or refused", () => tryOpens(200_000, 1));
