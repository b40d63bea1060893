import { equal, ok, rejects } from "node:assert/strict";
import { blockLength, BufferPool } from "../../src/buffer_pool.ts";
import { StreamBroken, StreamPort } from "../../src/forward/stream_port.ts";
import { TunnelStream } from "../../src/tunnel/tunnel_stream.ts";
import { channelPair } from "../fakes/channel_pair.ts";
import { FakeConnection } from "../fakes/fake_connection.ts";
import { isSame, testBytes } from "../fakes/sockets.ts";

/** A port, and the stream that sends to it. */
function joined() {
  const [pool, pair] = [new BufferPool(), channelPair({ capacity: 2_000_000 })];
  const port = new StreamPort(new TunnelStream(pair.a, { role: "acceptor" }), { pool });
  const peer = new TunnelStream(pair.z, { role: "opener" });
  port.stream.accept();
  pair.settle();
  return { pool, pair, port, peer };
}

Deno.test("payload comes out whole and in order, however it was cut, and then the end", async () => {
  const { pool, pair, port, peer } = joined();
  const sink = new FakeConnection();
  const lengths = [1, 5_000, 2, 3, 16_000, 1, 4_095, 4_096, ...Array(2_000).fill(1), 16_384];
  const bytes = testBytes(lengths.reduce((sum, length) => sum + length, 0));
  let start = 0;
  for (const length of lengths) peer.send(bytes, start, start += length);
  peer.end();
  pair.settle();
  equal(pool.lentCount, Math.ceil(bytes.length / blockLength));
  while (await port.hasPayload()) await port.writeTo(sink);
  ok(isSame(sink.written, bytes));
  equal(sink.writes.length, 1);
  equal(pool.lentCount, 0);
});

Deno.test("what was written is consumed, and not before", async () => {
  const { pair, port, peer } = joined();
  const sink = new FakeConnection();
  sink.isStalled = true;
  peer.send(testBytes(1_000), 0, 1_000);
  pair.settle();
  const writing = port.writeTo(sink);
  equal(pair.a.unconsumedLength, 1_000);
  sink.letWrite();
  equal(port.handedOverLength, 0);
  await writing;
  equal(port.handedOverLength, 1_000);
  equal(pair.a.unconsumedLength, 0);
});

Deno.test("a stream that is broken off holds nothing, and who waits hears of it", async () => {
  const { pool, pair, port, peer } = joined();
  const reading = port.hasPayload();
  peer.send(testBytes(1_000), 0, 1_000);
  pair.settle();
  equal(await reading, true);
  pair.die();
  equal(pool.lentCount, 0);
  await rejects(port.hasPayload(), StreamBroken);
  await rejects(port.untilSendable(), StreamBroken);
});
