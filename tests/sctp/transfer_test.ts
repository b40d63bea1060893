/** Goal G2 and row S5: transfers are exact and never stand still, on bad paths of every kind. */
import { ok } from "node:assert/strict";
import { chunkTypes } from "../../src/sctp/packet/chunk_type.ts";
import type { Impairments } from "../sim/impairments.ts";
import { forSeeds } from "../sim/seeds.ts";
import { connectedPair, eventsOf, isUp, sendText } from "./association_pair.ts";
import { transfersOf } from "./matrix.ts";
import { chunkTypesOf } from "./packets.ts";
import { runTransfer, type Transfer } from "./transfer.ts";

const seedCount = 8;

for (let seed = 1; seed <= seedCount; seed++) {
  Deno.test(`G2: 160 bad paths carry what is sent, exactly and without a stall (${seed})`, () => {
    for (const transfer of transfersOf(seed, 40_000)) runTransfer(transfer);
  });
}

/** A transfer over a path of some kind, with and without interleaving. */
function runOver(
  seed: number,
  path: Pick<Transfer, "impairments" | "aToZ" | "zToA" | "length" | "patience" | "onUp">,
): number {
  return runTransfer({
    seed,
    streamCount: 8,
    maxMessageLength: seed % 2 === 0 ? 1_100 : 65_536,
    isWrapping: seed % 3 === 0,
    config: { isInterleavingOffered: seed % 4 < 2 },
    ...path,
  });
}

Deno.test("a narrow path with a short queue is filled to half at least", () => {
  const rate = { bitsPerSecond: 10_000_000, queueBytes: 30_000 };
  forSeeds(6, (seed) => {
    const length = 1_000_000;
    const took = runOver(seed, { impairments: { delayMs: 10, rate }, length });
    ok(took < 2 * length * 8 / 10_000, `${took} ms`);
  });
});

Deno.test("a path with a queue of seconds does not make an association give up", () => {
  const rate = { bitsPerSecond: 2_000_000, queueBytes: 1_000_000 };
  forSeeds(
    4,
    (seed) => void runOver(seed, { impairments: { delayMs: 10, rate }, length: 800_000 }),
  );
});

Deno.test("losses that come in bursts are repaired", () => {
  const burstLoss = { enterBad: 0.01, leaveBad: 0.2 };
  const impairments: Impairments = { delayMs: 20, burstLoss };
  forSeeds(12, (seed) => void runOver(seed, { impairments, length: 200_000, patience: 5_000 }));
});

for (const seconds of [3, 5]) {
  for (const lane of ["both directions", "there", "back"] as const) {
    Deno.test(`a cut of ${seconds} s in ${lane} is survived, and over 3 s later`, () => {
      const rate = { bitsPerSecond: 4_000_000, queueBytes: 60_000 };
      forSeeds(8, (seed) => {
        const from = 300 + 37 * seed;
        const whole = { delayMs: 5 * seed, rate };
        const cut = { ...whole, cuts: [{ from, until: from + seconds * 1_000 }] };
        runOver(seed, {
          aToZ: lane === "back" ? whole : cut,
          zToA: lane === "there" ? whole : cut,
          length: 500_000,
          patience: seconds * 1_000 + 3_000,
        });
      });
    });
  }
}

Deno.test("a cut of 5 s with data, resets, heartbeats and probes pending is survived", () => {
  forSeeds(20, (seed) => {
    const config = { heartbeatInterval: 1_000, maxPacketLength: seed % 2 === 0 ? 1_432 : 1_188 };
    const pair = connectedPair({ seed, config, impairments: { delayMs: 20 } });
    pair.runFor(940 + seed);
    for (let streamId = 0; streamId < 10; streamId++) {
      sendText(pair, "a", "x".repeat(3_000), streamId);
      sendText(pair, "z", "x".repeat(3_000), streamId);
      pair.call("a", ({ association }) => association.resetStream(streamId));
      pair.call("z", ({ association }) => association.resetStream(streamId));
    }
    pair.cut();
    pair.runFor(5_000);
    pair.heal();
    pair.runFor(3_000);
    ok(isUp(pair));
    for (const end of ["a", "z"] as const) {
      ok(eventsOf(pair, end, "message").length === 10, `messages of ${end}`);
    }
    pair.runFor(3_000);
    for (const end of ["a", "z"] as const) {
      const count = eventsOf(pair, end, "outgoing-reset").flatMap(({ streamIds }) => streamIds);
      ok(count.length === 10, `resets of ${end}`);
    }
  });
});

Deno.test("S8: a message and its answer take one round trip", () => {
  for (const delayMs of [0, 10, 50, 150]) {
    const pair = connectedPair({ seed: 1, impairments: { delayMs } });
    pair.runFor(2_000);
    for (let count = 0; count < 50; count++) {
      const start = pair.now;
      sendText(pair, "a", "ping");
      const asked = eventsOf(pair, "z", "message").length;
      pair.run({ until: (running) => eventsOf(running, "z", "message").length > count });
      ok(asked <= count + 1);
      sendText(pair, "z", "pong");
      pair.run({ until: (running) => eventsOf(running, "a", "message").length > count });
      ok(pair.now - start <= 2 * delayMs + 5, `${pair.now - start} ms at ${delayMs}`);
      pair.runFor(count % 3 === 0 ? 7 : 300);
    }
  }
});

Deno.test("S8: a single message is acknowledged within 20 ms, and every second packet at once", () => {
  const pair = connectedPair({ seed: 2, impairments: { delayMs: 10 } });
  pair.runFor(1_000);
  const sent = pair.recordSent();
  const start = pair.now;
  sendText(pair, "a", "one");
  pair.runFor(200);
  const sacks = () =>
    sent.filter(({ from, bytes }) => from === "z" && chunkTypesOf(bytes)[0] === chunkTypes.sack);
  ok(sacks().length === 1 && sacks()[0]?.at === start + 30);
  const later = pair.now;
  sendText(pair, "a", "x".repeat(4_000));
  pair.runFor(15);
  ok(sacks().length === 3, "four packets, two SACKs");
  ok(sacks().slice(1).every(({ at }) => at === later + 10));
});
