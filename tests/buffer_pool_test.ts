import { deepEqual, equal, notEqual } from "node:assert/strict";
import { blockLength, BufferPool } from "../src/buffer_pool.ts";

Deno.test("lends blocks of 64 KB and counts them", () => {
  const pool = new BufferPool();
  const [one, other] = [pool.take(), pool.take()];
  deepEqual([one.length, other.length], [blockLength, blockLength]);
  equal(blockLength, 65_536);
  notEqual(one.buffer, other.buffer);
  deepEqual([pool.lentCount, pool.freeCount], [2, 0]);
  pool.give(one, 0);
  deepEqual([pool.lentCount, pool.freeCount], [1, 1]);
});

Deno.test("lends first what was given back last", () => {
  const pool = new BufferPool();
  const blocks = [pool.take(), pool.take(), pool.take()];
  for (const [position, block] of blocks.entries()) pool.give(block, position);
  for (const block of blocks.toReversed()) equal(pool.take(), block);
  equal(pool.freeCount, 0);
});

Deno.test("lets go of a block that nobody has taken for 5 s", () => {
  const pool = new BufferPool();
  pool.give(pool.take(), 1_000);
  equal(pool.trim(5_999), 6_000);
  equal(pool.freeCount, 1);
  equal(pool.trim(6_000), undefined);
  equal(pool.freeCount, 0);
});

Deno.test("keeps what was used meanwhile, and says when to ask again", () => {
  const pool = new BufferPool();
  const blocks = [pool.take(), pool.take(), pool.take()];
  for (const block of blocks) pool.give(block, 0);
  const used = pool.take();
  pool.give(used, 4_000);
  equal(pool.trim(5_000), 9_000);
  equal(pool.freeCount, 1);
  equal(pool.take(), used);
});

Deno.test("what is lent is not trimmed, and an empty pool has nothing to ask for", () => {
  const pool = new BufferPool();
  const block = pool.take();
  equal(pool.trim(1_000_000), undefined);
  equal(pool.lentCount, 1);
  pool.give(block, 1_000_000);
  equal(pool.take(), block);
});
