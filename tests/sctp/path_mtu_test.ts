/** Row S18: packets grow to what the path takes, and shrink when it takes less. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { chunkTypes } from "../../src/sctp/packet/chunk_type.ts";
import { parseHeartbeatInfo, writeHeartbeatAck } from "../../src/sctp/packet/heartbeat_chunk.ts";
import { PathMtu } from "../../src/sctp/path_mtu.ts";
import { Random } from "../sim/random.ts";
import { forSeeds } from "../sim/seeds.ts";
import {
  connectedPair,
  createPair,
  isUp,
  OnPath,
  type SctpPair,
  sendText,
} from "./association_pair.ts";
import { readPacket } from "./packets.ts";
import { runTransfer } from "./transfer.ts";

/** What a path of so many bytes leaves for SCTP, behind IPv4, UDP and DTLS. */
const overhead = 68;

/** A path that takes packets of so many bytes; `limit` may change. */
class Path {
  limit: number;
  pair: SctpPair | undefined;

  constructor(limit: number) {
    this.limit = limit - overhead;
  }

  /** What was cut when the path took more is fragmented below; probes are not. */
  readonly verdict = (
    { bytes, from }: { readonly bytes: Uint8Array; readonly from: "a" | "z" },
  ): "pass" | "drop" => {
    if (bytes.length <= this.limit) return "pass";
    const isProbe = readPacket(bytes).chunks.some(({ type }) => type === chunkTypes.pad);
    const longest = this.pair?.[from].association.maxPacketLength ?? 0;
    return !isProbe && bytes.length > longest ? "pass" : "drop";
  };
}

function lengthsOf({ a, z }: SctpPair): number[] {
  return [a.association.maxPacketLength, z.association.maxPacketLength];
}

const found = [
  [576, 500],
  [1_280, 1_188],
  [1_400, 1_300],
  [1_492, 1_424],
  [1_500, 1_432],
  [9_000, 8_900],
  [20_000, 16_340],
] as const;

for (const [limit, length] of found) {
  Deno.test(`a path of ${limit} bytes is found to take packets of ${length}`, () => {
    const path = new Path(limit);
    const config = { maxPacketLength: 16_340 };
    const pair = createPair({
      seed: 1,
      config,
      verdict: path.verdict,
      impairments: { delayMs: 10 },
    });
    path.pair = pair;
    pair.call("a", ({ association }, now) => association.connect(now));
    pair.run({ until: isUp });
    for (let count = 0; count < 600 && lengthsOf(pair).some((one) => one !== length); count++) {
      sendText(pair, "a", "x".repeat(5_000));
      sendText(pair, "z", "x".repeat(5_000));
      pair.runFor(100);
    }
    deepEqual(lengthsOf(pair), [length, length]);
  });
}

Deno.test("no packet but a probe is longer than what was found", () => {
  const path = new Path(1_500);
  const pair = createPair({ seed: 2, config: { maxPacketLength: 9_000 }, verdict: path.verdict });
  path.pair = pair;
  pair.tap(({ stage, from, bytes }) => {
    if (stage !== "sent") return;
    const isProbe = readPacket(bytes).chunks.some(({ type }) => type === chunkTypes.pad);
    ok(isProbe || bytes.length <= pair[from].association.maxPacketLength);
  });
  pair.call("a", ({ association }, now) => association.connect(now));
  pair.run({ until: isUp });
  for (let count = 0; count < 100; count++) {
    sendText(pair, "a", "x".repeat(20_000));
    pair.runFor(100);
  }
});

Deno.test("a path that changes in the midst of a transfer does not stop it", () => {
  forSeeds(6, (seed) => {
    const random = new Random(seed);
    const path = new Path(random.pick([1_280, 1_500, 9_000]));
    runTransfer({
      seed,
      impairments: { delayMs: 10, rate: { bitsPerSecond: 4_000_000, queueBytes: 60_000 } },
      length: 1_000_000,
      maxMessageLength: 65_536,
      config: { maxPacketLength: 9_000 },
      verdict: path.verdict,
      patience: 8_000,
      onUp: (pair) => {
        path.pair = pair;
        for (let at = 300; at < 60_000; at += 1_000) {
          const limit = random.pick([576, 1_280, 1_500, 9_000]);
          pair.at(pair.now + at, () => path.limit = limit - overhead);
        }
      },
    });
  });
});

Deno.test("a black hole is noticed after two timeouts, and left when the path is whole again", () => {
  const path = new Path(1_500);
  const config = { maxPacketLength: 1_432 };
  const pair = createPair({ seed: 3, config, verdict: path.verdict, impairments: { delayMs: 10 } });
  path.pair = pair;
  pair.call("a", ({ association }, now) => association.connect(now));
  pair.run({ until: isUp });
  pair.runFor(1_000);
  deepEqual(lengthsOf(pair), [1_432, 1_432]);
  path.limit = 576 - overhead;
  sendText(pair, "a", "x".repeat(20_000));
  pair.runFor(10_000);
  equal(pair.a.association.maxPacketLength, 500);
  ok(!pair.a.association.figures.isInFlight, "it has come through");
  path.limit = 1_500 - overhead;
  pair.runFor(660_000);
  equal(pair.a.association.maxPacketLength, 1_432);
});

for (const isAccompanied of [true, false]) {
  const name = isAccompanied ? "datagrams, long and short," : "long datagrams";
  Deno.test(`a black hole is noticed where ${name} are all that is sent`, () => {
    const config = { maxPacketLength: 1_432, heartbeatInterval: 1_000 };
    const pair = connectedPair({ seed: 7, config, impairments: { delayMs: 20 } });
    pair.runFor(1_000);
    let longCount = 0;
    pair.z.onMessage = (_streamId, _ppid, _bytes, start, end) => {
      if (end - start > 1_000) longCount++;
    };
    const options = { isUnordered: true, maxRetransmissions: 0 };
    pair.aToZ.impair({ delayMs: 20, mtuBytes: 1_300 });
    for (let count = 0; count < 500; count++) {
      pair.call("a", ({ association }, now) => {
        association.send(0, 53, new Uint8Array(1_380), options, now);
        if (isAccompanied) association.send(0, 53, new Uint8Array(100), options, now);
      });
      pair.runFor(20);
    }
    ok(longCount > 350, `${longCount} of 500`);
  });
}

Deno.test("a black hole is noticed beside small messages that come through", () => {
  const path = new Path(1_500);
  const config = { maxPacketLength: 1_432 };
  const pair = createPair({ seed: 8, config, verdict: path.verdict, impairments: { delayMs: 20 } });
  path.pair = pair;
  pair.call("a", ({ association }, now) => association.connect(now));
  pair.run({ until: isUp });
  pair.runFor(1_000);
  path.limit = 1_368 - overhead;
  let longCount = 0;
  pair.z.onMessage = (_streamId, _ppid, _bytes, start, end) => {
    if (end - start > 1_000) longCount++;
  };
  sendText(pair, "a", "x".repeat(5_000));
  for (let count = 0; count < 100 && longCount === 0; count++) {
    pair.call("a", ({ association }, now) => {
      association.send(2, 53, new Uint8Array(50), undefined, now);
    });
    pair.runFor(50);
  }
  equal(longCount, 1);
});

Deno.test("after an outage the base is tried again, also where the path takes no more", () => {
  const config = { maxPacketLength: 1_188 };
  const pair = connectedPair({ seed: 4, config, impairments: { delayMs: 10 } });
  pair.runFor(1_000);
  pair.cut();
  sendText(pair, "a", "x".repeat(3_000));
  pair.runFor(8_000);
  pair.heal();
  pair.runFor(8_000);
  equal(pair.a.association.maxPacketLength, 1_188);
  pair.cut();
  sendText(pair, "a", "x".repeat(3_000));
  pair.runFor(4_600);
  pair.heal();
  pair.run({
    until: ({ a }) => !a.association.figures.isInFlight && !a.association.figures.hasLost,
  });
  equal(pair.a.association.maxPacketLength, 500);
  // All probes of the first round are lost too.
  pair.aToZ.impair({ delayMs: 10, mtuBytes: 600 });
  pair.runFor(60_000);
  equal(pair.a.association.maxPacketLength, 500);
  pair.aToZ.impair({ delayMs: 10 });
  pair.runFor(660_000);
  equal(pair.a.association.maxPacketLength, 1_188);
});

Deno.test("setPath begins anew, with what the new path may take", () => {
  const pair = connectedPair({ seed: 5, config: { maxPacketLength: 1_432 } });
  pair.runFor(1_000);
  pair.call("a", ({ association }, now) => association.setPath(400, now));
  equal(pair.a.association.maxPacketLength, 400);
  pair.runFor(1_000);
  equal(pair.a.association.maxPacketLength, 400);
  pair.call("a", ({ association }, now) => association.setPath(9_000, now));
  equal(pair.a.association.maxPacketLength, 1_188);
  pair.runFor(1_000);
  equal(pair.a.association.maxPacketLength, 9_000);
});

Deno.test("an answer that no probe asked for lengthens nothing", () => {
  const pair = connectedPair({
    seed: 6,
    config: { maxPacketLength: 1_432 },
    impairments: { delayMs: 10 },
  });
  const wire = new OnPath(pair);
  const sent = pair.recordSent();
  pair.zToA.cut();
  sendText(pair, "z", "x");
  pair.runFor(5);
  const probe = sent.find(({ from, bytes }) => from === "a" && bytes.length === 1_432) ??
    { bytes: new Uint8Array(0) };
  sendText(pair, "a", "x");
  pair.runFor(5);
  const chunk = readPacket(probe.bytes).chunks[0];
  if (chunk !== undefined) {
    const info = parseHeartbeatInfo(chunk.bytes, 0, chunk.bytes.length);
    ok(info);
    for (let at = 0; at < info.length; at++) {
      const forged = info.slice();
      forged[at] = (forged[at] ?? 0) ^ 1;
      wire.inject("a", writeHeartbeatAck(forged));
    }
  }
  wire.inject("a", writeHeartbeatAck(new Uint8Array(12)));
  equal(pair.a.association.maxPacketLength, 1_188);
});

/** A search over a path of one limit; returns the lengths that were tried. */
function search(
  maxLength: number,
  limit: number,
): { readonly tried: number[]; readonly mtu: PathMtu } {
  const random = new Random(1);
  const mtu = new PathMtu((length) => random.bytes(length));
  mtu.start(maxLength, 0);
  const tried: number[] = [];
  let now = 0;
  for (let step = 0; step < 200 && now < 500_000; step++) {
    const probe = mtu.take(now, 300);
    if (probe !== undefined) {
      tried.push(probe.length);
      const ack = writeHeartbeatAck(probe.heartbeat.slice(8));
      if (probe.length <= limit) mtu.handleAck(ack, 0, ack.length, now);
    }
    const next = mtu.nextTimeout();
    if (next === undefined) break;
    now = Math.max(now, next);
    mtu.handleTimeout(now);
  }
  return { tried, mtu };
}

Deno.test("any limit is found to the nearest known length, in a few probes", () => {
  for (const maxLength of [1_188, 1_191, 1_300, 1_432, 8_900, 16_340]) {
    for (let limit = 1_188; limit <= 16_340; limit += 97) {
      const { tried, mtu } = search(maxLength, limit);
      const longest = Math.max(
        1_188,
        ...[
          1_300,
          1_340,
          1_380,
          1_404,
          1_412,
          1_424,
          1_432,
          4_000,
          8_000,
          8_900,
          16_000,
          maxLength & ~3,
        ]
          .filter((length) => length <= limit && length <= maxLength),
      );
      equal(mtu.packetLength, longest, `${limit} of ${maxLength}`);
      ok(tried.length <= 16, `${tried}`);
    }
  }
});
