/** Row S6: a SACK is taken whole or not at all. */
import { deepEqual, equal, notEqual, ok } from "node:assert/strict";
import { chunkTypes } from "../../src/sctp/packet/chunk_type.ts";
import { writeShutdown } from "../../src/sctp/packet/shutdown_chunk.ts";
import { readUint32, writeUint16 } from "../../src/network_order.ts";
import { add32 } from "../../src/sctp/serial.ts";
import {
  connectedPair,
  eventsOf,
  isUp,
  OnPath,
  type SctpPair,
  sendText,
} from "./association_pair.ts";
import { sackChunk } from "./chunks.ts";
import { readPacket } from "./packets.ts";
import { snapshotOf } from "./snapshot.ts";

/** A's chunks 1 to 20 are in flight, and 3, 4 and 7 are acknowledged by gap blocks. */
function inFlight(initialTsn: number): { readonly pair: SctpPair; readonly wire: OnPath } {
  const pair = connectedPair({ seed: 1, impairments: { delayMs: 1_000 }, config: { initialTsn } });
  const wire = new OnPath(pair);
  sendText(pair, "z", "x");
  pair.runFor(3_000);
  pair.call("a", ({ association }, now) => {
    for (let count = 0; count < 20; count++) {
      association.send(0, 51, new Uint8Array(500), undefined, now);
    }
  });
  // They are paced, and none of them is acknowledged as yet.
  pair.runFor(1_000);
  wire.inject("a", sackChunk({ cumulativeTsnAck: add32(initialTsn, -1), gaps: [[3, 4], [7, 7]] }));
  ok(pair.a.association.figures.isInFlight);
  return { pair, wire };
}

/** 40 SACKs that no receiver of what was sent could have sent; `tsn` is the last acknowledged. */
function falseSacks(tsn: number): Uint8Array[] {
  const gapped = (...gaps: readonly (readonly [number, number])[]) =>
    sackChunk({ cumulativeTsnAck: tsn, gaps });
  const good = gapped([3, 4], [7, 7]);
  const withCounts = (gapCount: number, duplicateCount: number) => {
    const chunk = good.slice();
    writeUint16(chunk, 12, gapCount);
    writeUint16(chunk, 14, duplicateCount);
    return chunk;
  };
  const withLength = (length: number) => {
    const chunk = new Uint8Array(length);
    chunk.set(good.subarray(0, Math.min(length, good.length)));
    writeUint16(chunk, 2, length);
    return chunk;
  };
  return [
    // Beyond what was sent.
    ...[21, 22, 100, 8_192, 16_384, 65_536, 2 ** 30, 2 ** 31 - 1].map((ahead) =>
      sackChunk({ cumulativeTsnAck: add32(tsn, ahead) })
    ),
    gapped([3, 21]),
    gapped([3, 4], [7, 65_535]),
    gapped([65_535, 65_535]),
    gapped([21, 21]),
    gapped([2, 2], [20, 21]),
    sackChunk({ cumulativeTsnAck: add32(tsn, 10), gaps: [[2, 11]] }),
    sackChunk({ cumulativeTsnAck: add32(tsn, 19), gaps: [[2, 2]] }),
    // Behind what is acknowledged.
    ...[1, 2, 100, 65_536, 2 ** 30, 2 ** 31 - 1, 2 ** 31].map((behind) =>
      sackChunk({ cumulativeTsnAck: add32(tsn, -behind), window: 0 })
    ),
    sackChunk({ cumulativeTsnAck: add32(tsn, -1), gaps: [[2, 10]] }),
    // Gap blocks that are none.
    gapped([4, 3]),
    gapped([0, 0]),
    gapped([0, 5]),
    gapped([1, 5]),
    gapped([3, 5], [5, 6]),
    gapped([7, 7], [3, 4]),
    gapped([3, 4], [3, 4]),
    gapped([3, 10], [5, 6]),
    gapped([3, 4], [8, 7]),
    // Counts and lengths that do not agree.
    withCounts(3, 0),
    withCounts(1, 0),
    withCounts(0, 0),
    withCounts(2, 1),
    withCounts(65_535, 0),
    withCounts(65_535, 65_535),
    withCounts(0, 65_535),
    ...[4, 8, 12, 15, 16, 20, 23, 25, 28].map(withLength),
  ];
}

for (const initialTsn of [1_000, 2 ** 32 - 10, 2 ** 31 - 10, 0]) {
  Deno.test(`S6: no false SACK changes anything, with TSNs from ${initialTsn} on`, () => {
    const { pair, wire } = inFlight(initialTsn);
    const before = snapshotOf(pair.a);
    const sacks = falseSacks(add32(initialTsn, -1));
    ok(sacks.length >= 40, `${sacks.length}`);
    for (const [index, sack] of sacks.entries()) {
      const { sentCount } = pair;
      wire.inject("a", sack);
      deepEqual(snapshotOf(pair.a), before, `SACK ${index}`);
      equal(pair.sentCount, sentCount, `SACK ${index}`);
    }
    pair.run({ until: (running) => eventsOf(running, "z", "message").length === 20 });
    ok(isUp(pair));
  });
}

Deno.test("S6: a malformed SACK is not read as one of zeros", () => {
  const pair = connectedPair({ seed: 3, config: { initialTsn: 1 } });
  const wire = new OnPath(pair);
  sendText(pair, "z", "x");
  pair.runFor(100);
  const before = snapshotOf(pair.a);
  wire.inject("a", Uint8Array.of(3, 0, 0, 4));
  deepEqual(snapshotOf(pair.a), before);
});

Deno.test("S6: a false SACK does not count as a sign of life", () => {
  const pair = connectedPair({ seed: 2, config: { initialTsn: 1_000 } });
  const wire = new OnPath(pair);
  sendText(pair, "z", "x");
  pair.runFor(500);
  pair.cut();
  sendText(pair, "a", "x");
  for (let count = 0; count < 400 && pair.a.association.state !== "ended"; count++) {
    pair.runFor(100);
    wire.inject("a", sackChunk({ cumulativeTsnAck: 1_500 }));
  }
  equal(pair.a.association.state, "ended");
});

Deno.test("S6: what a gap block no longer names is sent again", () => {
  const { pair, wire } = inFlight(1_000);
  const sent = pair.recordSent();
  // One that names nothing new may be older than what was taken before it.
  wire.inject("a", sackChunk({ cumulativeTsnAck: 999, gaps: [[7, 7]] }));
  equal(sent.length, 0);
  wire.inject("a", sackChunk({ cumulativeTsnAck: 999, gaps: [[7, 20]] }));
  pair.runFor(1_000);
  const tsns = sent.flatMap(({ bytes }) => readPacket(bytes).chunks)
    .filter(({ type }) => type === chunkTypes.iData)
    .map(({ bytes }) => readUint32(bytes, 4));
  ok(tsns.includes(1_002) && tsns.includes(1_003), `${tsns}`);
});

Deno.test("S6: a SHUTDOWN acknowledges too, unless it is false", () => {
  const { pair, wire } = inFlight(1_000);
  const { flightLength } = pair.a.association.figures;
  wire.inject("a", writeShutdown(2_000));
  equal(pair.a.association.figures.flightLength, flightLength);
  wire.inject("a", writeShutdown(1_000));
  // It names no gaps: what had arrived beyond one is sent again.
  notEqual(pair.a.association.figures.flightLength, flightLength);
  wire.inject("a", writeShutdown(999));
  wire.inject("a", Uint8Array.of(7, 0, 0, 4));
  equal(pair.a.association.state, "shutdown-received");
});

Deno.test("S6: SACKs before the association is up are ignored", () => {
  const { pair, wire } = inFlight(1_000);
  pair.call("a", ({ association }, now) => association.abort("over", now));
  wire.inject("a", sackChunk({ cumulativeTsnAck: 1_000 }));
  equal(pair.a.association.state, "ended");
});
