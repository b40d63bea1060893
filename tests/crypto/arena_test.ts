import { equal, notEqual, ok } from "node:assert/strict";
import { Arena } from "../../src/crypto/arena.ts";

const base = 0x4000_0000;

function createArena(capacity: number): Arena<number> {
  return new Arena({
    buffer: new ArrayBuffer(capacity),
    address: (offset) => base + offset,
  });
}

Deno.test("pieces do not overlap, and their addresses follow from their offsets", () => {
  const arena = createArena(64 * 1024);
  const pieces = [0, 1, 63, 64, 65, 1000].map((length) => {
    const piece = arena.allocate(length);
    ok(piece !== undefined);
    equal(piece.length, length);
    equal(arena.address(piece.byteOffset), base + piece.byteOffset);
    return piece;
  });
  for (const [at, piece] of pieces.entries()) piece.fill(at + 1);
  for (const [at, piece] of pieces.entries()) ok(piece.every((byte) => byte === at + 1));
});

Deno.test("a region that is used up gives no more until something is released", () => {
  const arena = createArena(256);
  const first = arena.allocate(128);
  const second = arena.allocate(128);
  ok(first !== undefined && second !== undefined);
  equal(arena.allocate(1), undefined);
  first.fill(7);
  ok(arena.release(first));
  const again = arena.allocate(100);
  equal(again?.byteOffset, first.byteOffset);
  ok(again?.every((byte) => byte === 0), "what was in it is erased");
  for (const length of [257, NaN, Infinity]) equal(arena.allocate(length), undefined);
});

Deno.test("only what was allocated is released, and once", () => {
  const arena = createArena(1024);
  const piece = arena.allocate(64);
  ok(piece !== undefined);
  equal(arena.release(new Uint8Array(64)), false);
  equal(arena.release(piece.subarray(1)), false);
  ok(arena.release(piece));
  equal(arena.release(piece), false);
  const [a, z] = [arena.allocate(64), arena.allocate(64)];
  notEqual(a?.byteOffset, z?.byteOffset);
});
