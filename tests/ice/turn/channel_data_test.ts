import { deepEqual, equal } from "node:assert/strict";
import {
  channelDataEnd,
  isChannelNumber,
  writeChannelDataHeader,
} from "../../../src/ice/turn/channel_data.ts";

Deno.test("writes the header of RFC 8656 section 12.4", () => {
  const out = new Uint8Array(6);
  writeChannelDataHeader(out, 1, 0x4abc, 0x0102);
  deepEqual([...out], [0, 0x4a, 0xbc, 1, 2, 0]);
});

Deno.test("numbers are 0x4000 to 0x4fff", () => {
  deepEqual([0x3fff, 0x4000, 0x4fff, 0x5000].map(isChannelNumber), [false, true, true, false]);
});

Deno.test("reads a message, padded or not, from amid other bytes", () => {
  const bytes = Uint8Array.of(9, 0x40, 1, 0, 3, 7, 8, 9, 0, 9);
  equal(channelDataEnd(bytes, 1, 8), 8);
  equal(channelDataEnd(bytes, 1, 9), 8);
  equal(channelDataEnd(Uint8Array.of(0x4f, 0xff, 0, 0), 0, 4), 4);
});

Deno.test("refuses every truncation, and numbers of no channel", () => {
  const bytes = Uint8Array.of(0x40, 1, 0, 3, 7, 8, 9);
  for (let end = 0; end < bytes.length; end++) equal(channelDataEnd(bytes, 0, end), undefined);
  for (const first of [0x00, 0x3f, 0x50, 0xff]) {
    equal(channelDataEnd(Uint8Array.of(first, 1, 0, 0), 0, 4), undefined);
  }
});
