import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { ChunkCursor } from "../../../src/sctp/packet/chunk_cursor.ts";
import { writeChunk } from "../../../src/sctp/packet/chunk_header.ts";
import { hex } from "./amid.ts";

const seed = 19;

interface Seen {
  readonly type: number;
  readonly flags: number;
  readonly value: string;
}

function walk(
  bytes: Uint8Array,
  cursor = new ChunkCursor(),
): { readonly chunks: Seen[]; readonly isMalformed: boolean } {
  const before = 12;
  const packet = new Uint8Array(before + bytes.length + 8).fill(0xff);
  packet.set(bytes, before);
  cursor.reset(packet, before, before + bytes.length);
  const chunks: Seen[] = [];
  while (cursor.next()) {
    const { type, flags } = cursor;
    equal(cursor.valueStart, cursor.start + 4);
    chunks.push({ type, flags, value: packet.slice(cursor.valueStart, cursor.end).toHex() });
  }
  ok(!cursor.next());
  return { chunks, isMalformed: cursor.isMalformed };
}

Deno.test("chunks are walked, without their padding", () => {
  deepEqual(walk(hex("0b000004", "0a010007 aabbcc00", "84000005 dd000000", "06010004")), {
    chunks: [
      { type: 11, flags: 0, value: "" },
      { type: 10, flags: 1, value: "aabbcc" },
      { type: 132, flags: 0, value: "dd" },
      { type: 6, flags: 1, value: "" },
    ],
    isMalformed: false,
  });
});

Deno.test("a packet may hold no chunk", () => {
  deepEqual(walk(new Uint8Array(0)), { chunks: [], isMalformed: false });
});

Deno.test("the padding of the last chunk may be missing, or be there in part", () => {
  for (const padding of ["", "00", "0000", "000000"]) {
    const { chunks, isMalformed } = walk(hex("0a000005 aa", padding));
    deepEqual(chunks, [{ type: 10, flags: 0, value: "aa" }]);
    equal(isMalformed, false);
  }
});

Deno.test("one to three bytes after the last chunk are malformed", () => {
  for (const rest of ["00", "0000", "000000"]) {
    const { chunks, isMalformed } = walk(hex("0b000004", rest));
    equal(chunks.length, 1);
    equal(isMalformed, true);
  }
});

Deno.test("lengths below 4 and beyond the packet are malformed, and end the walk", () => {
  for (const length of ["0000", "0001", "0002", "0003", "0009", "000a", "ffff"]) {
    const { chunks, isMalformed } = walk(hex("0b000004", "0a00", length, "01020304"));
    deepEqual(chunks, [{ type: 11, flags: 0, value: "" }]);
    equal(isMalformed, true, length);
  }
});

Deno.test("a cursor that met a malformed chunk walks the next packet", () => {
  const cursor = new ChunkCursor();
  ok(walk(hex("0b000003"), cursor).isMalformed);
  deepEqual(walk(hex("0b000004"), cursor).chunks.length, 1);
  equal(cursor.isMalformed, false);
});

Deno.test("any chunks are walked as they were written", () => {
  const chunk = fc.record({
    type: fc.nat(255),
    flags: fc.nat(255),
    value: fc.uint8Array({ maxLength: 40 }),
  });
  fc.assert(
    fc.property(fc.array(chunk), (written) => {
      const packet = written.flatMap(({ type, flags, value }) => [
        ...writeChunk(type, flags, value),
      ]);
      const { chunks, isMalformed } = walk(Uint8Array.from(packet));
      equal(isMalformed, false);
      deepEqual(chunks, written.map((one) => ({ ...one, value: one.value.toHex() })));
    }),
    { seed },
  );
});

Deno.test("every truncation of a packet ends the walk within it", () => {
  const packet = hex("0b000004", "0a010007 aabbcc00", "84000008 dddddddd");
  const counts = Array.from({ length: packet.length + 1 }, (_, length) => {
    const { chunks, isMalformed } = walk(packet.slice(0, length));
    return isMalformed ? -chunks.length : chunks.length;
  });
  // Negative where the rest is malformed; the seventh byte of a cookie is its last.
  deepEqual(counts.map(Math.abs), [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3]);
  deepEqual(counts.flatMap((count, length) => count > 0 ? [length] : []), [4, 11, 12, 20]);
});
