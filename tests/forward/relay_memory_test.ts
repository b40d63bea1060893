/** What a relay holds, in each state and after each end. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { blockLength, BufferPool } from "../../src/buffer_pool.ts";
import { idleReadLength } from "../../src/forward/read_buffer.ts";
import { relay, type RelaySummary } from "../../src/forward/relay.ts";
import { StreamPort } from "../../src/forward/stream_port.ts";
import { initialCredit, TunnelStream } from "../../src/tunnel/tunnel_stream.ts";
import { type ChannelPair, channelPair, type FakeChannelOptions } from "../fakes/channel_pair.ts";
import { FakeConnection } from "../fakes/fake_connection.ts";
import { isSame, testBytes } from "../fakes/sockets.ts";

/** What a stream takes before anything of it is consumed, in bytes (docs/protocol.md). */
const receiveWindow = 1_048_576;

/** A relay between a connection in memory and a stream whose other end the test plays. */
class Stage {
  readonly pool = new BufferPool();
  readonly connection = new FakeConnection();
  readonly pair: ChannelPair;
  readonly peer: TunnelStream;
  readonly summary: Promise<RelaySummary>;
  /** What the peer has sent, in bytes. */
  sentLength = 0;

  constructor(options: FakeChannelOptions = {}) {
    this.pair = channelPair({ capacity: 2_000_000, ...options });
    this.peer = new TunnelStream(this.pair.z, { role: "acceptor" });
    const { pool } = this;
    const port = new StreamPort(new TunnelStream(this.pair.a, { role: "opener" }), { pool });
    this.summary = relay(this.connection, port, { pool });
  }

  /** Lets everything happen that can. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 4; turn++) {
      this.pair.settle();
      await nextTurn();
    }
  }

  /** The peer accepts. */
  async accept(): Promise<void> {
    this.peer.accept();
    await this.settle();
  }

  /** The peer sends so many bytes, or as many as it may. */
  async send(length = Infinity): Promise<void> {
    const end = this.sentLength + length;
    while (this.sentLength < end) {
      const count = Math.min(this.peer.sendableLength, end - this.sentLength);
      if (count === 0) break;
      this.peer.send(pattern, this.sentLength, this.sentLength + count);
      this.sentLength += count;
    }
    await this.settle();
  }

  /** What the relay has sent, in messages. */
  get messages(): Uint8Array[] {
    return this.pair.a.sent.filter((message) => message instanceof Uint8Array);
  }

  /** Has both directions stall: the connection takes nothing, and the peer gives no credit. */
  async stall(): Promise<void> {
    await this.accept();
    this.connection.isStalled = true;
    await this.send();
    this.connection.supply(testBytes(initialCredit + 200_000));
    await this.settle();
    equal(this.pool.lentCount, initialCredit / blockLength + 1);
  }
}

const pattern = testBytes(4 * receiveWindow);

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

Deno.test("a stalled receiver holds the window and at most 17 blocks", async () => {
  const stage = new Stage();
  await stage.accept();
  stage.connection.isStalled = true;
  await stage.send(1_000);
  await stage.send(60_000);
  stage.connection.letWrite();
  await stage.settle();
  while (stage.peer.sendableLength > 0) await stage.send();
  equal(stage.sentLength, receiveWindow + 1_000);
  equal(stage.pool.lentCount, 17);
  stage.connection.isStalled = false;
  stage.connection.letWrite();
  await stage.settle();
  equal(stage.pool.lentCount, 0);
  ok(isSame(stage.connection.written, pattern.subarray(0, stage.sentLength)));
  stage.pair.die();
  await stage.summary;
});

Deno.test("many packets leave in few writes, a block in each", async () => {
  const stage = new Stage({ maxMessageLength: 1_200 });
  await stage.accept();
  stage.connection.isStalled = true;
  await stage.send(initialCredit);
  for (let count = 0; count < 5; count++) {
    stage.connection.letWrite();
    await stage.settle();
    if (stage.connection.writingLength === undefined) break;
  }
  ok(isSame(stage.connection.written, pattern.subarray(0, initialCredit)));
  ok(stage.connection.writes.length <= 5, `${stage.connection.writes.length} writes`);
  stage.pair.die();
  await stage.summary;
});

Deno.test("an idle connection waits in 4 KB of its own", async () => {
  const stage = new Stage();
  await stage.accept();
  ok(idleReadLength < 4_096);
  equal(stage.connection.readingLength, idleReadLength);
  for (const length of [1, 4_000, idleReadLength + 1, 10_000, 100_000]) {
    stage.connection.supply(testBytes(length));
    await stage.settle();
    equal(stage.connection.readingLength, idleReadLength, `after ${length} bytes`);
    equal(stage.pool.lentCount, 0);
  }
  stage.pair.die();
  await stage.summary;
});

Deno.test("what fills the small buffer is read on in a block", async () => {
  const stage = new Stage();
  await stage.accept();
  stage.connection.supply(testBytes(idleReadLength));
  await stage.settle();
  equal(stage.connection.readingLength, blockLength);
  equal(stage.pool.lentCount, 1);
  stage.connection.supplyEnd();
  await stage.settle();
  equal(stage.pool.lentCount, 0, "not held beyond the end");
  stage.pair.die();
  await stage.summary;
});

Deno.test("what was read is sent in messages as long as the path takes, byte for byte", async () => {
  const stage = new Stage({ maxMessageLength: 1_200 });
  await stage.accept();
  const bytes = testBytes(100_000);
  stage.connection.supply(bytes.subarray(0, 50_000));
  await stage.settle();
  stage.pair.a.maxMessageLength = 700;
  stage.connection.supply(bytes.subarray(50_000));
  await stage.settle();
  const lengths = stage.messages.map(({ length }) => length);
  equal(Math.max(...lengths), 1_200);
  equal(Math.max(...lengths.slice(-50)), 700);
  ok(isSame(Uint8Array.from(stage.messages.flatMap((message) => [...message])), bytes));
  stage.pair.die();
  await stage.summary;
});

Deno.test("a sender without credit goes on where it stopped", async () => {
  const stage = new Stage();
  await stage.accept();
  const bytes = testBytes(initialCredit + 200_000);
  stage.connection.supply(bytes);
  await stage.settle();
  let sent = stage.messages.reduce((sum, { length }) => sum + length, 0);
  equal(sent, initialCredit);
  stage.peer.consume(initialCredit, 0);
  await stage.settle();
  sent = stage.messages.reduce((sum, { length }) => sum + length, 0);
  equal(sent, bytes.length);
  ok(isSame(Uint8Array.from(stage.messages.flatMap((message) => [...message])), bytes));
  equal(stage.pool.lentCount, 0);
  stage.pair.die();
  await stage.summary;
});

Deno.test("a sender that has to wait before it reads on holds no block", async () => {
  const stage = new Stage({ capacity: idleReadLength + blockLength });
  await stage.accept();
  stage.connection.supply(testBytes(100_000));
  while (stage.messages.length < 5) await nextTurn();
  await nextTurn();
  equal(stage.connection.readingLength, undefined);
  equal(stage.pool.lentCount, 0);
  stage.pair.die();
  await stage.summary;
});

Deno.test("a client that vanished while nothing can be sent is noticed", async () => {
  const realSetInterval = globalThis.setInterval;
  const probes: (() => void)[] = [];
  const record = (callback: () => void) => probes.push(callback);
  globalThis.setInterval = Object.assign(record, realSetInterval) as typeof setInterval;
  try {
    const stage = new Stage();
    await stage.stall();
    equal(probes.length, 1);
    probes[0]?.();
    await stage.settle();
    equal(stage.connection.ended, undefined, "it is still there");
    stage.connection.probeError = new Error("it went away");
    probes[0]?.();
    deepEqual((await stage.summary).closed, { how: "reset", reason: "it went away" });
    equal(stage.pool.lentCount, 0);
  } finally {
    globalThis.setInterval = realSetInterval;
  }
});

/** What breaks a relay off that holds blocks both ways. */
const breaks: Readonly<Record<string, (stage: Stage) => void>> = {
  "a reset by the other node": ({ peer }) => peer.reset("enough"),
  "a channel that the other node closes": ({ pair }) => pair.z.close(),
  "a link that dies": ({ pair }) => pair.die(),
  "a connection that is reset": ({ connection }) => connection.fail(new Error("reset")),
  "a fault of the peer": ({ pair }) => pair.z.sendText("nonsense"),
};
for (const [name, breakOff] of Object.entries(breaks)) {
  Deno.test(`${name} gives all blocks back`, async () => {
    const stage = new Stage();
    await stage.stall();
    breakOff(stage);
    await stage.settle();
    equal((await stage.summary).closed.how, "reset");
    equal(stage.connection.ended, "reset");
    equal(stage.pool.lentCount, 0);
    equal(stage.pair.a.unconsumedLength, 0);
    stage.peer.release();
    await stage.settle();
  });
}

Deno.test("a refusal gives the block back that was read into", async () => {
  const stage = new Stage();
  stage.connection.supply(testBytes(initialCredit + 200_000));
  await stage.settle();
  equal(stage.pool.lentCount, 1);
  stage.peer.refuse("denied", "no --allow names it");
  await stage.settle();
  equal((await stage.summary).closed.how, "refused");
  equal(stage.connection.ended, "reset");
  equal(stage.pool.lentCount, 0);
});

Deno.test("a relay that finishes has carried everything and holds nothing", async () => {
  const stage = new Stage();
  await stage.accept();
  await stage.send(150_000);
  stage.connection.supply(testBytes(150_000, 2));
  await stage.settle();
  stage.connection.supplyEnd();
  stage.peer.end();
  await stage.settle();
  stage.peer.consume(150_000, 0);
  stage.peer.confirmEnd();
  await stage.settle();
  deepEqual(await stage.summary, { closed: { how: "finished" }, sent: 150_000, received: 150_000 });
  equal(stage.connection.ended, "closed");
  equal(stage.connection.isWriteEnded, true);
  equal(stage.pool.lentCount, 0);
});
