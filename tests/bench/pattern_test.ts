import { deepEqual, doesNotThrow, equal, throws } from "node:assert/strict";
import { PatternReader, PatternWriter } from "../../src/bench/pattern.ts";
import { TunnelStream } from "../../src/tunnel/tunnel_stream.ts";
import { channelPair } from "../fakes/channel_pair.ts";

/** The pattern as docs/protocol.md has it. */
function documented(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0, state = 1; at < length; at++) {
    if (at % 65_521 === 0) state = 1;
    state = (state * 48_271) % 2_147_483_647;
    bytes[at] = state % 256;
  }
  return bytes;
}

const bytes = documented(400_000);

Deno.test("writes the pattern as it is documented, as much as may be sent", () => {
  const { a } = channelPair({ capacity: 200_000, maxMessageLength: 100_000 });
  const stream = new TunnelStream(a, { role: "opener" });
  const writer = new PatternWriter();
  for (let before = -1; writer.position > before;) {
    before = writer.position;
    writer.sendTo(stream);
  }
  equal(writer.position, 200_000);
  const sent = a.sent.flatMap((message) => typeof message === "string" ? [] : [...message]);
  deepEqual(new Uint8Array(sent), bytes.subarray(0, 200_000));
});

Deno.test("reads the pattern, however it is cut", () => {
  const reader = new PatternReader();
  const lengths = [1, 65_520, 1, 65_521, 65_522, 7, 131_073, 70_000];
  let start = 0;
  for (const length of lengths) {
    reader.check(bytes.subarray(start, start + length));
    start += length;
  }
  equal(reader.position, start);
});

Deno.test("finds a byte that is another, and says which", () => {
  for (const at of [0, 65_520, 65_521, 200_000]) {
    const damaged = bytes.slice(0, 300_000);
    damaged[at]! ^= 1;
    throws(() => new PatternReader().check(damaged), new RegExp(`byte ${at} that came`));
  }
});

Deno.test("finds what is lost, repeated or swapped", () => {
  const block = 1_160;
  const piece = (index: number) => bytes.subarray(index * block, (index + 1) * block);
  const orders = [[0, 2], [0, 0], [0, 2, 1], [1]];
  for (const order of orders) {
    const reader = new PatternReader();
    throws(() => order.forEach((index) => reader.check(piece(index))), /byte \d+/);
  }
  const reader = new PatternReader();
  doesNotThrow(() => [0, 1, 2].forEach((index) => reader.check(piece(index))));
});
