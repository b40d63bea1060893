/** Row S13: what is given up is given up whole, costs nothing, and holds nothing up. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { chunkTypes } from "../../src/sctp/packet/chunk_type.ts";
import { parseForwardTsn, writeForwardTsn } from "../../src/sctp/packet/forward_tsn_chunk.ts";
import type { SendOptions } from "../../src/sctp/association.ts";
import { Random } from "../sim/random.ts";
import { forSeeds } from "../sim/seeds.ts";
import {
  connectedPair,
  endingOf,
  eventsOf,
  isUp,
  OnPath,
  type SctpPair,
  sendText,
  textsOf,
} from "./association_pair.ts";
import { readPacket } from "./packets.ts";

const kinds = [true, false] as const;

function nameOf(isInterleaved: boolean): string {
  return isInterleaved ? "I-DATA" : "DATA";
}

function send(pair: SctpPair, streamId: number, text: string, options: SendOptions): void {
  pair.call("a", ({ association }, now) => {
    association.send(streamId, 51, new TextEncoder().encode(text), options, now);
  });
}

/** Nothing is left of what was sent: neither in flight, nor held at either end. */
function checkAtRest(pair: SctpPair): void {
  const { figures } = pair.a.association;
  ok(!figures.isInFlight && !figures.hasLost && !figures.hasQueued);
  equal(pair.a.store.heldLength, 0, "the sender holds nothing");
  equal(pair.z.store.heldLength, 0, "the receiver holds nothing");
}

for (const isInterleavingOffered of kinds) {
  const kind = nameOf(isInterleavingOffered);

  Deno.test(`${kind}: at 10 % loss, 60 s of unordered messages without retransmission go on`, () => {
    forSeeds(6, (seed) => {
      const pair = connectedPair({
        seed,
        impairments: { delayMs: 20, loss: 0.1 },
        config: { isInterleavingOffered },
        isWrapping: seed % 2 === 0,
      });
      const options = { isUnordered: true, maxRetransmissions: 0 };
      const arrivals: number[] = [];
      pair.z.onMessage = () => void arrivals.push(pair.now);
      const sendOne = () => {
        pair.a.association.send(1, 51, new Uint8Array(900), options, pair.now);
        if (pair.now < 60_000) pair.at(pair.now + 10, sendOne);
      };
      pair.at(pair.now, sendOne);
      pair.runFor(61_000);
      ok(arrivals.length > 5_000, `${arrivals.length} of 6,000`);
      ok(arrivals.length < 5_900, "some are given up");
      for (const [n, at] of arrivals.entries()) {
        ok(at - (arrivals[n - 1] ?? at) < 2_000, "no stall");
      }
      pair.runFor(10_000);
      checkAtRest(pair);
    });
  });

  Deno.test(`${kind}: every mixture of messages comes to rest, and the reliable ones are exact`, () => {
    forSeeds(60, (seed) => {
      const random = new Random(seed);
      const pair = connectedPair({
        seed,
        impairments: {
          delayMs: random.pick([0, 10, 100]),
          loss: random.pick([0, 0.05, 0.2]),
          duplicate: 0.02,
          reorder: { probability: 0.1, extraDelayMs: 20 },
        },
        config: { isInterleavingOffered },
        isWrapping: seed % 2 === 0,
      });
      const sent = new Map<number, string[]>();
      for (let count = 0; count < 150; count++) {
        const streamId = random.below(5);
        const isReliable = streamId === 0 || streamId === 1;
        const text = `${count}:${"x".repeat(random.below(random.pick([10, 1_000, 20_000])))}`;
        const options: SendOptions = {
          isUnordered: streamId > 1 && random.chance(0.5),
          ...(isReliable
            ? {}
            : random.chance(0.5)
            ? { maxRetransmissions: random.below(3) }
            : { lifetime: random.below(300) }),
        };
        send(pair, streamId, text, options);
        sent.set(streamId, [...sent.get(streamId) ?? [], text]);
        if (random.chance(0.1)) pair.runFor(random.below(200));
      }
      pair.run({
        until: ({ a }) => {
          const { isInFlight, hasLost, hasQueued } = a.association.figures;
          return !isInFlight && !hasLost && !hasQueued && a.store.heldLength === 0;
        },
        maxVirtualMs: 120_000,
      });
      pair.runFor(10_000);
      checkAtRest(pair);
      for (const [streamId, texts] of sent) {
        const came = eventsOf(pair, "z", "message").filter((event) => event.streamId === streamId)
          .map(({ bytes }) => new TextDecoder().decode(bytes));
        if (streamId < 2) deepEqual(came, texts);
        const known = new Set(texts);
        ok(came.every((text) => known.has(text)), "nothing comes that was not sent");
        equal(new Set(came).size, came.length, "nothing comes twice");
      }
      // All streams go on.
      for (let streamId = 0; streamId < 5; streamId++) {
        sendText(pair, "a", `last ${streamId}`, streamId);
      }
      pair.runFor(20_000);
      for (let streamId = 0; streamId < 5; streamId++) {
        ok(textsOf(pair, "z").includes(`last ${streamId}`), `stream ${streamId} goes on`);
      }
    });
  });

  Deno.test(`${kind}: a long message is given up in the midst, whichever of its packets is lost`, () => {
    for (let lost = 0; lost < 25; lost++) {
      for (const isUnordered of [false, true]) {
        let first = Infinity;
        const pair = connectedPair({
          seed: 1 + lost,
          impairments: { delayMs: 10 },
          config: { isInterleavingOffered },
          isWrapping: lost % 2 === 0,
          verdict: ({ from, index, bytes }) => {
            const isData = readPacket(bytes).chunks.some(({ type }) => type === 0 || type === 64);
            return from === "a" && isData && index >= first + lost && index < first + lost + 2
              ? "drop"
              : "pass";
          },
        });
        pair.runFor(1_000);
        first = pair.sentCount;
        send(pair, 1, "x".repeat(20_000), { maxRetransmissions: 0, isUnordered });
        send(pair, 1, "next", {});
        send(pair, 2, "other", { isUnordered });
        pair.runFor(5_000);
        ok(textsOf(pair, "z").includes("next"), `next, without ${lost}`);
        ok(textsOf(pair, "z").includes("other"), `other, without ${lost}`);
        checkAtRest(pair);
      }
    }
  });

  Deno.test(`${kind}: messages of 300 streams given up at once let all of them go on`, () => {
    const pair = connectedPair({
      seed: 2,
      impairments: { delayMs: 10 },
      config: { isInterleavingOffered },
    });
    for (let streamId = 0; streamId < 300; streamId++) sendText(pair, "a", "first", streamId);
    pair.runFor(2_000);
    pair.aToZ.cut();
    for (let streamId = 0; streamId < 300; streamId++) {
      send(pair, streamId, "given up", { maxRetransmissions: 0 });
    }
    pair.runFor(200);
    pair.aToZ.heal();
    for (let streamId = 0; streamId < 300; streamId++) sendText(pair, "a", "last", streamId);
    pair.runFor(10_000);
    equal(textsOf(pair, "z").filter((text) => text === "last").length, 300);
    checkAtRest(pair);
  });

  Deno.test(`${kind}: a FORWARD TSN that is lost is said again`, () => {
    for (let lostCount = 0; lostCount < 5; lostCount++) {
      let forwardCount = 0;
      let isCut = false;
      const pair = connectedPair({
        seed: 3,
        impairments: { delayMs: 10 },
        config: { isInterleavingOffered },
        verdict: ({ from, bytes }) => {
          const types = readPacket(bytes).chunks.map(({ type }) => type);
          if (types.some((type) => type >= 192)) {
            return forwardCount++ < lostCount ? "drop" : "pass";
          }
          return isCut && from === "a" ? "drop" : "pass";
        },
      });
      pair.runFor(1_000);
      isCut = true;
      send(pair, 1, "given up", { maxRetransmissions: 0 });
      pair.runFor(500);
      isCut = false;
      sendText(pair, "a", "next", 1);
      pair.runFor(5_000);
      deepEqual(textsOf(pair, "z"), ["next"]);
      checkAtRest(pair);
    }
  });

  Deno.test(`${kind}: a FORWARD TSN names what was given up, and fits the packet`, () => {
    const config = { isInterleavingOffered, initialTsn: 2 ** 32 - 3 };
    const pair = connectedPair({ seed: 4, impairments: { delayMs: 10 }, config });
    pair.runFor(500);
    const sent = pair.recordSent();
    pair.cut();
    for (let streamId = 0; streamId < 200; streamId++) {
      send(pair, streamId, "x".repeat(400), {
        maxRetransmissions: 0,
        isUnordered: streamId % 2 === 1,
      });
    }
    pair.runFor(15_000);
    const type = isInterleavingOffered ? chunkTypes.iForwardTsn : chunkTypes.forwardTsn;
    const forwards = sent.flatMap(({ bytes }) =>
      readPacket(bytes).chunks.filter((chunk) => chunk.type === type)
    );
    ok(forwards.length > 0);
    for (const { bytes } of forwards) {
      const forward = parseForwardTsn(bytes, 0, bytes.length, isInterleavingOffered);
      ok(forward);
      const expected = ((forward.newCumulativeTsn - config.initialTsn) >>> 0) + 1;
      const named = isInterleavingOffered ? expected : Math.ceil(expected / 2);
      equal(forward.skipped.length, named);
      ok(bytes.length <= 1_176);
    }
  });

  Deno.test(`${kind}: a FORWARD TSN of the other kind, or a malformed one, ends it`, () => {
    for (const isWrongKind of [true, false]) {
      const config = { isInterleavingOffered, initialTsn: 1_000 };
      const pair = connectedPair({ seed: 5, config });
      const wire = new OnPath(pair);
      sendText(pair, "a", "x");
      sendText(pair, "z", "x");
      pair.runFor(100);
      const forward = writeForwardTsn(
        { newCumulativeTsn: 1_002, skipped: [] },
        isWrongKind !== isInterleavingOffered,
      );
      if (!isWrongKind) forward[3] = 6;
      wire.inject("z", forward);
      equal(endingOf(pair, "z"), "protocol");
      pair.runFor(10);
      equal(endingOf(pair, "a"), "peer-aborted");
    }
  });
}

Deno.test("a FORWARD TSN behind, or far ahead of what was sent, moves nothing", () => {
  const config = { isInterleavingOffered: false, initialTsn: 1_000 };
  const pair = connectedPair({ seed: 6, config });
  const wire = new OnPath(pair);
  sendText(pair, "a", "one");
  sendText(pair, "z", "x");
  pair.runFor(100);
  const skipped = [{ streamId: 0, isUnordered: false, messageNumber: 7 }];
  for (const newCumulativeTsn of [999, 1_000, 1_000 + 2 ** 31 - 1, 1_000 - 2 ** 30]) {
    wire.inject("z", writeForwardTsn({ newCumulativeTsn, skipped }, false));
  }
  sendText(pair, "a", "two");
  pair.runFor(1_000);
  deepEqual(textsOf(pair, "z"), ["one", "two"]);
});

Deno.test("a message is sent no more often than it may be, whatever is lost", () => {
  for (const maxRetransmissions of [0, 1, 3]) {
    const config = { isInterleavingOffered: true };
    const pair = connectedPair({ seed: 7, impairments: { delayMs: 10 }, config });
    pair.runFor(1_000);
    const sent = pair.recordSent();
    pair.aToZ.cut();
    send(pair, 1, "x", { maxRetransmissions });
    pair.runFor(12_000);
    const count = sent.flatMap(({ from, bytes }) => from === "a" ? readPacket(bytes).chunks : [])
      .filter(({ type }) => type === chunkTypes.iData).length;
    equal(count, maxRetransmissions + 1);
  }
});

Deno.test("what may be sent once is not sent again as a probe of a tail that is lost", () => {
  const pair = connectedPair({
    seed: 7,
    impairments: { delayMs: 10 },
    config: { isInterleavingOffered: true },
  });
  // So that the round trip is known.
  for (let count = 0; count < 10; count++) sendText(pair, "a", "x");
  pair.runFor(1_000);
  const sent = pair.recordSent();
  pair.aToZ.cut();
  for (let count = 0; count < 3; count++) send(pair, 1, "x", { maxRetransmissions: 0 });
  pair.runFor(500);
  pair.aToZ.heal();
  pair.runFor(5_000);
  const chunks = sent.flatMap(({ from, bytes }) => from === "a" ? readPacket(bytes).chunks : []);
  equal(chunks.filter(({ type }) => type === chunkTypes.iData).length, 3);
  checkAtRest(pair);
});

for (const [beside, bulk] of [["alone", 0], ["beside what is reliable", 2]] as const) {
  Deno.test(`at 5 % loss hardly more of 4,000 messages a second is lost than by the path, ${beside}`, () => {
    const pair = connectedPair({
      seed: 11,
      impairments: { delayMs: 25, loss: 0.05 },
      config: { isInterleavingOffered: true },
    });
    pair.runFor(1_000);
    const options = { isUnordered: true, maxRetransmissions: 0, lifetime: 200 };
    const [fleeting, reliable] = [new Uint8Array(900), new Uint8Array(901)];
    let [arrived, arrivedReliable, sentReliable] = [0, 0, 0];
    pair.z.onMessage = (streamId) => void (streamId === 1 ? arrived++ : arrivedReliable++);
    const from = pair.now;
    const sendSome = () => {
      const { association } = pair.a;
      for (let count = 0; count < 4; count++) association.send(1, 53, fleeting, options, pair.now);
      for (let count = 0; count < bulk; count++, sentReliable++) {
        association.send(3, 53, reliable, undefined, pair.now);
      }
      if (pair.now < from + 2_499) pair.at(pair.now + 1, sendSome);
    };
    pair.at(from, sendSome);
    pair.runFor(20_000);
    // The first of them come before it is known what the path takes.
    ok(arrived > 10_000 * 0.92, `${arrived} of 10,000`);
    equal(arrivedReliable, sentReliable);
    checkAtRest(pair);
  });
}

Deno.test("a lifetime counts from when the message was sent, in the queue and on the way", () => {
  const pair = connectedPair({ seed: 8, impairments: { delayMs: 10 } });
  pair.runFor(1_000);
  pair.aToZ.cut();
  send(pair, 1, "short", { lifetime: 100 });
  send(pair, 1, "long", { lifetime: 60_000 });
  send(pair, 1, "reliable", {});
  pair.runFor(3_000);
  pair.aToZ.heal();
  pair.runFor(5_000);
  deepEqual(textsOf(pair, "z"), ["long", "reliable"]);
  checkAtRest(pair);
});

Deno.test("a peer without FORWARD TSN gets everything, however late", () => {
  const pair = connectedPair({
    seed: 9,
    impairments: { delayMs: 10 },
    verdict: ({ bytes }) => {
      // Without Supported Extensions and Forward-TSN-Supported: unknown parameters, to be skipped.
      const { chunks: [first] } = readPacket(bytes);
      if (first?.type !== chunkTypes.init && first?.type !== chunkTypes.initAck) return "pass";
      const changed = bytes.slice();
      for (let at = 32; at + 4 <= changed.length; at += 4) {
        const [high, low] = [changed[at] ?? 0, changed[at + 1] ?? 0];
        if ((high === 0x80 && low === 0x08) || (high === 0xc0 && low === 0)) {
          changed[at] = 0x80;
          changed[at + 1] = 0x99;
        }
      }
      changed.fill(0, 8, 12);
      return { replaceWith: [changed] };
    },
  });
  pair.runFor(1_000);
  pair.aToZ.cut();
  send(pair, 1, "one", { maxRetransmissions: 0 });
  pair.runFor(2_000);
  pair.aToZ.heal();
  pair.runFor(5_000);
  deepEqual(textsOf(pair, "z"), ["one"]);
  ok(isUp(pair));
});

Deno.test("a lost message is sent again as soon behind a lost datagram as behind another", () => {
  const arrivals = [{}, { isUnordered: true, maxRetransmissions: 0 }].map((options) => {
    let leftToDrop = 0;
    const pair = connectedPair({
      seed: 1,
      config: { maxPacketLength: 1_188 },
      impairments: { delayMs: 50 },
      verdict: ({ from, bytes }) =>
        from === "a" && bytes.length > 900 && leftToDrop-- > 0 ? "drop" : "pass",
    });
    const say = (streamId: number, sendOptions: SendOptions) => {
      send(pair, streamId, "x".repeat(1_000), sendOptions);
      pair.runFor(1);
    };
    for (let count = 0; count < 20; count++) {
      say(3, {});
      pair.runFor(200);
    }
    const sentAt = pair.now;
    let arrivedAfter = Infinity;
    pair.z.onMessage = (streamId) => {
      if (streamId === 2) arrivedAfter = pair.now - sentAt;
    };
    leftToDrop = 2;
    say(1, options);
    say(2, {});
    say(3, {});
    pair.runFor(2_000);
    return arrivedAfter;
  });
  const [behindMessage = Infinity, behindDatagram = Infinity] = arrivals;
  ok(behindDatagram < behindMessage + 5, arrivals.join());
});

Deno.test("of many streams' losses the peer is told as fast as it answers", () => {
  const pair = connectedPair({ seed: 1, impairments: { delayMs: 20 } });
  const options = { isUnordered: true, maxRetransmissions: 0 };
  const sendOnAll = () => {
    for (let streamId = 0; streamId < 4_000; streamId++) send(pair, streamId, "x", options);
  };
  for (let count = 0; count < 20; count++) {
    sendOnAll();
    pair.runFor(100);
  }
  pair.aToZ.cut();
  sendOnAll();
  pair.runFor(1_000);
  pair.aToZ.heal();
  const healedAt = pair.now;
  pair.run({ until: ({ a }) => !a.association.figures.isInFlight && a.store.heldLength === 0 });
  // Some thirty FORWARD TSNs, each a round trip of 40 ms.
  ok(pair.now - healedAt < 2_000, `${pair.now - healedAt} ms`);
});
