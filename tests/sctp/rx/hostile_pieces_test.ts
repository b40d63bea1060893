/** Pieces that no right peer sends: nothing throws, nothing is mixed, everything is freed. */
import { equal, ok } from "node:assert/strict";
import type { SkippedMessage } from "../../../src/sctp/packet/forward_tsn_chunk.ts";
import { pieceCost } from "../../../src/sctp/rx/held_pieces.ts";
import { seededRandom } from "../../dtls/seeded_random.ts";
import { integerBelow } from "./random_messages.ts";
import { ReassemblyHarness, type SentPiece } from "./reassembly_harness.ts";

type Random = () => number;

const flags = ["", "B", "E", "BE", "U", "BU", "EU", "BEU"];

function pick<T>(list: readonly T[], random: Random): T {
  return list[integerBelow(list.length, random)] as T;
}

/** Numbers close together, so that they clash, and now and then one from the far side. */
function randomSerial(around: number, reach: number, bits: 16 | 32, random: Random): number {
  const far = random() < 0.02 ? pick([2 ** (bits - 1), 2 ** (bits - 1) - 1], random) : 0;
  return (around + far + integerBelow(reach, random)) % 2 ** bits;
}

/** All bytes of a piece are one, which tells its message; so mixed messages would show. */
function tagOf(piece: Omit<SentPiece, "text">, isInterleaved: boolean): number {
  const isUnordered = piece.flags.includes("U");
  const number = isUnordered && !isInterleaved ? 0 : piece.number ?? 0;
  return ((piece.streamId ?? 0) * 8 + number % 8 * 32 + (isUnordered ? 1 : 0)) & 0xff;
}

function randomPiece(around: number, isInterleaved: boolean, random: Random): SentPiece {
  const bits = isInterleaved ? 32 : 16;
  const piece = {
    tsn: randomSerial(around, 60, 32, random),
    streamId: random() < 0.01 ? 65_535 : integerBelow(3, random),
    number: randomSerial(2 ** bits - 4, 8, bits, random),
    fsn: random() < 0.01 ? 2 ** 32 - 1 : integerBelow(5, random),
    ppid: random() < 0.05 ? 53 : 51,
    flags: pick(flags, random),
  };
  const length = random() < 0.01 ? 17_000 : integerBelow(200, random);
  return { ...piece, text: new Uint8Array(length).fill(tagOf(piece, isInterleaved)) };
}

function randomSkipped(isInterleaved: boolean, random: Random): SkippedMessage {
  const bits = isInterleaved ? 32 : 16;
  const messageNumber = randomSerial(2 ** bits - 4, 8, bits, random);
  return { streamId: integerBelow(4, random), isUnordered: random() < 0.5, messageNumber };
}

function disturb(
  harness: ReassemblyHarness,
  around: number,
  isInterleaved: boolean,
  random: Random,
) {
  if (random() < 0.7) {
    const skipped = Array.from(
      { length: integerBelow(4, random) },
      () => randomSkipped(isInterleaved, random),
    );
    harness.forward(randomSerial(around, 60, 32, random), ...skipped);
  } else {
    const streamIds = random() < 0.5 ? undefined : [integerBelow(4, random), 65_535];
    harness.reassembly.resetStreams(streamIds, 0);
  }
}

function runHostile(
  isInterleaved: boolean,
  isHeedless: boolean,
  count: number,
  seed: number,
): void {
  const random = seededRandom(seed);
  const initialMessageNumber = 2 ** (isInterleaved ? 32 : 16) - 3;
  const harness = new ReassemblyHarness({
    isInterleaved,
    initialMessageNumber,
    maxMessageLength: 700,
  });
  let around = 2 ** 32 - 1_000;
  for (let done = 0; done < count; done++) {
    if (random() < 0.2) around = (around + 1) % 2 ** 32;
    const defect = harness.give(randomPiece(around, isInterleaved, random));
    if (random() < 0.01) disturb(harness, around, isInterleaved, random);
    ok(harness.reassembly.heldLength >= 0);
    for (const { bytes } of harness.delivered.splice(0)) {
      ok(bytes.every((byte) => byte === bytes[0]), "pieces of two messages are in one");
      ok(bytes.length <= 700);
    }
    // The association would end by now.
    if (defect !== undefined && !isHeedless) harness.reassembly.destroy(0);
  }
  harness.reassembly.destroy(0);
  equal(harness.reassembly.heldLength, 0);
  equal(harness.store.heldLength, 0);
}

/** How many entries of arrays are moved, at most, by what is put in or taken out meanwhile. */
function movesOf(work: () => void): number {
  const { splice } = Array.prototype;
  let moves = 0;
  const counted = function (this: unknown[], start: number, ...rest: unknown[]): unknown {
    moves += this.length - start;
    return Reflect.apply(splice, this, [start, ...rest]);
  };
  Reflect.set(Array.prototype, "splice", counted);
  try {
    work();
  } finally {
    Reflect.set(Array.prototype, "splice", splice);
  }
  return moves;
}

for (const isInterleaved of [false, true]) {
  const kind = isInterleaved ? "I-DATA" : "DATA";
  for (const isHeedless of [false, true]) {
    const then = isHeedless ? "and defects go unheeded" : "and each defect ends the association";
    Deno.test(`S20: 50,000 hostile pieces in ${kind}, ${then}: all is freed, nothing is mixed`, () => {
      for (let seed = 1; seed <= 10; seed++) runHostile(isInterleaved, isHeedless, 5_000, seed);
    });
  }

  Deno.test(`S20: a window full of ${kind} pieces that never fit together is taken fast`, () => {
    const random = seededRandom(4);
    const harness = new ReassemblyHarness({ isInterleaved, maxMessageLength: 2 ** 20 });
    const places = Array.from({ length: 16_384 }, (_, at) => at);
    for (let at = places.length - 1; at > 0; at--) {
      const other = integerBelow(at + 1, random);
      [places[at], places[other]] = [places[other] as number, places[at] as number];
    }
    // Every second one is missing, so that each piece is a run of its own.
    for (const place of places) {
      harness.giveAll({ tsn: place * 2, fsn: place * 2 + 1, number: 1, flags: "", text: "x" });
    }
    equal(harness.reassembly.heldLength, 16_384 * pieceCost(1));
    for (let tsn = 0; tsn < 1_000; tsn++) harness.forward(tsn);
    harness.reassembly.destroy(0);
    equal(harness.store.heldLength, 0);
  });

  Deno.test(`S20: ${kind} pieces that come last first move few of those that are held`, () => {
    const harness = new ReassemblyHarness({ isInterleaved, maxMessageLength: 2 ** 20 });
    const count = 8_192;
    const moves = movesOf(() => {
      for (let at = count; at > 0; at--) {
        harness.giveAll({ tsn: at * 2, fsn: at * 2, number: 1, flags: "", text: "x" });
      }
    });
    ok(moves <= 512 * count, `${moves} moves`);
    harness.reassembly.destroy(0);
    equal(harness.store.heldLength, 0);
  });
}
