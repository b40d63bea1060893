/** RFC 9260, section 9.2: an association that is shut down delivers what was sent before. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { writeShutdown, writeShutdownAck } from "../../src/sctp/packet/shutdown_chunk.ts";
import { chunkTypes } from "../../src/sctp/packet/chunk_type.ts";
import { writeCookieAck } from "../../src/sctp/packet/cookie_chunk.ts";
import { writeHeartbeat } from "../../src/sctp/packet/heartbeat_chunk.ts";
import type { End } from "../sim/pair.ts";
import { forSeeds } from "../sim/seeds.ts";
import {
  connectedPair,
  createPair,
  endingOf,
  eventsOf,
  isOver,
  OnPath,
  type SctpPair,
  sendText,
  textsOf,
} from "./association_pair.ts";
import { chunkTypesOf, readPacket, writePacket } from "./packets.ts";

const ways = ["A", "both", "A, with data", "both, with data"] as const;

function start(pair: SctpPair, way: typeof ways[number]): void {
  if (way.endsWith("data")) {
    for (const end of ["a", "z"] as const) {
      for (let count = 0; count < 5; count++) sendText(pair, end, `${count}`.repeat(1_500), count);
    }
  }
  pair.call("a", ({ association }, now) => association.shutdown(now));
  if (way.startsWith("both")) pair.call("z", ({ association }, now) => association.shutdown(now));
}

function checkEnd(pair: SctpPair, way: typeof ways[number], what: string): void {
  const messageCount = way.endsWith("data") ? 5 : 0;
  for (const end of ["a", "z"] as const) {
    equal(endingOf(pair, end), "shutdown", `${what}: ${end}`);
    equal(textsOf(pair, end).length, messageCount, `${what}: ${end}`);
    equal(pair[end].store.heldLength, 0);
    equal(pair[end].association.nextTimeout(), undefined);
  }
}

for (const way of ways) {
  Deno.test(`${way}: both ends end with "shutdown", with any one or two packets lost`, () => {
    const count = way.endsWith("data") ? 24 : 9;
    for (let first = -1; first < count; first++) {
      for (let second = first; second < count; second++) {
        let sentBefore = Infinity;
        const pair = connectedPair({
          seed: 1,
          impairments: { delayMs: 10 },
          verdict: ({ index }) =>
            index === sentBefore + first || index === sentBefore + second ? "drop" : "pass",
        });
        pair.runFor(1_000);
        sentBefore = pair.sentCount;
        start(pair, way);
        pair.run({ until: isOver, maxVirtualMs: 10_000 });
        checkEnd(pair, way, `without ${first} and ${second}`);
      }
    }
  });

  Deno.test(`${way}: both ends end with "shutdown" at 20 % loss`, () => {
    forSeeds(100, (seed) => {
      const impairments = { delayMs: 10, loss: 0.2, duplicate: 0.1 };
      const pair = connectedPair({ seed, impairments, isWrapping: seed % 2 === 0 });
      start(pair, way);
      pair.run({ until: isOver, maxVirtualMs: 60_000 });
      checkEnd(pair, way, `seed ${seed}`);
    });
  });
}

Deno.test("who has much left to send is waited for, however long it takes", () => {
  const rate = { bitsPerSecond: 200_000, queueBytes: 20_000 };
  const pair = connectedPair({ seed: 2, impairments: { delayMs: 20, rate } });
  for (let count = 0; count < 30; count++) sendText(pair, "z", "x".repeat(60_000), count);
  pair.call("a", ({ association }, now) => association.shutdown(now));
  const took = pair.run({ until: isOver, maxVirtualMs: 300_000 });
  ok(took > 60_000, `${took} ms`);
  deepEqual([endingOf(pair, "a"), endingOf(pair, "z")], ["shutdown", "shutdown"]);
  equal(textsOf(pair, "a").length, 30);
});

Deno.test("what was sent behind a stream's reset is delivered before the end", () => {
  forSeeds(20, (seed) => {
    const pair = connectedPair({ seed, impairments: { delayMs: 10, loss: 0.1 } });
    for (let streamId = 0; streamId < 5; streamId++) {
      sendText(pair, "a", "before", streamId);
      pair.call("a", ({ association }) => association.resetStream(streamId));
    }
    pair.runFor(seed);
    for (let streamId = 0; streamId < 5; streamId++) sendText(pair, "a", "behind", streamId);
    pair.call("a", ({ association }, now) => association.shutdown(now));
    pair.run({ until: isOver });
    equal(textsOf(pair, "z").filter((text) => text === "behind").length, 5);
    deepEqual([endingOf(pair, "a"), endingOf(pair, "z")], ["shutdown", "shutdown"]);
  });
});

Deno.test("messages that expire before they are sent do not hold up the end", () => {
  const pair = connectedPair({ seed: 3, impairments: { delayMs: 50 } });
  pair.call("a", ({ association }, now) => {
    association.send(0, 51, new Uint8Array(100_000), { lifetime: 20 }, now);
    association.send(1, 51, new Uint8Array(10_000), { lifetime: 20 }, now);
    association.shutdown(now);
  });
  const took = pair.run({ until: isOver });
  ok(took < 5_000, `${took} ms`);
  const fresh = connectedPair({ seed: 4, impairments: { delayMs: 50 } });
  fresh.call("a", ({ association }, now) => {
    association.send(0, 51, new Uint8Array(100), { lifetime: 0 }, now);
    association.shutdown(now);
  });
  ok(fresh.run({ until: isOver }) < 300);
});

Deno.test("nothing is sent of what comes after the shutdown was asked for", () => {
  const pair = connectedPair({ seed: 5, impairments: { delayMs: 10 } });
  sendText(pair, "a", "before");
  pair.call("a", ({ association }, now) => association.shutdown(now));
  sendText(pair, "a", "after");
  pair.call("a", ({ association }) => association.resetStream(0));
  pair.call("a", ({ association }, now) => association.shutdown(now));
  pair.run({ until: isOver });
  deepEqual(textsOf(pair, "z"), ["before"]);
  deepEqual(eventsOf(pair, "z", "incoming-reset"), []);
});

Deno.test("an association that is not up is over at once when it is shut down", () => {
  for (const state of ["closed", "cookie-wait", "cookie-echoed"] as const) {
    const pair = createPair({
      seed: 6,
      verdict: ({ bytes }) => chunkTypesOf(bytes)[0] === chunkTypes.cookieEcho ? "drop" : "pass",
    });
    if (state !== "closed") pair.call("a", ({ association }, now) => association.connect(now));
    if (state === "cookie-echoed") pair.runFor(10);
    pair.call("a", ({ association }, now) => association.shutdown(now));
    equal(endingOf(pair, "a"), "shutdown");
    pair.call("a", ({ association }, now) => association.connect(now));
    equal(pair.a.association.state, "ended");
  }
});

/** Brings an end into a state of the shutdown, and keeps it there. */
function inState(state: "shutdown-sent" | "shutdown-received" | "shutdown-ack-sent"): {
  readonly pair: SctpPair;
  readonly end: End;
} {
  const [end, kept] = state === "shutdown-sent"
    ? ["a", chunkTypes.shutdown] as const
    : ["z", chunkTypes.shutdownAck] as const;
  let isHolding = false;
  const pair = connectedPair({
    seed: 7,
    impairments: { delayMs: 10 },
    verdict: ({ bytes, from }) =>
      isHolding && from === end &&
        (state === "shutdown-received" || chunkTypesOf(bytes).includes(kept))
        ? "drop"
        : "pass",
  });
  pair.runFor(100);
  isHolding = true;
  if (state === "shutdown-received") sendText(pair, "z", "pending");
  pair.call("a", ({ association }, now) => association.shutdown(now));
  pair.runFor(50);
  equal(pair[end].association.state, state);
  return { pair, end };
}

Deno.test('a SHUTDOWN that nobody answers is given up with "timeout"', () => {
  for (const state of ["shutdown-sent", "shutdown-ack-sent"] as const) {
    const { pair, end } = inState(state);
    pair.cut();
    const took = pair.run({ until: (running) => running[end].association.state === "ended" });
    equal(endingOf(pair, end), "timeout");
    ok(took < 30_000);
  }
});

Deno.test("an INIT in the midst of the end is answered with SHUTDOWN ACK", () => {
  const { pair } = inState("shutdown-ack-sent");
  const sent = pair.recordSent();
  const init = Uint8Array.of(1, 0, 0, 20, 0, 0, 0, 9, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1);
  pair.inject("z", writePacket({ tag: 0, chunks: [init] }));
  pair.runFor(0);
  deepEqual(sent.map(({ bytes }) => chunkTypesOf(bytes)), [[chunkTypes.shutdownAck]]);
});

Deno.test("SHUTDOWN in each state, again and again, changes nothing that it should not", () => {
  for (const state of ["shutdown-received", "shutdown-ack-sent"] as const) {
    const { pair, end } = inState(state);
    const wire = new OnPath(pair);
    pair.runFor(1_000);
    equal(pair[end].association.state, state);
    for (let count = 0; count < 10; count++) {
      wire.inject(end, writeShutdown(0xffff_fff0));
      equal(pair[end].association.state, state);
    }
  }
});

Deno.test("who has ended answers SHUTDOWN ACK with SHUTDOWN COMPLETE, and other packets with ABORT", () => {
  const pair = connectedPair({ seed: 8 });
  const wire = new OnPath(pair);
  sendText(pair, "z", "x");
  pair.runFor(100);
  pair.call("a", ({ association }, now) => association.abort("enough", now));
  pair.runFor(0);
  equal(endingOf(pair, "z"), "peer-aborted");
  const tag = wire.tags.a;
  const sent = pair.recordSent();
  const answerTo = (chunk: Uint8Array) => {
    const before = sent.length;
    pair.inject("a", writePacket({ tag, chunks: [chunk] }));
    pair.runFor(0);
    return sent.slice(before).map(({ bytes }) => {
      const { tag: answerTag, chunks: [first] } = readPacket(bytes);
      return { isReflected: answerTag === tag, type: first?.type, flags: first?.flags };
    });
  };
  const { shutdownComplete, abort } = chunkTypes;
  deepEqual(answerTo(writeShutdownAck()), [{
    isReflected: true,
    type: shutdownComplete,
    flags: 1,
  }]);
  deepEqual(answerTo(writeHeartbeat(tagBytes)), [{ isReflected: true, type: abort, flags: 1 }]);
  deepEqual(answerTo(writeCookieAck()), []);
  equal(eventsOf(pair, "a", "closed").length, 1);
});

const tagBytes = new Uint8Array(4);

Deno.test("an ABORT that is lost is said again when the peer goes on", () => {
  const pair = connectedPair({ seed: 9, impairments: { delayMs: 10 } });
  pair.runFor(100);
  pair.aToZ.cut();
  pair.call("a", ({ association }, now) => association.abort("enough", now));
  pair.runFor(5);
  pair.aToZ.heal();
  equal(endingOf(pair, "z"), undefined);
  sendText(pair, "z", "is anybody there?");
  pair.runFor(100);
  equal(endingOf(pair, "z"), "peer-aborted");
});
