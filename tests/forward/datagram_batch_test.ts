import { deepEqual } from "node:assert/strict";
import { BufferPool } from "../../src/buffer_pool.ts";
import { DatagramBatch } from "../../src/forward/datagram_batch.ts";
import { FakeDatagramSockets } from "../fakes/datagram_sockets.ts";

Deno.test("a socket is asked of any length, in order, and no block is kept", async () => {
  const pool = new BufferPool();
  const batch = new DatagramBatch(pool);
  const socket = await new FakeDatagramSockets().bind({
    address: "127.0.0.1",
    handler: { handleDatagrams() {}, handleDrained() {}, handleFailed() {} },
  });
  const route = { socket, destination: { address: "127.0.0.1", port: 53 } };
  const lengths = [5, 65_537, 5, 0, 65_536, 200_000, 1];
  for (const length of lengths) batch.send(route, new Uint8Array(length), 0, length);
  await Promise.resolve();
  deepEqual(socket.sent.map(({ bytes }) => bytes.length), lengths);
  deepEqual(pool.lentCount, 0);
});
