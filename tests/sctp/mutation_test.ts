/** Goal G4: whatever comes, an association goes on or ends with an event; it never throws. */
import { ok } from "node:assert/strict";
import type { End } from "../sim/pair.ts";
import { Random } from "../sim/random.ts";
import { connectedPair, endingOf, isUp, type SctpPair, sendText } from "./association_pair.ts";
import { withChecksum } from "./packets.ts";

const mutationsPerRun = 500;

/** Packets of all kinds that a busy association has sent, to Z. */
function genuinePackets(seed: number): { readonly pair: SctpPair; readonly packets: Uint8Array[] } {
  const pair = connectedPair({
    seed,
    impairments: { delayMs: 5, loss: 0.1 },
    config: {
      isInterleavingOffered: seed % 2 === 0,
      receiveWindow: 100_000,
      heartbeatInterval: 100,
    },
    isKeepingEvents: true,
  });
  const sent = pair.recordSent();
  for (const end of ["a", "z"] as const) {
    for (let count = 0; count < 5; count++) sendText(pair, end, "x".repeat(2_000), count);
    pair.call(end, ({ association }, now) => {
      association.resetStream(2);
      association.send(3, 51, new Uint8Array(2_000), { maxRetransmissions: 0 }, now);
    });
  }
  pair.runFor(150);
  return { pair, packets: sent.flatMap(({ from, bytes }) => from === "a" ? [bytes] : []) };
}

/** A packet, changed: bits, bytes, lengths, ends cut off or added, another's tail. */
export function mutate(packet: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  let changed: Uint8Array<ArrayBuffer> = Uint8Array.from(packet);
  for (let count = 1 + random.below(3); count > 0; count--) {
    const at = 12 + random.below(Math.max(1, Math.min(changed.length - 12, 60)));
    switch (random.below(6)) {
      case 0:
        changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 1:
        changed[at] = random.pick([0, 1, 0x7f, 0x80, 0xff]);
        break;
      case 2:
        changed = changed.slice(0, 12 + random.below(Math.max(1, changed.length - 12)));
        break;
      case 3:
        changed[14] = random.pick([0, 0, 4, 0xff]);
        changed[15] = random.below(256);
        break;
      case 4: {
        const head = changed.slice(0, at & ~3);
        const tail = other.subarray(12 + random.below(Math.max(1, other.length - 12)) & ~3);
        changed = new Uint8Array(head.length + tail.length);
        changed.set(head);
        changed.set(tail, head.length);
        break;
      }
      default:
        changed[12] = random.pick([
          0,
          1,
          2,
          3,
          4,
          5,
          6,
          7,
          8,
          9,
          10,
          11,
          14,
          64,
          130,
          132,
          192,
          194,
        ]);
    }
  }
  return withChecksum(changed);
}

function passes(pair: SctpPair, from: End): boolean {
  const receiver = from === "a" ? pair.z : pair.a;
  let length = 0;
  receiver.onMessage = (_streamId, _ppid, _bytes, start, end) => length += end - start;
  pair.call(from, ({ association }, now) => {
    for (let count = 0; count < 16; count++) {
      association.send(10 + count, 51, new Uint8Array(65_536), undefined, now);
    }
  });
  pair.run({
    until: ({ a, z }) =>
      length >= 2 ** 20 || a.association.state === "ended" || z.association.state === "ended",
    maxVirtualMs: 120_000,
  });
  return length >= 2 ** 20;
}

Deno.test("G4: 200,000 mutated packets: then 1 MB passes, or it has ended with an event", () => {
  let mutationCount = 0;
  const outcomes = { passed: 0, ended: 0 };
  for (let seed = 1; mutationCount < 200_000; seed++) {
    const random = new Random(seed);
    const { pair, packets } = genuinePackets(seed);
    for (let count = 0; count < mutationsPerRun; count++) {
      const packet = packets[random.below(packets.length)] ?? new Uint8Array(0);
      const other = packets[random.below(packets.length)] ?? packet;
      pair.z.handleDatagram(mutate(packet, other, random), pair.now);
      mutationCount++;
      if (count % 25 !== 0) continue;
      pair.runFor(1);
      ok(pair.z.store.heldLength <= 2_000_000);
    }
    // Not of each: that it passes is shown by some.
    if (seed % 20 !== 0) continue;
    const hasEnded = endingOf(pair, "z") !== undefined || endingOf(pair, "a") !== undefined;
    if (!hasEnded && isUp(pair) && passes(pair, "a")) outcomes.passed++;
    else {
      pair.runFor(60_000);
      ok(endingOf(pair, "z") !== undefined || endingOf(pair, "a") !== undefined, `seed ${seed}`);
      outcomes.ended++;
    }
  }
  ok(outcomes.ended > 0);
});

Deno.test("G4: mutated packets with a wrong checksum change nothing, and 1 MB passes", () => {
  for (let seed = 1; seed <= 4; seed++) {
    const random = new Random(seed);
    const { pair, packets } = genuinePackets(seed);
    for (let count = 0; count < 2_000; count++) {
      const packet = packets[random.below(packets.length)] ?? new Uint8Array(0);
      const changed = mutate(packet, packet, random);
      if (changed.length >= 12) changed[8] = (changed[8] ?? 0) ^ 0x55;
      pair.z.handleDatagram(changed, pair.now);
    }
    ok(passes(pair, "a"));
  }
});
