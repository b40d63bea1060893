import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import fc from "fast-check";
import { blockLength, BufferPool } from "../../src/buffer_pool.ts";
import { BlockQueue } from "../../src/forward/block_queue.ts";
import { FakeConnection } from "../fakes/fake_connection.ts";
import { isSame, testBytes } from "../fakes/sockets.ts";

/** A queue whose writes wait until the test lets them through. */
function stalledQueue() {
  const [pool, sink] = [new BufferPool(), new FakeConnection()];
  sink.isStalled = true;
  return { pool, sink, queue: new BlockQueue(pool) };
}

/** Appends so many bytes, lent from the middle of other memory that is then overwritten. */
function append(queue: BlockQueue, bytes: Uint8Array): void {
  const memory = new Uint8Array(bytes.length + 7).fill(255);
  memory.set(bytes, 3);
  queue.append(memory, 3, 3 + bytes.length);
  memory.fill(255);
}

Deno.test("what came in many pieces leaves in one write", async () => {
  const { pool, sink, queue } = stalledQueue();
  const bytes = testBytes(40 * 1_200);
  for (let at = 0; at < bytes.length; at += 1_200) append(queue, bytes.subarray(at, at + 1_200));
  equal(pool.lentCount, 1);
  const writing = queue.writeTo(sink);
  equal(sink.writingLength, bytes.length);
  sink.letWrite();
  equal(await writing, bytes.length);
  ok(isSame(sink.written, bytes));
});

Deno.test("a block is filled before another is taken, also while it is written", async () => {
  const { pool, sink, queue } = stalledQueue();
  const bytes = testBytes(blockLength + 10);
  append(queue, bytes.subarray(0, 100));
  const first = queue.writeTo(sink);
  append(queue, bytes.subarray(100, blockLength));
  equal(pool.lentCount, 1);
  append(queue, bytes.subarray(blockLength));
  equal(pool.lentCount, 2);
  sink.letWrite();
  equal(await first, 100);
  equal(pool.lentCount, 2, "the rest of the first block waits");
  for (const expected of [blockLength - 100, 10]) {
    const writing = queue.writeTo(sink);
    sink.letWrite();
    equal(await writing, expected);
  }
  ok(isSame(sink.written, bytes));
  deepEqual([pool.lentCount, queue.isEmpty], [0, true]);
});

Deno.test("an empty queue holds no block and writes nothing", async () => {
  const { pool, sink, queue } = stalledQueue();
  equal(queue.isEmpty, true);
  append(queue, new Uint8Array(0));
  equal(await queue.writeTo(sink), 0);
  equal(pool.lentCount, 0);
});

Deno.test("a closed queue gives all back but what is being written, and that after it", async () => {
  for (const isWritten of [true, false]) {
    const { pool, sink, queue } = stalledQueue();
    append(queue, testBytes(3 * blockLength));
    const writing = queue.writeTo(sink);
    queue.close();
    equal(pool.lentCount, 1);
    append(queue, testBytes(10));
    equal(pool.lentCount, 1, "nothing is taken any more");
    if (isWritten) {
      sink.letWrite();
      equal(await writing, blockLength);
    } else {
      sink.fail(new Error("gone"));
      await rejects(writing, /gone/);
    }
    deepEqual([pool.lentCount, queue.isEmpty], [0, true]);
  }
});

/** Lends pieces one behind the other, settles, and overwrites them. */
function lend(queue: BlockQueue, bytes: Uint8Array, sink: FakeConnection): number {
  const memory = new Uint8Array(2 * bytes.length + 7).fill(255);
  const pieceLength = Math.ceil(bytes.length / 3);
  for (let at = 0; at < bytes.length; at += pieceLength) {
    const piece = bytes.subarray(at, at + pieceLength);
    memory.set(piece, 2 * at);
    queue.lend(memory, 2 * at, 2 * at + piece.length);
  }
  const written = queue.settle(sink);
  memory.fill(255);
  return written;
}

Deno.test("what is lent is written at once, as far as it is taken, and the rest waits", async () => {
  const { pool, sink, queue } = stalledQueue();
  const bytes = testBytes(9_000);
  sink.promptLength = 4_500;
  equal(lend(queue, bytes.subarray(0, 3_000), sink), 3_000);
  deepEqual([pool.lentCount, queue.isEmpty], [0, true]);
  equal(lend(queue, bytes.subarray(3_000, 6_000), sink), 1_500);
  deepEqual([pool.lentCount, queue.isEmpty], [1, false]);
  sink.promptLength = 4_500;
  equal(lend(queue, bytes.subarray(6_000), sink), 0, "what waits goes first");
  const writing = queue.writeTo(sink);
  equal(lend(queue, new Uint8Array(0), sink), 0);
  sink.letWrite();
  equal(await writing, 4_500);
  ok(isSame(sink.written, bytes));
  equal(pool.lentCount, 0);
});

Deno.test("what is lent keeps its place before what is copied, and in other memory", async () => {
  const { sink, queue } = stalledQueue();
  const [first, second, third] = [testBytes(100), testBytes(50), testBytes(70)];
  queue.lend(first, 0, 100);
  queue.lend(second, 10, 50);
  append(queue, third);
  equal(queue.settle(sink), 0);
  const writing = queue.writeTo(sink);
  sink.letWrite();
  equal(await writing, 210);
  const expected = Uint8Array.of(...first, ...second.subarray(10), ...third);
  ok(isSame(sink.written, expected));
});

Deno.test("what is lent to a closed queue is forgotten", () => {
  const { pool, sink, queue } = stalledQueue();
  sink.promptLength = 1_000;
  queue.lend(testBytes(10), 0, 10);
  queue.close();
  queue.lend(testBytes(10), 0, 10);
  equal(queue.settle(sink), 0);
  deepEqual([pool.lentCount, sink.writes.length], [0, 0]);
});

const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("lend"), length: fc.nat(70_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("take"), length: fc.nat(100_000) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("append"), length: fc.nat(3_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("append"), length: fc.nat(200_000) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("write"), length: fc.constant(0) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("letWrite"), length: fc.constant(0) }) },
);

Deno.test("any order of pieces and writes keeps every byte, and no block too many", async () => {
  const scripts = fc.array(command, { maxLength: 100, size: "max" });
  await fc.assert(fc.asyncProperty(scripts, runScript), { seed: 11, numRuns: 200 });
});

async function runScript(script: readonly { do: string; length: number }[]): Promise<void> {
  const { pool, sink, queue } = stalledQueue();
  const pieces = script.filter(({ do: what }) => what === "append" || what === "lend");
  const pattern = testBytes(pieces.reduce((sum, { length }) => sum + length, 0));
  let [appended, written] = [0, 0];
  let writing: Promise<number> | undefined;
  const finish = async () => {
    if (writing === undefined) return;
    sink.letWrite();
    written += await writing;
    writing = undefined;
  };
  for (const { do: what, length } of script) {
    if (what === "append") append(queue, pattern.subarray(appended, appended += length));
    if (what === "take") sink.promptLength = length;
    if (what === "lend") {
      written += lend(queue, pattern.subarray(appended, appended += length), sink);
    }
    if (what === "write" && !queue.isEmpty) writing ??= queue.writeTo(sink);
    if (what === "letWrite") await finish();
    const waiting = appended - written;
    ok(pool.lentCount <= Math.ceil(waiting / blockLength) + 1, `${pool.lentCount} blocks`);
    equal(pool.lentCount === 0, waiting === 0);
  }
  await finish();
  for (; !queue.isEmpty; await finish()) writing = queue.writeTo(sink);
  equal(pool.lentCount, 0);
  ok(isSame(sink.written, pattern));
}
