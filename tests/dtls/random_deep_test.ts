import { equal, ok } from "node:assert/strict";
import { connectedPair } from "./pair.ts";
import { seededRandom } from "./seeded_random.ts";

Deno.test("D14: after 10,000,000 random datagrams a connection carries 1 MB", () => {
  const pair = connectedPair();
  const random = seededRandom(1);
  const bytes = new Uint8Array(64);
  const words = new Uint32Array(bytes.buffer);
  const spans = new Uint32Array(8);
  for (let count = 0; count < 10_000_000; count++) {
    for (let word = 0; word < words.length; word++) words[word] = random() * 2 ** 32;
    // One in ten looks like a record, and one in a hundred like one of this epoch.
    if (count % 10 === 0) {
      bytes.set([20 + count % 5, 0xfe, 0xfd, 0, count % 100 === 0 ? 1 : 0, 0, 0, 0, 0]);
      bytes.set([0, 51], 11);
    }
    const side = count % 3 === 0 ? "client" : "server";
    equal(pair[side].open(bytes, 0, bytes.length, spans, 0), 0);
  }
  ok(pair.isConnected());
  let length = 0;
  for (let count = 0; count < 1_024; count++) {
    const record = pair.seal("client", new Uint8Array(1_024));
    equal(pair.server.open(record, 0, record.length, spans, 0), 1);
    length += (spans[1] ?? 0) - (spans[0] ?? 0);
  }
  equal(length, 2 ** 20);
  equal(pair.sent.length, 4, "something was answered");
});
