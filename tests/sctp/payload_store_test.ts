import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { BufferPool } from "../../src/buffer_pool.ts";
import { copyBytes } from "../../src/copy_bytes.ts";
import { maxPieceLength, PayloadStore, type PieceHandle } from "../../src/sctp/payload_store.ts";
import { testBytes } from "../fakes/sockets.ts";

/** A piece as the model knows it. */
interface Piece {
  readonly handle: PieceHandle;
  readonly bytes: Uint8Array;
}

/** Sizes of places, in bytes; each kind may keep one block without pieces. */
const placeLengths = [128, 1_408, 16_384, 65_536];

function newStore() {
  const pool = new BufferPool();
  return { pool, store: new PayloadStore(pool) };
}

/** What a piece holds now. */
function contentOf(store: PayloadStore, { handle, bytes }: Piece): Uint8Array {
  const offset = store.offsetOf(handle);
  return store.bytesOf(handle).subarray(offset, offset + bytes.length);
}

Deno.test("holds copies, of the bytes between start and end", () => {
  const { store } = newStore();
  const bytes = testBytes(2_000);
  const pieces = [[0, 0], [3, 4], [1, 65], [1, 66], [5, 1_413], [0, 2_000]].map(([start, end]) => ({
    handle: store.hold(bytes, start ?? 0, end ?? 0),
    bytes: bytes.slice(start, end),
  }));
  bytes.fill(0);
  for (const piece of pieces) deepEqual(contentOf(store, piece), piece.bytes);
});

Deno.test("refuses a piece that no place can hold", () => {
  const { pool, store } = newStore();
  throws(() => store.allocate(maxPieceLength + 1), RangeError);
  deepEqual([store.heldLength, pool.lentCount], [0, 0]);
  store.allocate(maxPieceLength);
});

Deno.test("counts the memory of places, not the bytes in them", () => {
  const { store } = newStore();
  const handles = [1, 128, 129, 1_408, 1_409].map((length) => store.allocate(length));
  equal(store.heldLength, 128 + 128 + 1_408 + 1_408 + 16_384);
  for (const handle of handles) store.free(handle, 0);
  equal(store.heldLength, 0);
});

Deno.test("a piece that comes and goes takes no block each time", () => {
  const { pool, store } = newStore();
  for (let count = 0; count < 1_000; count++) store.free(store.allocate(1_200), count);
  deepEqual([pool.lentCount, pool.freeCount], [1, 0]);
});

Deno.test("gives blocks back as pieces are freed, in whichever order", () => {
  for (const order of ["oldest", "newest"] as const) {
    const { pool, store } = newStore();
    const handles = Array.from({ length: 46 * 20 }, () => store.allocate(1_408));
    equal(pool.lentCount, 20);
    if (order === "newest") handles.reverse();
    for (const [position, handle] of handles.entries()) {
      store.free(handle, 0);
      const needed = Math.ceil((handles.length - position - 1) / 46);
      ok(pool.lentCount <= needed + 1, `${pool.lentCount} blocks, ${needed} needed`);
    }
    equal(pool.lentCount, 1);
  }
});

const length = fc.oneof(
  fc.constantFrom(0, 1, 128, 129, 1_408, 1_409, maxPieceLength),
  fc.nat(maxPieceLength),
  fc.nat(300),
);
const command = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant("hold"), amount: length }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("free"), amount: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("freeMany"), amount: fc.nat() }) },
);

Deno.test("any order of pieces keeps each as it was, none over another", () => {
  const scripts = fc.array(command, { maxLength: 400, size: "max" });
  fc.assert(fc.property(scripts, runScript), { seed: 3, numRuns: 150 });
});

function runScript(script: readonly { do: string; amount: number }[]): void {
  const { pool, store } = newStore();
  const pieces: Piece[] = [];
  const free = (at: number) => {
    for (const { handle } of pieces.splice(at % Math.max(pieces.length, 1), 1)) {
      store.free(handle, 0);
    }
  };
  for (const [seed, { do: what, amount }] of script.entries()) {
    if (what === "hold") {
      const bytes = testBytes(amount, seed + 1);
      pieces.push({ handle: store.hold(bytes, 0, amount), bytes });
    }
    if (what === "free") free(amount);
    if (what === "freeMany") {
      for (let count = pieces.length >> 1; count > 0; count--) free(amount);
    }
    checkPlaces(store, pieces);
    equal(store.heldLength, pieces.reduce((sum, { bytes }) => sum + placeLengthOf(bytes), 0));
  }
  for (const piece of pieces) ok(isHeld(store, piece), "a piece has changed");
  while (pieces.length > 0) free(0);
  equal(store.heldLength, 0);
  ok(pool.lentCount <= placeLengths.length, `${pool.lentCount} blocks for no piece`);
}

function placeLengthOf({ length }: Uint8Array): number {
  return placeLengths.find((placeLength) => length <= placeLength) ?? NaN;
}

function isHeld(store: PayloadStore, piece: Piece): boolean {
  return contentOf(store, piece).every((byte, at) => byte === piece.bytes[at]);
}

/** All pieces lie within their blocks and beside each other. */
function checkPlaces(store: PayloadStore, pieces: readonly Piece[]): void {
  const ends = new Map<Uint8Array, number>();
  const places = pieces.map(({ handle, bytes }) => ({
    block: store.bytesOf(handle),
    start: store.offsetOf(handle),
    length: bytes.length,
  }));
  for (const { block, start, length } of places.sort((one, other) => one.start - other.start)) {
    ok(start >= (ends.get(block) ?? 0), "a piece begins in another");
    ok(start + length <= block.length, "a piece ends outside its block");
    ends.set(block, start + Math.max(length, 1));
  }
}

Deno.test("copies few bytes as it copies many, and nothing beside them", () => {
  for (const length of [0, 1, 63, 64, 65, 1_000]) {
    const [from, to] = [testBytes(length + 10), new Uint8Array(length + 10)];
    copyBytes(from, 4, 4 + length, to, 3);
    deepEqual(to.subarray(3, 3 + length), from.subarray(4, 4 + length));
    deepEqual([...to.subarray(0, 3), ...to.subarray(3 + length)], Array(10).fill(0));
  }
});
