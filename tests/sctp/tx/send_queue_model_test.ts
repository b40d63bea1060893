/** The send queue against a plain model, by random lists of commands. */
import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { BufferPool } from "../../../src/buffer_pool.ts";
import { dataFlags } from "../../../src/sctp/packet/data_chunk.ts";
import { maxPieceLength, PayloadStore } from "../../../src/sctp/payload_store.ts";
import { SendQueue } from "../../../src/sctp/tx/send_queue.ts";

const pieceLength = 1_000;
const streamCount = 4;

/** What waits, as plainly as can be. */
interface ModelMessage {
  readonly id: number;
  readonly length: number;
  readonly isUnordered: boolean;
  readonly expiresAt: number;
  /** Of a run: no message is longer. */
  readonly maxMessageLength?: number;
  sentLength: number;
}

interface ModelStream {
  readonly messages: ModelMessage[];
  ordered: number;
  unordered: number;
  reset: "none" | "pending" | "requested";
}

class Model {
  now = 0;
  nextId = 0;
  readonly streams: ModelStream[] = Array.from({ length: streamCount }, () => ({
    messages: [],
    ordered: 0,
    unordered: 0,
    reset: "none",
  }));

  buffered(streamId: number): number {
    const { messages } = this.#stream(streamId);
    return messages.reduce((sum, { length, sentLength }) => sum + length - sentLength, 0);
  }

  /** The message a stream goes on with; expired ones that have not begun are skipped. */
  next(streamId: number): ModelMessage | undefined {
    return this.#stream(streamId).messages
      .find(({ sentLength, expiresAt }) => sentLength > 0 || expiresAt > this.now);
  }

  #stream(streamId: number): ModelStream {
    const stream = this.streams[streamId];
    ok(stream);
    return stream;
  }
}

interface Real {
  readonly queue: SendQueue;
  readonly store: PayloadStore;
  readonly isInterleaved: boolean;
  readonly low: number[];
}

type QueueCommand = fc.Command<Model, Real>;

function command(name: string, run: (model: Model, real: Real) => void): QueueCommand {
  return {
    check: () => true,
    run(model, real) {
      run(model, real);
      for (let streamId = 0; streamId < streamCount; streamId++) {
        const buffered = real.queue.bufferedAmount(streamId);
        ok(buffered <= model.buffered(streamId), "never more than was sent");
      }
      const sum = Array.from({ length: streamCount }, (_, id) => real.queue.bufferedAmount(id))
        .reduce((total, one) => total + one, 0);
      equal(real.queue.bufferedLength, sum);
    },
    toString: () => name,
  };
}

function add(
  streamId: number,
  length: number,
  isUnordered: boolean,
  lifetime: number | undefined,
): QueueCommand {
  return command(`add(${streamId}, ${length}, ${isUnordered}, ${lifetime})`, (model, real) => {
    const id = model.nextId++ % 250;
    const options = { isUnordered, lifetime };
    real.queue.add(streamId, id, new Uint8Array(length).fill(id + 1), options, model.now);
    const expiresAt = lifetime === undefined ? Infinity : model.now + lifetime;
    model.streams[streamId]?.messages.push({ id, length, isUnordered, expiresAt, sentLength: 0 });
  });
}

function addRun(streamId: number, length: number, maxMessageLength: number): QueueCommand {
  const run = { start: 7, end: 7 + length, maxMessageLength };
  return command(`addRun(${streamId}, ${length}, ${maxMessageLength})`, (model, { queue }) => {
    const id = model.nextId++ % 250;
    queue.addRun(streamId, id, new Uint8Array(length + 20).fill(id + 1, 7, 7 + length), run);
    const rest = { id, isUnordered: false, expiresAt: Infinity, maxMessageLength, sentLength: 0 };
    // What is held at once is divided for itself.
    for (let left = length; left > 0; left -= maxPieceLength) {
      model.streams[streamId]?.messages.push({ ...rest, length: Math.min(left, maxPieceLength) });
    }
  });
}

/** `isOfRun`: only where it is a message of a run, exactly as long. */
function produce(available: number, isOfRun = false): QueueCommand {
  return command(`produce(${available}, ${isOfRun})`, (model, { queue, store, isInterleaved }) => {
    const isProduced = isOfRun
      ? queue.produceOfRun(available, pieceLength)
      : queue.produce(available, pieceLength, model.now);
    if (!isProduced && isOfRun) return;
    if (!isProduced) {
      // Nothing is there, or what is there does not fit.
      const isEmpty = model.streams.every((stream, id) =>
        stream.reset === "requested" || model.next(id) === undefined
      );
      ok(isEmpty || available < pieceLength, "what fits is produced");
      if (isEmpty) ok(!queue.hasData);
      return;
    }
    const { fragment } = queue;
    const stream = model.streams[fragment.streamId];
    const message = model.next(fragment.streamId);
    ok(stream && message, "it is of what was sent");
    ok(stream.reset !== "requested", "nothing is sent of a stream that is being reset");
    // All before it have expired.
    stream.messages.splice(0, stream.messages.indexOf(message));
    equal(fragment.ppid, message.id);
    ok(fragment.length > 0 && fragment.length <= available);
    const { maxMessageLength } = message;
    const isRun = maxMessageLength !== undefined;
    if (isOfRun) ok(isRun && fragment.length === available);
    const isBeginning = message.sentLength === 0 || isRun;
    const rest = message.length - message.sentLength;
    if (isRun) equal(fragment.length, Math.min(rest, pieceLength, maxMessageLength));
    message.sentLength += fragment.length;
    const isOver = message.sentLength === message.length;
    const isEnding = isOver || isRun;
    const flags = (isBeginning ? dataFlags.beginning : 0) | (isEnding ? dataFlags.ending : 0) |
      (message.isUnordered ? dataFlags.unordered : 0);
    equal(fragment.flags, flags);
    const kind = message.isUnordered ? "unordered" : "ordered";
    const number = kind === "unordered" && !isInterleaved ? 0 : stream[kind];
    equal(fragment.messageNumber, number);
    const start = store.offsetOf(fragment.handle) + fragment.offset;
    const bytes = store.bytesOf(fragment.handle).subarray(start, start + fragment.length);
    ok(bytes.every((byte) => byte === message.id + 1), "it has the message's bytes");
    if (fragment.isPieceEnd) store.free(fragment.handle, model.now);
    if (isEnding) stream[kind]++;
    if (isOver) stream.messages.shift();
    if (!isInterleaved) {
      const begun = model.streams.filter(({ messages: [first] }) =>
        first?.maxMessageLength === undefined && (first?.sentLength ?? 0) > 0
      );
      ok(begun.length <= 1, "no message is begun within another");
    }
  });
}

function passTime(ms: number): QueueCommand {
  return command(`passTime(${ms})`, (model) => void (model.now += ms));
}

function prepareReset(streamId: number): QueueCommand {
  return command(`prepareReset(${streamId})`, (model, { queue }) => {
    queue.prepareReset(streamId);
    const stream = model.streams[streamId];
    if (stream?.reset === "none") stream.reset = "pending";
  });
}

const takeResets = command("takeResets()", (model, { queue }) => {
  for (const streamId of queue.takeResets(2)) {
    const stream = model.streams[streamId];
    ok(stream);
    equal(stream.reset, "pending");
    equal(model.next(streamId), undefined, "all that was sent has its TSNs, or has expired");
    stream.messages.length = 0;
    stream.reset = "requested";
  }
});

function finishReset(streamId: number, isPerformed: boolean): QueueCommand {
  return command(`finishReset(${streamId}, ${isPerformed})`, (model, { queue }) => {
    queue.finishReset(streamId, isPerformed);
    const stream = model.streams[streamId];
    if (stream?.reset !== "requested") return;
    stream.reset = "none";
    if (!isPerformed) return;
    stream.ordered = 0;
    stream.unordered = 0;
  });
}

const streamIds = fc.integer({ min: 0, max: streamCount - 1 });
const lengths = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.integer({ min: 900, max: 1_100 }),
  fc.integer({ min: 1, max: 40_000 }),
);

const commands = fc.commands([
  fc.tuple(
    streamIds,
    lengths,
    fc.boolean(),
    fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined }),
  )
    .map((parts) => add(...parts)),
  fc.tuple(
    streamIds,
    fc.oneof(lengths, fc.integer({ min: 60_000, max: 140_000 })),
    fc.constantFrom(Infinity, 600),
  )
    .map((parts) => addRun(...parts)),
  fc.constantFrom(pieceLength, 600).map((length) => produce(length, true)),
  fc.oneof(fc.constant(pieceLength + 16), fc.integer({ min: 1, max: pieceLength + 16 })).map(
    produce,
  ),
  fc.constant(produce(pieceLength + 16)),
  fc.integer({ min: 0, max: 30 }).map(passTime),
  streamIds.map(prepareReset),
  fc.constant(takeResets),
  fc.tuple(streamIds, fc.boolean()).map((parts) => finishReset(...parts)),
], { maxCommands: 120 });

for (const isInterleaved of [true, false]) {
  Deno.test(`the send queue does as its model does, ${isInterleaved ? "I-DATA" : "DATA"}`, () => {
    fc.assert(
      fc.property(commands, (list) => {
        const store = new PayloadStore(new BufferPool());
        const low: number[] = [];
        const queue = new SendQueue({ store, onBufferedAmountLow: (id) => void low.push(id) });
        queue.setInterleaved(isInterleaved);
        queue.setMaxBegunLength(30_000);
        fc.modelRun(
          () => ({ model: new Model(), real: { queue, store, isInterleaved, low } }),
          list,
        );
        queue.tellLow();
        queue.destroy(0);
        equal(queue.bufferedLength, 0);
        ok(!queue.hasData);
        deepEqual(low.filter((id) => id < 0 || id >= streamCount), []);
      }),
      { numRuns: 1_000, seed: 1 },
    );
  });
}

Deno.test("low is told once for each time a buffer falls to its threshold, and not within produce", () => {
  const store = new PayloadStore(new BufferPool());
  const low: number[] = [];
  const queue = new SendQueue({ store, onBufferedAmountLow: (id) => void low.push(id) });
  queue.setBufferedAmountLowThreshold(1, 1_500);
  queue.add(1, 51, new Uint8Array(3_000), undefined, 0);
  ok(queue.produce(1_000, 1_000, 0));
  queue.tellLow();
  deepEqual(low, []);
  ok(queue.produce(1_000, 1_000, 0));
  deepEqual(low, []);
  queue.tellLow();
  queue.tellLow();
  deepEqual(low, [1]);
  ok(queue.produce(1_000, 1_000, 0));
  queue.tellLow();
  deepEqual(low, [1]);
  queue.setBufferedAmountLowThreshold(1, 0);
  queue.add(1, 51, new Uint8Array(1), undefined, 0);
  ok(queue.produce(1_000, 1_000, 0));
  queue.tellLow();
  deepEqual(low, [1, 1]);
});

Deno.test("of two long messages the second begins once there is room beside the first", () => {
  const store = new PayloadStore(new BufferPool());
  const queue = new SendQueue({ store, onBufferedAmountLow: () => {} });
  queue.setInterleaved(true);
  queue.setMaxBegunLength(5_000);
  const streamsOf = (count: number) =>
    Array.from({ length: count }, () => {
      ok(queue.produce(1_000, 1_000, 0));
      return queue.fragment.streamId;
    });
  for (const streamId of [1, 2]) queue.add(streamId, 51, new Uint8Array(3_000), undefined, 0);
  queue.add(3, 51, new Uint8Array(900), undefined, 0);
  deepEqual(streamsOf(7), [1, 3, 1, 1, 2, 2, 2]);
  for (const streamId of [1, 2]) queue.add(streamId, 51, new Uint8Array(2_000), undefined, 0);
  deepEqual(streamsOf(4), [1, 2, 1, 2]);
});
