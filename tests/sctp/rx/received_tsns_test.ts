import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import {
  createSackFields,
  gapEnd,
  gapStart,
  parseSack,
  sackHeaderLength,
} from "../../../src/sctp/packet/sack_chunk.ts";
import { readUint32 } from "../../../src/network_order.ts";
import {
  ReceivedTsns,
  type TsnVerdict,
  tsnWindowLength,
} from "../../../src/sctp/rx/received_tsns.ts";

/** A SACK as it was read back. */
interface Sack {
  readonly cumulativeTsn: number;
  readonly window: number;
  readonly gaps: readonly (readonly [number, number])[];
  readonly duplicates: readonly number[];
}

function takeSack(tsns: ReceivedTsns, room = 70_000, window = 1_000_000): Sack {
  const out = new Uint8Array(room + 8).fill(0xaa);
  const end = tsns.writeSack(out, 4, 4 + room, window);
  ok(end <= 4 + room);
  ok(out.subarray(0, 4).every((byte) => byte === 0xaa));
  ok(out.subarray(end).every((byte) => byte === 0xaa));
  const fields = createSackFields();
  ok(parseSack(out, 4, end, fields));
  const gaps = Array.from(
    { length: fields.gapCount },
    (_, n) => [gapStart(out, fields, n), gapEnd(out, fields, n)] as const,
  );
  const first = fields.gapsStart + 4 * fields.gapCount;
  const duplicates = Array.from(
    { length: fields.duplicateCount },
    (_, n) => readUint32(out, first + 4 * n),
  );
  const { cumulativeTsnAck, advertisedReceiverWindowCredit } = fields;
  return {
    cumulativeTsn: cumulativeTsnAck,
    window: advertisedReceiverWindowCredit,
    gaps,
    duplicates,
  };
}

/** The same, slow and plain, with offsets from the first TSN that never wrap. */
class NaiveTsns {
  readonly #initialTsn: number;
  readonly #come = new Set<number>();
  #duplicates: number[] = [];
  cumulative = -1;

  constructor(initialTsn: number) {
    this.#initialTsn = initialTsn;
  }

  tsnOf(offset: number): number {
    return (this.#initialTsn + offset) % 2 ** 32;
  }

  get highest(): number {
    return Math.max(this.cumulative, ...this.#come);
  }

  judge(offset: number): TsnVerdict {
    if (offset <= this.cumulative || this.#come.has(offset)) return "duplicate";
    return offset > this.cumulative + tsnWindowLength ? "beyond" : "new";
  }

  add(offset: number): void {
    this.#come.add(offset);
    this.#advance();
  }

  noteDuplicate(offset: number): void {
    if (this.#duplicates.length < 20) this.#duplicates.push(this.tsnOf(offset));
  }

  forward(offset: number): boolean {
    if (offset <= this.cumulative) return false;
    this.cumulative = offset;
    for (const one of this.#come) if (one <= offset) this.#come.delete(one);
    this.#advance();
    return true;
  }

  takeSack(room: number, window: number): Sack {
    const gaps: [number, number][] = [];
    for (const offset of [...this.#come].sort((a, b) => a - b)) {
      const last = gaps.at(-1);
      const distance = offset - this.cumulative;
      if (last !== undefined && last[1] === distance - 1) last[1] = distance;
      else gaps.push([distance, distance]);
    }
    const count = Math.floor((room - sackHeaderLength) / 4);
    const duplicates = this.#duplicates.slice(0, Math.max(0, count - gaps.length));
    this.#duplicates = [];
    const cumulativeTsn = (this.tsnOf(this.cumulative) + 2 ** 32) % 2 ** 32;
    return { cumulativeTsn, window, gaps: gaps.slice(0, count), duplicates };
  }

  get hasGaps(): boolean {
    return this.#come.size > 0;
  }

  #advance(): void {
    while (this.#come.delete(this.cumulative + 1)) this.cumulative++;
  }
}

/** What may happen; `ahead` counts from the cumulative TSN, `length` TSNs in a row. */
type Command =
  | { readonly kind: "come"; readonly ahead: number; readonly length: number }
  | { readonly kind: "forward"; readonly ahead: number }
  | { readonly kind: "sack"; readonly room: number };

const near = fc.integer({ min: -40, max: 140 });
const anywhere = fc.integer({ min: -20_000, max: tsnWindowLength + 100 });
const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant("come"),
        ahead: fc.oneof({ weight: 4, arbitrary: near }, { weight: 1, arbitrary: anywhere }),
        length: fc.oneof(
          { weight: 4, arbitrary: fc.integer({ min: 1, max: 70 }) },
          { weight: 1, arbitrary: fc.integer({ min: 1, max: 17_000 }) },
        ),
      }) as fc.Arbitrary<Command>,
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("forward"),
        ahead: fc.oneof(near, anywhere),
      }) as fc.Arbitrary<Command>,
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("sack"),
        room: fc.oneof(fc.constant(70_000), fc.integer({ min: sackHeaderLength, max: 100 })),
      }) as fc.Arbitrary<Command>,
    },
  ),
  { maxLength: 40 },
);

function runCommand(command: Command, tsns: ReceivedTsns, naive: NaiveTsns): void {
  if (command.kind === "sack") {
    deepEqual(takeSack(tsns, command.room, 7), naive.takeSack(command.room, 7));
    return;
  }
  const start = naive.cumulative + command.ahead;
  if (command.kind === "forward") {
    equal(tsns.forward(tsnOf(naive, start)), naive.forward(start));
    return;
  }
  for (let offset = start; offset < start + command.length; offset++) come(offset, tsns, naive);
}

function tsnOf(naive: NaiveTsns, offset: number): number {
  return (naive.tsnOf(offset) + 2 ** 32) % 2 ** 32;
}

function come(offset: number, tsns: ReceivedTsns, naive: NaiveTsns): void {
  const tsn = tsnOf(naive, offset);
  const verdict = tsns.judge(tsn);
  equal(verdict, naive.judge(offset));
  if (verdict === "new") {
    tsns.add(tsn);
    naive.add(offset);
  } else if (verdict === "duplicate") {
    tsns.noteDuplicate(tsn);
    naive.noteDuplicate((offset + 2 ** 32) % 2 ** 32);
  }
}

for (const initialTsn of [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 5, 2 ** 32 - 9_000]) {
  Deno.test(`S7: TSNs from ${initialTsn} on agree with a plain set`, () => {
    fc.assert(
      fc.property(commands, (list) => {
        const tsns = new ReceivedTsns(initialTsn);
        const naive = new NaiveTsns(initialTsn);
        for (const command of list) {
          runCommand(command, tsns, naive);
          equal(tsns.cumulativeTsn, tsnOf(naive, naive.cumulative));
          equal(tsns.hasGaps, naive.hasGaps);
          if (!naive.hasGaps) equal(tsns.highestTsn, tsns.cumulativeTsn);
        }
        equal(tsns.highestTsn, tsnOf(naive, naive.highest));
      }),
      { seed: initialTsn % 1_000, numRuns: 150 },
    );
  });
}

Deno.test("starts with nothing received, just before the peer's first TSN", () => {
  const tsns = new ReceivedTsns(0);
  equal(tsns.cumulativeTsn, 2 ** 32 - 1);
  equal(tsns.highestTsn, 2 ** 32 - 1);
  ok(!tsns.hasGaps);
  equal(tsns.judge(0), "new");
  equal(tsns.judge(2 ** 32 - 1), "duplicate");
});

Deno.test("S20: a TSN further ahead than the window is beyond it", () => {
  const tsns = new ReceivedTsns(1);
  equal(tsns.judge(tsnWindowLength), "new");
  equal(tsns.judge(tsnWindowLength + 1), "beyond");
  equal(tsns.judge(2 ** 31 - 1), "beyond");
  equal(tsns.judge(2 ** 31 + 1), "duplicate");
});

Deno.test("S8: a full window with every second TSN missing is told as far as the SACK has room", () => {
  const tsns = new ReceivedTsns(2 ** 32 - 7);
  const first = 2 ** 32 - 7;
  for (let ahead = 1; ahead < tsnWindowLength; ahead += 2) tsns.add((first + ahead) % 2 ** 32);
  equal(takeSack(tsns).gaps.length, tsnWindowLength / 2);
  deepEqual(takeSack(tsns).gaps.at(-1), [tsnWindowLength, tsnWindowLength]);
  deepEqual(takeSack(tsns, sackHeaderLength + 11).gaps, [[2, 2], [4, 4]]);
  for (let ahead = 0; ahead < tsnWindowLength; ahead += 2) tsns.add((first + ahead) % 2 ** 32);
  ok(!tsns.hasGaps);
  equal(tsns.cumulativeTsn, (first + tsnWindowLength - 1) % 2 ** 32);
});

Deno.test("a whole window that comes before the TSN it waits for is taken over at once", () => {
  const tsns = new ReceivedTsns(100);
  for (let ahead = 1; ahead < tsnWindowLength; ahead++) tsns.add(100 + ahead);
  deepEqual(takeSack(tsns).gaps, [[2, tsnWindowLength]]);
  tsns.add(100);
  equal(tsns.cumulativeTsn, 100 + tsnWindowLength - 1);
  deepEqual(takeSack(tsns).gaps, []);
});

Deno.test("a duplicate is told once, each time it came, and at most 20 of them", () => {
  const tsns = new ReceivedTsns(10);
  tsns.add(10);
  tsns.noteDuplicate(10);
  tsns.noteDuplicate(10);
  ok(tsns.hasDuplicates);
  deepEqual(takeSack(tsns).duplicates, [10, 10]);
  ok(!tsns.hasDuplicates);
  deepEqual(takeSack(tsns).duplicates, []);
  for (let count = 0; count < 50; count++) tsns.noteDuplicate(count);
  deepEqual(takeSack(tsns).duplicates, Array.from({ length: 20 }, (_, n) => n));
});

Deno.test("gaps are told before duplicates where there is not room for both", () => {
  const tsns = new ReceivedTsns(10);
  tsns.add(12);
  tsns.noteDuplicate(12);
  const sack = takeSack(tsns, sackHeaderLength + 4);
  deepEqual(sack.gaps, [[3, 3]]);
  deepEqual(sack.duplicates, []);
});

Deno.test("RFC 3758 section 3.6: the cumulative TSN moves to the value, and then on if possible", () => {
  const tsns = new ReceivedTsns(102);
  for (const tsn of [102, 104, 105, 107]) tsns.add(tsn);
  ok(tsns.forward(103));
  equal(tsns.cumulativeTsn, 105);
  deepEqual(takeSack(tsns).gaps, [[2, 2]]);
});

Deno.test("RFC 3758 section 3.6: a FORWARD TSN behind or at the cumulative TSN is out of date", () => {
  const tsns = new ReceivedTsns(2 ** 32 - 2);
  for (const tsn of [2 ** 32 - 2, 2 ** 32 - 1, 0, 2]) tsns.add(tsn);
  for (const tsn of [0, 2 ** 32 - 1, 2 ** 32 - 100, 2 ** 31 + 1]) ok(!tsns.forward(tsn));
  equal(tsns.cumulativeTsn, 0);
  deepEqual(takeSack(tsns).gaps, [[2, 2]]);
});

Deno.test("S13: a FORWARD TSN further ahead than any sender can be is refused", () => {
  const tsns = new ReceivedTsns(1);
  ok(!tsns.forward(2 ** 31 - 1));
  ok(!tsns.forward(2 ** 20 + 1));
  equal(tsns.cumulativeTsn, 0);
  ok(tsns.forward(2 ** 20));
  equal(tsns.cumulativeTsn, 2 ** 20);
});

Deno.test("a FORWARD TSN beyond all that has come leaves no gap", () => {
  const tsns = new ReceivedTsns(1);
  for (let tsn = 3; tsn <= tsnWindowLength; tsn += 3) tsns.add(tsn);
  ok(tsns.forward(tsnWindowLength + 50));
  ok(!tsns.hasGaps);
  equal(tsns.highestTsn, tsnWindowLength + 50);
  tsns.add(tsnWindowLength + 52);
  deepEqual(takeSack(tsns).gaps, [[2, 2]]);
});
