import { deepEqual, equal, ok } from "node:assert/strict";
import { createDataFields, dataFlags } from "../../../src/sctp/packet/data_chunk.ts";
import { Piece } from "../../../src/sctp/rx/held_pieces.ts";
import { allMessages, endOf, takeMessages } from "../../../src/sctp/rx/message_range.ts";
import { compareMessages, dataOrder, iDataOrder } from "../../../src/sctp/rx/piece_order.ts";
import { PieceRuns } from "../../../src/sctp/rx/piece_runs.ts";
import { type ComparePieces, SortedRuns } from "../../../src/sctp/rx/sorted_runs.ts";
import { seededRandom } from "../../dtls/seeded_random.ts";
import { integerBelow } from "./random_messages.ts";

const ordered = { streamId: 1, isUnordered: false };

/** The first piece of a message. */
function pieceOf(messageNumber: number, streamId = 1, tsn = messageNumber): Piece {
  const flags = dataFlags.beginning;
  return new Piece({ ...createDataFields(), flags, tsn, streamId, messageNumber }, 0);
}

function numbersOf(pieces: readonly Piece[]): number[] {
  return pieces.map(({ messageNumber }) => messageNumber);
}

/** Counts how often it is called. */
function counting(compare: ComparePieces) {
  const counter = { count: 0 };
  const counted: ComparePieces = (one, other) => {
    counter.count++;
    return compare(one, other);
  };
  return { counter, counted };
}

Deno.test("sorted runs agree with a plain list, however they are put in and taken out", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const random = seededRandom(seed);
    const runs = new SortedRuns(compareMessages);
    let plain: Piece[] = [];
    for (let step = 0; step < 6_000; step++) {
      const number = integerBelow(5_000, random);
      const place = endOf(ordered, number);
      const held = plain.find(({ messageNumber }) => messageNumber === number);
      // More go in than out, and then the other way round.
      if (held === undefined && random() < (step < 4_000 ? 0.9 : 0.2)) {
        const piece = pieceOf(number);
        runs.add(piece);
        plain.push(piece);
      } else if (held !== undefined) {
        runs.remove(held);
        plain = plain.filter((one) => one !== held);
      } else if (random() < 0.02) {
        const upTo = number + integerBelow(300, random);
        const isTaken = ({ messageNumber: one }: Piece) => one > number && one <= upTo;
        const taken = numbersOf(plain.filter(isTaken)).sort((one, other) => one - other);
        deepEqual(numbersOf(runs.takeBetween(place, endOf(ordered, upTo))), taken);
        plain = plain.filter((one) => !isTaken(one));
      }
      const before = numbersOf(plain).filter((one) => one <= number);
      const behind = numbersOf(plain).filter((one) => one > number);
      equal(runs.lastUpTo(place)?.messageNumber ?? -Infinity, Math.max(...before));
      equal(runs.firstAfter(place)?.messageNumber ?? Infinity, Math.min(...behind));
      equal(runs.isEmpty, plain.length === 0);
    }
    deepEqual(numbersOf(runs.takeAll()), numbersOf(plain).sort((one, other) => one - other));
    ok(runs.isEmpty);
  }
});

Deno.test("messages are taken by number, also where the numbers begin anew between them", () => {
  const runs = new SortedRuns(compareMessages);
  for (const number of [0, 1, 5, 65_534, 65_535]) {
    for (const streamId of [0, 1, 2]) runs.add(pieceOf(number, streamId));
  }
  deepEqual(numbersOf(takeMessages(runs, { ...ordered, from: 65_535, to: 1 })), [65_535, 0, 1]);
  deepEqual(numbersOf(takeMessages(runs, { ...ordered, from: 6, to: 65_533 })), []);
  deepEqual(numbersOf(takeMessages(runs, { ...ordered, isUnordered: true, from: 0, to: 9 })), []);
  deepEqual(numbersOf(takeMessages(runs, allMessages(1, false))), [5, 65_534]);
  equal(runs.takeAll().length, 10);
});

for (const [kind, order] of [["DATA", dataOrder], ["I-DATA", iDataOrder]] as const) {
  Deno.test(`S20 ${kind}: what a FORWARD TSN or a reset takes out costs nothing for what stays`, () => {
    const { counter, counted: compareByMessage } = counting(order.compareByMessage);
    const isSame = order.compareByMessage === order.compare;
    const compare = isSame ? compareByMessage : order.compare;
    const runs = new PieceRuns({ ...order, compare, compareByMessage });
    const count = 16_384;
    for (let n = 1; n <= count; n++) runs.add(pieceOf(1_000 + n, 7, 3 * n));
    for (
      const take of [
        () => runs.takeStream(8),
        () => runs.takeMessages({ streamId: 7, isUnordered: false, from: 0, to: 1_000 }),
        () => runs.takeMessages({ streamId: 7, isUnordered: true, from: 0, to: 60_000 }),
        () => runs.takeFirst(({ tsn }) => tsn < 3),
      ]
    ) {
      counter.count = 0;
      deepEqual(take(), []);
      ok(counter.count <= 64, `${counter.count} comparisons`);
    }
    equal(runs.takeMessages({ streamId: 7, isUnordered: false, from: 0, to: 1_002 }).length, 2);
    equal(runs.takeFirst(({ tsn }) => tsn <= 12).length, 2);
    equal(runs.takeStream(7).length, count - 4);
    ok(runs.isEmpty);
  });
}
