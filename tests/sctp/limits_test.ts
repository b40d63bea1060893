/** Rows S20 and S21: no flood makes an end hold much, and an end that is over holds nothing. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { writeChunk } from "../../src/sctp/packet/chunk_header.ts";
import { chunkTypes } from "../../src/sctp/packet/chunk_type.ts";
import { writeCookieEcho } from "../../src/sctp/packet/cookie_chunk.ts";
import { writeForwardTsn } from "../../src/sctp/packet/forward_tsn_chunk.ts";
import { writeHeartbeat } from "../../src/sctp/packet/heartbeat_chunk.ts";
import { writeReConfig } from "../../src/sctp/packet/re_config_chunk.ts";
import { Random } from "../sim/random.ts";
import type { End } from "../sim/pair.ts";
import {
  connectedPair,
  createPair,
  endingOf,
  eventsOf,
  isUp,
  OnPath,
  type SctpPair,
  sendText,
  textsOf,
} from "./association_pair.ts";
import { dataChunk, sackChunk } from "./chunks.ts";
import { chunkTypesOf, writePacket } from "./packets.ts";

const receiveWindow = 50_000;
const floodCount = 3_000;

/** Chunks that a hostile peer sends without end; `n` counts them. */
const floods: Readonly<Record<string, (n: number, random: Random) => Uint8Array>> = {
  "data far ahead": (n) =>
    dataChunk({
      tsn: 1_002 + 5 * n,
      isInterleaved: true,
      messageNumber: n,
      text: "x".repeat(1_000),
    }),
  "data beyond the window of TSNs": (n) =>
    dataChunk({ tsn: 1_000 + 20_000 + n, isInterleaved: true, text: "x".repeat(1_000) }),
  "pieces of messages without an end": (n) =>
    dataChunk({
      tsn: 1_002 + n,
      isInterleaved: true,
      streamId: n % 65_535,
      messageNumber: 5,
      flags: 2,
      text: "x".repeat(500),
    }),
  "tiny pieces": (n) =>
    dataChunk({ tsn: 1_002 + n, isInterleaved: true, messageNumber: 1 + n, flags: 4 | 2 }),
  "messages out of turn": (n) =>
    dataChunk({ tsn: 1_001 + n, isInterleaved: true, messageNumber: 2 + n, text: "x".repeat(100) }),
  duplicates: () => dataChunk({ tsn: 1_000, isInterleaved: true }),
  heartbeats: () => writeHeartbeat(new Uint8Array(1_000)),
  "requests to reset": (n) =>
    writeReConfig([{
      type: "incoming-ssn-reset-request",
      requestSequenceNumber: 1_000 + n,
      streamIds: Array.from({ length: 200 }, (_, index) => (n * 200 + index) % 65_535),
    }]),
  "requests to reset out of turn": (n, random) =>
    writeReConfig([{
      type: "outgoing-ssn-reset-request",
      requestSequenceNumber: random.next32(),
      responseSequenceNumber: n,
      lastAssignedTsn: random.next32(),
      streamIds: [],
    }]),
  "FORWARD TSNs": (n) =>
    writeForwardTsn({
      newCumulativeTsn: 1_001 + n,
      skipped: Array.from({ length: 100 }, (_, index) => ({
        streamId: (n * 100 + index) % 65_535,
        isUnordered: n % 2 === 0,
        messageNumber: n,
      })),
    }, true),
  "unknown chunks": () => writeChunk(0xff, 0, new Uint8Array(400)),
  "SACKs of nothing": () => sackChunk({ cumulativeTsnAck: 999, window: 0 }),
  "false cookies": (_, random) => writeCookieEcho(random.bytes(68)),
};

for (const [name, flood] of Object.entries(floods)) {
  Deno.test(`S20: ${name} fill no more than the window, and the rest goes on`, () => {
    const config = { receiveWindow, initialTsn: 1_000, maxMessageLength: 20_000 };
    const pair = connectedPair({ seed: 1, config });
    const wire = new OnPath(pair);
    sendText(pair, "a", "x");
    sendText(pair, "z", "x");
    pair.runFor(100);
    const random = new Random(1);
    pair.zToA.cut();
    const { sentCount } = pair;
    for (let n = 0; n < floodCount; n++) {
      pair.inject("z", writePacket({ tag: wire.tags.z, chunks: [flood(n, random)] }));
      if (n % 50 === 0) pair.runFor(0);
      ok(pair.z.association.heldLength <= receiveWindow + 22_000, `${n}`);
    }
    pair.runFor(0);
    ok(pair.z.store.heldLength <= 8 * receiveWindow, `${pair.z.store.heldLength}`);
    ok(pair.sentCount - sentCount <= 2 * floodCount, "it is answered no more than once each");
    equal(pair.z.association.state, "established");
    pair.zToA.heal();
    sendText(pair, "z", "still here", 9);
    pair.runFor(10_000);
    if (isUp(pair)) ok(textsOf(pair, "a").includes("still here"));
    pair.call("z", ({ association }, now) => association.abort("enough", now));
    equal(pair.z.store.heldLength, 0);
  });
}

for (const length of [1, 129, 1_409]) {
  Deno.test(`S20: pieces of ${length} bytes fill the window by the memory that they take up`, () => {
    const pair = connectedPair({ seed: 6, config: { receiveWindow, initialTsn: 1_000 } });
    const wire = new OnPath(pair);
    sendText(pair, "a", "x");
    sendText(pair, "z", "x");
    pair.runFor(100);
    pair.zToA.cut();
    let count = 0;
    for (; pair.z.association.heldLength < receiveWindow - 4_096; count++) {
      const [tsn, messageNumber] = [1_001 + count, 2 + count];
      const text = "x".repeat(length);
      wire.inject("z", dataChunk({ tsn, isInterleaved: true, messageNumber, text }));
      ok(count < receiveWindow / 500, `${count} pieces are held`);
    }
    ok(pair.z.store.heldLength <= 4 * receiveWindow, `they take up ${pair.z.store.heldLength}`);
  });
}

Deno.test("S20: one packet with 300 chunks that ask for answers gets few of them", () => {
  const pair = connectedPair({ seed: 2 });
  const wire = new OnPath(pair);
  sendText(pair, "a", "x");
  sendText(pair, "z", "x");
  pair.runFor(100);
  const sent = pair.recordSent();
  const chunks = Array.from({ length: 300 }, () => writeHeartbeat(new Uint8Array(100)));
  wire.inject("z", ...chunks);
  const answered = sent.flatMap(({ from, bytes }) => from === "z" ? chunkTypesOf(bytes) : []);
  ok(answered.length <= 33, `${answered.length}`);
});

Deno.test("S16: an unknown chunk is skipped or ends the packet, and is reported or not, by its type", () => {
  const cases = [
    { type: 0x3f, isRead: false, isReported: false },
    { type: 0x7f, isRead: false, isReported: true },
    { type: 0xbf, isRead: true, isReported: false },
    { type: 0xff, isRead: true, isReported: true },
  ];
  for (const { type, isRead, isReported } of cases) {
    const pair = connectedPair({ seed: 3 });
    const wire = new OnPath(pair);
    sendText(pair, "a", "x");
    sendText(pair, "z", "x");
    pair.runFor(100);
    const sent = pair.recordSent();
    wire.inject("z", writeChunk(type, 0, new Uint8Array(3_000)), writeHeartbeat(new Uint8Array(1)));
    const answered = sent.flatMap(({ bytes }) => chunkTypesOf(bytes));
    equal(answered.includes(chunkTypes.heartbeatAck), isRead);
    equal(answered.includes(chunkTypes.error), isReported);
    ok(sent.every(({ bytes }) => bytes.length <= 1_188));
  }
});

/** Data under way in all its forms: queued, in flight, lost, held, behind a reset. */
function busyPair(seed: number): SctpPair {
  const impairments = { delayMs: 20, loss: 0.1 };
  const pair = connectedPair({
    seed,
    impairments,
    config: { isInterleavingOffered: seed % 2 === 0 },
  });
  for (const end of ["a", "z"] as const) {
    for (let count = 0; count < 20; count++) sendText(pair, end, "x".repeat(10_000), count % 5);
    pair.call(end, ({ association }) => association.resetStream(3));
    pair.call(end, ({ association }, now) => {
      for (let count = 0; count < 20; count++) {
        association.send(6, 51, new Uint8Array(5_000), { maxRetransmissions: 0 }, now);
      }
    });
  }
  pair.runFor(30 + 7 * seed);
  return pair;
}

/** The ways in which an association ends, and what A and Z say then. */
const endings: Readonly<Record<string, (pair: SctpPair, wire: OnPath) => void>> = {
  "abort by A": (pair) =>
    pair.call("a", ({ association }, now) => association.abort("enough", now)),
  "abort by both": (pair) => {
    for (const end of ["a", "z"] as const) {
      pair.call(end, ({ association }, now) => association.abort("enough", now));
    }
  },
  "shutdown": (pair) => pair.call("a", ({ association }, now) => association.shutdown(now)),
  "silence": (pair) => pair.cut(),
  "a violation": (_, wire) => wire.inject("z", Uint8Array.of(0, 3, 0, 16, ...new Uint8Array(12))),
  "an abort during the shutdown": (pair) => {
    pair.call("a", ({ association }, now) => association.shutdown(now));
    pair.call("z", ({ association }, now) => association.abort("enough", now));
  },
};

for (const [name, end] of Object.entries(endings)) {
  Deno.test(`S21: after ${name} both ends hold nothing, say so once, and do nothing more`, () => {
    for (let seed = 1; seed <= 20; seed++) {
      const pair = busyPair(seed);
      const wire = new OnPath(pair);
      pair.runFor(50);
      end(pair, wire);
      pair.run({
        until: ({ a, z }) => a.association.state === "ended" && z.association.state === "ended",
        maxVirtualMs: 120_000,
      });
      for (const one of ["a", "z"] as const) checkOver(pair, one);
    }
  });
}

function checkOver(pair: SctpPair, end: End): void {
  const { association, store } = pair[end];
  equal(store.heldLength, 0, `the store of ${end}`);
  equal(association.heldLength, 0);
  equal(association.nextTimeout(), undefined);
  ok(endingOf(pair, end) !== undefined);
  const eventCount = pair.events[end].length;
  equal(pair.events[end].at(-1)?.type, "closed", "it is the last event");
  pair.call(end, (endpoint, now) => {
    endpoint.association.send(1, 51, new Uint8Array(100), undefined, now);
    endpoint.association.resetStream(1);
    endpoint.association.setUnreadLength(5);
    endpoint.association.setPath(9_000, now);
    endpoint.association.connect(now);
    endpoint.association.shutdown(now);
    endpoint.association.abort("again", now);
    endpoint.association.handleTimeout(now);
  });
  equal(store.heldLength, 0);
  equal(association.bufferedAmount(1), 0);
  equal(association.state, "ended");
  equal(pair.events[end].length, eventCount);
}

Deno.test("S21: an abort from within any event frees everything, and nothing is told after it", () => {
  for (const type of ["message", "low", "incoming-reset", "outgoing-reset", "up"] as const) {
    for (let seed = 1; seed <= 10; seed++) {
      const pair = type === "up" ? createPair({ seed }) : busyPair(seed);
      for (const end of ["a", "z"] as const) {
        const { association } = pair[end];
        pair[end].onEventNow = (event) => {
          if (event.type === type) association.abort("enough", pair.now);
        };
        if (type === "up") pair.call(end, (_, now) => association.connect(now));
      }
      pair.run({
        until: ({ a, z }) => a.association.state === "ended" && z.association.state === "ended",
        maxVirtualMs: 120_000,
      });
      for (const end of ["a", "z"] as const) {
        equal(pair[end].store.heldLength, 0, `${type}, seed ${seed}`);
        equal(pair.events[end].at(-1)?.type, "closed");
        equal(eventsOf(pair, end, "closed").length, 1);
      }
    }
  }
});

Deno.test("messages sent from within events of every type are delivered", () => {
  const pair = connectedPair({ seed: 4, impairments: { delayMs: 10, loss: 0.05 } });
  const bytes = new Uint8Array(3_000);
  for (const end of ["a", "z"] as const) {
    let left = 100;
    pair[end].onEventNow = ({ type }) => {
      if (type !== "closed" && left-- > 0) {
        pair[end].association.send(left % 7, 51, bytes, undefined, pair.now);
      }
    };
  }
  sendText(pair, "a", "x");
  pair.runFor(30_000);
  deepEqual([eventsOf(pair, "z", "message").length, eventsOf(pair, "a", "message").length], [
    101,
    100,
  ]);
});

Deno.test("two violations of the protocol end it: data of the other kind, data without bytes", () => {
  for (const isInterleaved of [true, false]) {
    for (
      const chunk of [
        dataChunk({ tsn: 1_001, isInterleaved: !isInterleaved }),
        dataChunk({ tsn: 1_001, isInterleaved, text: "" }),
        writeChunk(isInterleaved ? chunkTypes.iData : chunkTypes.data, 3, new Uint8Array(4)),
      ]
    ) {
      const config = { initialTsn: 1_000, isInterleavingOffered: isInterleaved };
      const pair = connectedPair({ seed: 5, config });
      const wire = new OnPath(pair);
      sendText(pair, "a", "x");
      sendText(pair, "z", "x");
      pair.runFor(100);
      wire.inject("z", chunk);
      pair.runFor(10);
      deepEqual([endingOf(pair, "z"), endingOf(pair, "a")], ["protocol", "peer-aborted"]);
    }
  }
});
