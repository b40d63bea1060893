/** Row S19: heartbeats tell whether a silent peer is there, and only it can answer them. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { chunkTypes } from "../../src/sctp/packet/chunk_type.ts";
import {
  parseHeartbeatInfo,
  writeHeartbeat,
  writeHeartbeatAck,
} from "../../src/sctp/packet/heartbeat_chunk.ts";
import { connectedPair, endingOf, eventsOf, isUp, OnPath, sendText } from "./association_pair.ts";
import { readPacket } from "./packets.ts";
import { snapshotOf } from "./snapshot.ts";

Deno.test("an idle association sends a heartbeat every 30 s, and stays up", () => {
  const pair = connectedPair({ seed: 1, impairments: { delayMs: 30 } });
  pair.runFor(1_000);
  const sent = pair.recordSent();
  pair.runFor(600_000);
  ok(isUp(pair));
  const beats = sent.filter(({ from, bytes }) =>
    from === "a" && readPacket(bytes).chunks[0]?.type === chunkTypes.heartbeat
  );
  equal(beats.length, 20);
  equal(pair.a.association.srtt, 60);
});

Deno.test("a peer that is gone is noticed within 11 heartbeats", () => {
  const pair = connectedPair({ seed: 2, config: { heartbeatInterval: 5_000 } });
  pair.runFor(1_000);
  pair.cut();
  const took = pair.run({
    until: ({ a }) => a.association.state === "ended",
    maxVirtualMs: 70_000,
  });
  const [closed] = eventsOf(pair, "a", "closed");
  deepEqual([closed?.code, closed?.reason], [
    "timeout",
    "the peer does not answer heartbeats",
  ]);
  ok(took > 50_000, `${took} ms`);
});

Deno.test("a peer that does not acknowledge data is given up within 30 s", () => {
  const pair = connectedPair({ seed: 3, impairments: { delayMs: 10 } });
  pair.runFor(1_000);
  pair.cut();
  sendText(pair, "a", "is anybody there?");
  const took = pair.run({ until: ({ a }) => a.association.state === "ended" });
  equal(eventsOf(pair, "a", "closed")[0]?.reason, "the peer does not acknowledge data");
  ok(took > 15_000 && took < 30_000, `${took} ms`);
});

Deno.test("a peer that does not answer RE-CONFIG is given up within 30 s", () => {
  const pair = connectedPair({ seed: 4, impairments: { delayMs: 10 } });
  pair.runFor(1_000);
  pair.cut();
  pair.call("a", ({ association }) => association.resetStream(3));
  const took = pair.run({ until: ({ a }) => a.association.state === "ended" });
  equal(eventsOf(pair, "a", "closed")[0]?.reason, "the peer does not answer RE-CONFIG");
  ok(took < 30_000, `${took} ms`);
});

Deno.test("silence over many short cuts is no reason to end", () => {
  const pair = connectedPair({ seed: 5, impairments: { delayMs: 10 } });
  for (let count = 0; count < 40; count++) {
    sendText(pair, "a", "x");
    pair.cut();
    sendText(pair, "a", "y");
    pair.runFor(3_000);
    pair.heal();
    pair.runFor(3_000);
  }
  ok(isUp(pair));
  equal(eventsOf(pair, "z", "message").length, 80);
});

Deno.test("an answer without the nonce, with another or of no heartbeat says nothing", () => {
  const pair = connectedPair({ seed: 6, config: { heartbeatInterval: 1_000 } });
  const wire = new OnPath(pair);
  sendText(pair, "a", "x");
  sendText(pair, "z", "x");
  pair.runFor(500);
  pair.zToA.cut();
  const sent = pair.recordSent();
  pair.run({ until: () => sent.length > 0 });
  const chunk = sent.find(({ from }) => from === "a")?.bytes.slice(12);
  ok(chunk);
  const info = parseHeartbeatInfo(chunk, 0, chunk.length);
  ok(info);
  const before = snapshotOf(pair.a);
  for (let at = 0; at < info.length; at++) {
    const forged = info.slice();
    forged[at] = (forged[at] ?? 0) ^ 1;
    wire.inject("a", writeHeartbeatAck(forged));
  }
  wire.inject("a", writeHeartbeatAck(new Uint8Array(0)));
  wire.inject("a", writeHeartbeatAck(info.slice(0, -1)));
  wire.inject("a", Uint8Array.of(5, 0, 0, 4));
  deepEqual(snapshotOf(pair.a), before);
  wire.inject("a", writeHeartbeatAck(info));
  const after = snapshotOf(pair.a);
  ok(after.nextTimeout !== before.nextTimeout, "the true answer is taken");
  wire.inject("a", writeHeartbeatAck(info));
  deepEqual(snapshotOf(pair.a), after);
});

Deno.test("forged answers do not keep a peer alive that is gone", () => {
  const pair = connectedPair({ seed: 7, config: { heartbeatInterval: 2_000 } });
  const wire = new OnPath(pair);
  sendText(pair, "a", "x");
  sendText(pair, "z", "x");
  pair.runFor(500);
  pair.cut();
  for (let count = 0; count < 400 && endingOf(pair, "a") === undefined; count++) {
    pair.runFor(100);
    wire.inject("a", writeHeartbeatAck(new Uint8Array(12).fill(count)));
  }
  equal(endingOf(pair, "a"), "timeout");
});

Deno.test("a heartbeat of any content comes back as it was, and one too long does not", () => {
  const pair = connectedPair({ seed: 8 });
  const wire = new OnPath(pair);
  sendText(pair, "a", "x");
  sendText(pair, "z", "x");
  pair.runFor(500);
  const sent = pair.recordSent();
  for (const length of [0, 1, 3, 40, 1_024, 1_025, 2_000]) {
    const info = new Uint8Array(length).fill(length);
    const before = sent.length;
    wire.inject("z", writeHeartbeat(info));
    const [answer] = sent.slice(before);
    const chunk = answer && readPacket(answer.bytes).chunks[0];
    equal(chunk?.type, length > 1_024 ? undefined : chunkTypes.heartbeatAck);
    if (chunk !== undefined) {
      deepEqual(parseHeartbeatInfo(chunk.bytes, 0, chunk.bytes.length), info);
    }
  }
});

Deno.test("a round trip is measured anew after an outage, so that the next loss costs no seconds", () => {
  const pair = connectedPair({ seed: 9, impairments: { delayMs: 20 } });
  sendText(pair, "a", "one");
  pair.runFor(1_000);
  pair.cut();
  sendText(pair, "a", "two");
  pair.runFor(5_000);
  equal(pair.a.association.figures.timeout, 2_500);
  pair.heal();
  pair.runFor(3_000);
  equal(eventsOf(pair, "z", "message").length, 2);
  equal(pair.a.association.figures.timeout, 300);
});

Deno.test("T3-rtx waits no longer than RTO once that was measured anew", () => {
  let droppedCount = 0;
  const pair = connectedPair({
    seed: 10,
    impairments: { delayMs: 20 },
    verdict: ({ bytes, at }) => {
      const isData = readPacket(bytes).chunks.some(({ type }) => type === chunkTypes.iData);
      if (at < 1_000 || !isData || droppedCount >= 4) return "pass";
      droppedCount++;
      return "drop";
    },
  });
  sendText(pair, "a", "one");
  pair.runFor(2_000);
  // It fills a packet, and the heartbeats come through without it.
  sendText(pair, "a", "x".repeat(1_140));
  const took = pair.run({ until: (running) => eventsOf(running, "z", "message").length === 2 });
  ok(took < 1_100, `${took} ms`);
});
