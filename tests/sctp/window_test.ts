/** Rows S9 and S10: the receive window, which no burst and no slow reader closes for good. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { chunkTypes } from "../../src/sctp/packet/chunk_type.ts";
import { readUint32 } from "../../src/network_order.ts";
import { Random } from "../sim/random.ts";
import { forSeeds } from "../sim/seeds.ts";
import { connectedPair, isUp, OnPath, type SctpPair, sendText } from "./association_pair.ts";
import { dataChunk, sackChunk } from "./chunks.ts";
import { readPacket } from "./packets.ts";

/** Reads at Z what was delivered, as fast as it is told to. */
class Reader {
  receivedLength = 0;
  messageCount = 0;
  #unreadLength = 0;
  readonly #pair: SctpPair;

  constructor(pair: SctpPair) {
    this.#pair = pair;
    pair.z.onMessage = (_streamId, _ppid, _bytes, start, end) => {
      this.receivedLength += end - start;
      this.messageCount++;
      this.#unreadLength += end - start;
      pair.z.association.setUnreadLength(this.#unreadLength);
    };
  }

  get unreadLength(): number {
    return this.#unreadLength;
  }

  read(length: number): void {
    this.#unreadLength = Math.max(0, this.#unreadLength - length);
    this.#pair.call("z", ({ association }) => association.setUnreadLength(this.#unreadLength));
  }

  /** Reads so much every so often, for ever. */
  readEvery(intervalMs: number, length: number): void {
    this.#pair.at(this.#pair.now + intervalMs, () => {
      this.read(length);
      this.readEvery(intervalMs, length);
    });
  }
}

Deno.test("S9: 10,000 bursts around the window's size always come through a slow reader", () => {
  forSeeds(10_000, (seed) => {
    const random = new Random(seed);
    const receiveWindow = random.pick([3_000, 8_192, 16_384]);
    const pair = connectedPair({
      seed,
      impairments: { delayMs: 10, loss: seed % 4 === 0 ? 0.05 : 0 },
      config: {
        receiveWindow,
        isInterleavingOffered: seed % 2 === 0,
        isZeroChecksumAcceptable: true,
      },
      isWrapping: seed % 3 === 0,
      isKeepingEvents: false,
    });
    const reader = new Reader(pair);
    // From well below the window to twice as much, byte by byte near the limit.
    const length = random.pick([
      receiveWindow - 300 + random.below(600),
      1 + random.below(2 * receiveWindow),
      2 * receiveWindow,
    ]);
    const messageLength = random.pick([1 + random.below(200), 1_100, receiveWindow, length]);
    pair.call("a", ({ association }, now) => {
      for (let left = length; left > 0; left -= messageLength) {
        const bytes = new Uint8Array(Math.min(left, messageLength));
        association.send(random.below(3), 51, bytes, { isUnordered: random.chance(0.2) }, now);
      }
    });
    reader.readEvery(20 + random.below(200), (1 + random.below(20)) * receiveWindow / 20);
    pair.run({ until: () => reader.receivedLength === length, maxVirtualMs: 120_000 });
  });
});

Deno.test("S9: what is unread is never much more than the window", () => {
  const receiveWindow = 100_000;
  const maxMessageLength = 20_000;
  const config = { receiveWindow, maxMessageLength };
  const pair = connectedPair({ seed: 1, config, impairments: { delayMs: 10 } });
  const reader = new Reader(pair);
  for (let count = 0; count < 50; count++) sendText(pair, "a", "x".repeat(20_000), count % 4);
  // The messages that have begun may come to their end.
  const limit = receiveWindow + maxMessageLength + 1_200;
  pair.runFor(600_000);
  ok(reader.unreadLength + pair.z.association.heldLength <= limit);
  ok(reader.unreadLength > receiveWindow / 2);
  while (reader.messageCount < 50) {
    reader.read(20_000);
    pair.runFor(1_000);
    ok(reader.unreadLength + pair.z.association.heldLength <= limit);
  }
});

for (const isQueueEmpty of [true, false]) {
  const what = isQueueEmpty ? "nothing more" : "more";
  Deno.test(`S10: a reader that stops for 10 min resumes, with ${what} queued behind`, () => {
    forSeeds(20, (seed) => {
      const receiveWindow = 20_000 + seed;
      const pair = connectedPair({
        seed,
        config: { receiveWindow, heartbeatInterval: 3_600_000 },
        impairments: { delayMs: 10 },
      });
      const reader = new Reader(pair);
      const length = isQueueEmpty ? receiveWindow + 100 * (seed % 10) : 200_000;
      pair.call("a", ({ association }, now) => {
        for (let left = length; left > 0; left -= 1_000) {
          association.send(0, 51, new Uint8Array(Math.min(left, 1_000)), undefined, now);
        }
      });
      const start = pair.sentCount;
      pair.runFor(600_000);
      ok(isUp(pair), "nobody gives up");
      ok(pair.sentCount - start < 1_000, "probes are few");
      reader.readEvery(10, 20_000);
      pair.run({ until: () => reader.receivedLength === length, maxVirtualMs: 5_000 });
    });
  });
}

Deno.test("S9, webrtc-rs#822: the chunk that completes a message is taken at a window of zero", () => {
  const receiveWindow = 10_000;
  const config = { receiveWindow, initialTsn: 1_000, isInterleavingOffered: false };
  const pair = connectedPair({ seed: 2, config });
  const wire = new OnPath(pair);
  sendText(pair, "a", "x");
  sendText(pair, "z", "x");
  pair.runFor(100);
  const sent = pair.recordSent();
  pair.cut();
  // The first piece is missing; what follows fills the window to the brim, and then some.
  const text = "x".repeat(1_000);
  for (let n = 2; n < 20; n++) {
    wire.inject(
      "z",
      dataChunk({ tsn: 1_000 + n, isInterleaved: false, messageNumber: 1, flags: 0, text }),
    );
  }
  ok(pair.z.association.heldLength <= receiveWindow);
  const last = sent.at(-1);
  const sack = last && readPacket(last.bytes).chunks.find(({ type }) => type === chunkTypes.sack);
  equal(sack && readUint32(sack.bytes, 8), 0, "the window is told to be closed");
  const { heldLength } = pair.z.association;
  wire.inject(
    "z",
    dataChunk({ tsn: 1_001, isInterleaved: false, messageNumber: 1, flags: 2, text }),
  );
  ok(pair.z.association.heldLength > heldLength, "it is taken all the same");
  // All others come in turn, and the message is complete.
  for (let n = 2; n < 30; n++) {
    wire.inject(
      "z",
      dataChunk({ tsn: 1_000 + n, isInterleaved: false, messageNumber: 1, flags: 0, text }),
    );
  }
  wire.inject(
    "z",
    dataChunk({ tsn: 1_030, isInterleaved: false, messageNumber: 1, flags: 1, text }),
  );
  equal(pair.z.association.heldLength, 0);
  const messages = pair.events.z.filter((event) => event.type === "message");
  equal(messages.length, 2);
});

Deno.test("S9: a message longer than the window comes through, and one longer than may be ends it", () => {
  for (const isInterleavingOffered of [true, false]) {
    const config = { receiveWindow: 10_000, maxMessageLength: 50_000, isInterleavingOffered };
    const pair = connectedPair({ seed: 3, config, impairments: { delayMs: 10, loss: 0.02 } });
    const reader = new Reader(pair);
    sendText(pair, "a", "x".repeat(50_000));
    pair.run({ until: () => reader.receivedLength === 50_000 });
    reader.read(50_000);
    sendText(pair, "a", "x".repeat(50_001));
    pair.run({
      until: ({ a, z }) => a.association.state === "ended" && z.association.state === "ended",
    });
  }
});

Deno.test("S9: long messages of more streams than the window has room for come through", () => {
  for (const isInterleavingOffered of [true, false]) {
    for (const receiveWindow of [80_000, 200_000, 1_000_000]) {
      const config = { receiveWindow, isInterleavingOffered, maxMessageLength: 65_536 };
      const pair = connectedPair({ seed: 6, config, impairments: { delayMs: 10, loss: 0.01 } });
      let messageCount = 0;
      pair.z.onMessage = () => messageCount++;
      for (let streamId = 0; streamId < 32; streamId++) {
        sendText(pair, "a", "x".repeat(65_536), streamId);
      }
      pair.run({ until: () => messageCount === 32, maxVirtualMs: 60_000 });
    }
  }
});

Deno.test("S12: a short message does not wait for long ones of other streams", () => {
  const rate = { bitsPerSecond: 8_000_000, queueBytes: 100_000 };
  const config = { receiveWindow: 1_000_000 };
  const pair = connectedPair({ seed: 7, config, impairments: { delayMs: 10, rate } });
  let cameAt = 0;
  pair.z.onMessage = (streamId) => {
    if (streamId === 99) cameAt = pair.now;
  };
  for (let streamId = 0; streamId < 16; streamId++) {
    sendText(pair, "a", "x".repeat(250_000), streamId);
  }
  pair.runFor(500);
  const start = pair.now;
  sendText(pair, "a", "short", 99);
  pair.run({ until: () => cameAt > 0 });
  ok(cameAt - start < 300, `${cameAt - start} ms`);
});

Deno.test("S5, usrsctp#750: a flight that fills the window and is lost whole is sent again", () => {
  forSeeds(20, (seed) => {
    const pair = connectedPair({
      seed,
      config: { receiveWindow: 12_000 },
      impairments: { delayMs: 10 },
    });
    const reader = new Reader(pair);
    pair.runFor(500);
    pair.aToZ.cut();
    for (let count = 0; count < 30; count++) sendText(pair, "a", "x".repeat(1_100));
    pair.runFor(50 * seed);
    pair.aToZ.heal();
    // The acknowledgements of the first round are lost as well.
    pair.zToA.cut();
    pair.runFor(400);
    pair.zToA.heal();
    reader.readEvery(10, 12_000);
    pair.run({ until: () => reader.messageCount === 30, maxVirtualMs: 10_000 });
  });
});

Deno.test("S9: a window that reopens is told at once, without waiting for a probe", () => {
  const pair = connectedPair({
    seed: 4,
    config: { receiveWindow: 50_000 },
    impairments: { delayMs: 10 },
  });
  const reader = new Reader(pair);
  for (let count = 0; count < 100; count++) sendText(pair, "a", "x".repeat(1_000));
  pair.runFor(60_000);
  const before = reader.receivedLength;
  const sent = pair.recordSent();
  reader.read(20_000);
  ok(sent.some(({ from, at }) => from === "z" && at === pair.now), "it is told");
  pair.runFor(25);
  ok(reader.receivedLength > before, `${reader.receivedLength}`);
});

Deno.test("S9: a peer that tells of a window which it has not is sent no more than one chunk at a time", () => {
  const pair = connectedPair({ seed: 5, config: { initialTsn: 1_000 } });
  const wire = new OnPath(pair);
  sendText(pair, "z", "x");
  pair.runFor(100);
  wire.inject("a", sackChunk({ cumulativeTsnAck: 999, window: 0 }));
  const sent = pair.recordSent();
  pair.aToZ.cut();
  for (let count = 0; count < 10; count++) sendText(pair, "a", "x".repeat(1_000));
  deepEqual(sent.length, 0, "the window is closed");
  pair.runFor(10_000);
  const tsns = new Set(
    sent.flatMap(({ from, bytes }) => from === "a" ? readPacket(bytes).chunks : [])
      .filter(({ type }) => type === chunkTypes.iData)
      .map(({ bytes }) => readUint32(bytes, 4)),
  );
  deepEqual([...tsns], [1_000]);
});
