import assert from "node:assert/strict";
import { StreamPort } from "../../src/forward/stream_port.ts";
import { TunnelStream } from "../../src/tunnel/tunnel_stream.ts";

/** A port over a channel that goes nowhere. */
function newPort(): StreamPort {
  const channel = {
    ...{
      label: "a:1",
      protocol: "aetherport-tcp/1",
      maxMessageLength: 16_384,
      sendableLength: 65_536,
    },
    ...{ handler: undefined, send: () => {}, close: () => {} },
  };
  return new StreamPort(new TunnelStream(channel, { role: "acceptor" }));
}

Deno.test("small messages that wait share memory, and come out in order", async () => {
  const port = newPort();
  const sent: number[] = [];
  for (let at = 0; at < 40_000; at++) {
    sent.push(at & 255);
    port.handlePayload(Uint8Array.of(at & 255));
  }
  port.handleEnd();
  const chunks: Uint8Array[] = [];
  for (let chunk = await port.read(); chunk !== undefined; chunk = await port.read()) {
    chunks.push(chunk);
  }
  assert.deepEqual(chunks.flatMap((chunk) => [...chunk]), sent);
  assert.ok(chunks.length <= 6, `${chunks.length} chunks`);
});

Deno.test("small and large messages keep their order", async () => {
  const port = newPort();
  const sizes = [1, 5_000, 2, 3, 16_000, 1, 4_095, 4_096, 4_095, 4_095, 4_095, 4_095, 7];
  sizes.forEach((size, at) => port.handlePayload(new Uint8Array(size).fill(at)));
  port.handleEnd();
  const got: number[] = [];
  for (let chunk = await port.read(); chunk !== undefined; chunk = await port.read()) {
    got.push(...chunk);
  }
  assert.deepEqual(got, sizes.flatMap((size, at) => Array(size).fill(at)));
});
