import { deepEqual, equal, ok, throws } from "node:assert/strict";
import type { Impairments } from "./impairments.ts";
import { type Arrival, Lane, type LaneOptions } from "./lane.ts";
import { Random } from "./random.ts";
import { Trace } from "./trace.ts";
import { dropAt } from "./verdict.ts";
import { VirtualClock } from "./virtual_clock.ts";

interface Received {
  readonly at: number;
  readonly index: number;
  readonly bytes: Uint8Array;
}

/** A lane, and what has arrived at its end. */
class LaneBench {
  readonly clock = new VirtualClock<Arrival>();
  readonly trace = new Trace(1_000_000);
  readonly received: Received[] = [];
  readonly lane: Lane;

  constructor(impairments: Impairments, options: Partial<LaneOptions> = {}, seed = 1) {
    const { clock, trace } = this;
    const random = new Random(seed);
    this.lane = new Lane({ name: "A>Z", clock, random, impairments, trace, ...options });
  }

  /** Sends so many datagrams of a length, one each `everyMs`, and waits for all. */
  send(count: number, { length = 100, everyMs = 0 } = {}): this {
    for (let left = count; left > 0; left--) {
      this.lane.send(new Uint8Array(length));
      this.waitUntil(this.clock.now + everyMs);
    }
    return this.waitForAll();
  }

  waitUntil(instant: number): this {
    while ((this.clock.nextInstant() ?? Infinity) <= instant) this.#advance();
    this.clock.advanceTo(instant);
    return this;
  }

  waitForAll(): this {
    while (this.clock.pendingCount > 0) this.#advance();
    return this;
  }

  get indices(): number[] {
    return this.received.map(({ index }) => index);
  }

  get instants(): number[] {
    return this.received.map(({ at }) => at);
  }

  #advance(): void {
    const arrival = this.clock.advance();
    const bytes = arrival && this.lane.takeArrival(arrival);
    if (arrival === undefined || bytes === undefined) return;
    this.received.push({ at: this.clock.now, index: arrival.index, bytes });
  }
}

/** Everything at once. */
const storm: Impairments = {
  delayMs: 20,
  jitterMs: 5,
  loss: 0.1,
  burstLoss: { enterBad: 0.02, leaveBad: 0.4, lossInBad: 0.9 },
  reorder: { probability: 0.1, extraDelayMs: 7 },
  duplicate: 0.1,
  corrupt: 0.1,
  rate: { bitsPerSecond: 1e6, queueBytes: 3000 },
  mtuBytes: 1000,
  cuts: [{ from: 500, until: 600 }],
};

function isNear(actual: number, expected: number, tolerance: number): void {
  ok(Math.abs(actual - expected) <= tolerance, `${actual}, not ${expected} ± ${tolerance}`);
}

Deno.test("a lane without impairments delivers all at once, in order, unchanged", () => {
  const bench = new LaneBench({});
  for (let index = 0; index < 5; index++) bench.lane.send(new Uint8Array([index, index]));
  bench.waitForAll();
  deepEqual(bench.received.map(({ bytes }) => [...bytes]), [[0, 0], [1, 1], [2, 2], [3, 3], [
    4,
    4,
  ]]);
  deepEqual(bench.instants, [0, 0, 0, 0, 0]);
});

Deno.test("a lane copies what it takes", () => {
  const bench = new LaneBench({ delayMs: 1 });
  const bytes = new Uint8Array([1, 2, 3]);
  bench.lane.send(bytes);
  bytes.fill(0);
  deepEqual([...bench.waitForAll().received[0]?.bytes ?? []], [1, 2, 3]);
});

Deno.test("the same seed gives the same trace, and another seed another", () => {
  const linesOf = (seed: number) => {
    const bench = new LaneBench(storm, {}, seed);
    return bench.send(2000, { length: 300, everyMs: 2 }).trace.lines();
  };
  const lines = linesOf(4);
  deepEqual(linesOf(4), lines);
  ok(linesOf(5).join() !== lines.join());
});

Deno.test("every datagram is accounted for", () => {
  const bench = new LaneBench(storm, { verdict: dropAt([3, 5]) });
  for (let count = 0; count < 3000; count++) {
    bench.lane.send(new Uint8Array(count % 1100));
    bench.waitUntil(bench.clock.now + 1);
    const { sent, forged, duplicated, ...ends } = bench.lane.counts;
    const { delivered, inFlight, dropped, lost, cutOff, tooLong, queueFull } = ends;
    const endCount = delivered + inFlight + dropped + lost + cutOff + tooLong + queueFull;
    equal(sent + forged + duplicated, endCount);
  }
  const { inFlight: _, forged: __, ...counts } = bench.waitForAll().lane.counts;
  ok(Object.values(counts).every((count) => count > 0), JSON.stringify(counts));
  equal(bench.lane.counts.inFlight, 0);
  equal(bench.lane.counts.delivered, bench.received.length);
});

Deno.test("delay is added to every datagram", () => {
  deepEqual(new LaneBench({ delayMs: 25.5 }).send(3, { everyMs: 10 }).instants, [25.5, 35.5, 45.5]);
});

Deno.test("jitter is spread evenly up to its limit", () => {
  const bench = new LaneBench({ delayMs: 10, jitterMs: 8 }).send(10_000, { everyMs: 20 });
  const delays = bench.instants.map((at, index) => at - 20 * index);
  ok(delays.every((delay) => delay >= 10 && delay < 18));
  isNear(delays.reduce((sum, delay) => sum + delay, 0) / delays.length, 14, 0.1);
  isNear(delays.filter((delay) => delay < 12).length, 2500, 150);
});

Deno.test("jitter alone does not reorder", () => {
  const { indices } = new LaneBench({ jitterMs: 50 }).send(1000, { everyMs: 1 });
  deepEqual(indices, Array.from({ length: 1000 }, (_, index) => index));
});

Deno.test("loss takes its share, each datagram by itself", () => {
  const { indices } = new LaneBench({ loss: 0.2 }).send(50_000);
  isNear(indices.length, 40_000, 400);
  const isDelivered = new Set(indices);
  const pairsLost = Array.from({ length: 49_999 }, (_, at) => at)
    .filter((at) => !isDelivered.has(at) && !isDelivered.has(at + 1));
  isNear(pairsLost.length, 2000, 200);
});

Deno.test("burst loss has the share and the length of its model", () => {
  const { indices, lane } = new LaneBench({ burstLoss: { enterBad: 0.01, leaveBad: 0.2 } })
    .send(200_000);
  isNear(lane.counts.lost / 200_000, 0.01 / 0.21, 0.003);
  const gaps = indices.map((index, at) => index - (indices[at - 1] ?? -1) - 1)
    .filter((gap) => gap > 0);
  isNear(gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length, 5, 0.3);
});

Deno.test("in the good state the burst model loses its own share", () => {
  const burstLoss = { enterBad: 0.1, leaveBad: 0.1, lossInGood: 0.1, lossInBad: 0.5 };
  isNear(new LaneBench({ burstLoss }).send(100_000).lane.counts.lost / 100_000, 0.3, 0.01);
});

Deno.test("a reordered datagram comes late, and those behind it overtake it", () => {
  const reorder = { probability: 0.1, extraDelayMs: 5 };
  const bench = new LaneBench({ delayMs: 10, reorder }).send(10_000, { everyMs: 2 });
  const late = bench.received.filter(({ at, index }) => at > 2 * index + 10);
  isNear(late.length, 1000, 100);
  ok(late.every(({ at, index }) => at === 2 * index + 15));
  equal(bench.lane.counts.reordered, late.length);
  equal(bench.received.length, 10_000);
  ok(bench.indices.some((index, at) => index < (bench.indices[at - 1] ?? 0)));
});

Deno.test("duplication delivers its share twice", () => {
  const { indices, lane } = new LaneBench({ duplicate: 0.05 }).send(20_000);
  isNear(lane.counts.duplicated, 1000, 100);
  equal(indices.length, 20_000 + lane.counts.duplicated);
  equal(new Set(indices).size, 20_000);
});

Deno.test("corruption flips one to four bits of its share, in the true one's place", () => {
  const { received, lane } = new LaneBench({ corrupt: 0.02 }).send(20_000);
  equal(received.length, 20_000);
  const flipped = received.map(({ bytes }) =>
    bytes.reduce((sum, byte) => sum + bitCountOf(byte), 0)
  )
    .filter((count) => count > 0);
  isNear(flipped.length, 400, 60);
  equal(lane.counts.damaged, flipped.length);
  deepEqual([...new Set(flipped)].sort((a, b) => a - b), [1, 2, 3, 4]);
});

Deno.test("what counts as damaged differs, even of one byte", () => {
  const { received, lane } = new LaneBench({ corrupt: 1 }).send(5000, { length: 1 });
  ok(received.every(({ bytes }) => bytes[0] !== 0));
  equal(lane.counts.damaged, 5000);
});

Deno.test("an empty datagram cannot be damaged", () => {
  equal(new LaneBench({ corrupt: 1 }).send(10, { length: 0 }).lane.counts.damaged, 0);
});

Deno.test("copies of a duplicate are damaged each for itself", () => {
  const { received } = new LaneBench({ corrupt: 0.5, duplicate: 1 }).send(10_000);
  const damagedCounts = [0, 0, 0];
  for (let at = 0; at < received.length; at += 2) {
    const copies = received.slice(at, at + 2);
    const count = copies.filter(({ bytes }) => bytes.some((byte) => byte !== 0)).length;
    damagedCounts[count] = (damagedCounts[count] ?? 0) + 1;
  }
  isNear(damagedCounts[0] ?? 0, 2500, 150);
  isNear(damagedCounts[1] ?? 0, 5000, 200);
  isNear(damagedCounts[2] ?? 0, 2500, 150);
});

Deno.test("turning on one impairment does not move another", () => {
  const lostWith = (impairments: Impairments) => {
    const delivered = new Set(new LaneBench({ ...impairments, loss: 0.1 }).send(1000).indices);
    return Array.from({ length: 1000 }, (_, index) => index).filter((one) => !delivered.has(one));
  };
  const others = { jitterMs: 5, duplicate: 0.3, corrupt: 0.3 };
  deepEqual(lostWith({ ...others, reorder: { probability: 0.3, extraDelayMs: 9 } }), lostWith({}));
});

Deno.test("1 Mbit/s delivers 125 bytes a ms", () => {
  const rate = { bitsPerSecond: 1e6, queueBytes: 10_000 };
  deepEqual(new LaneBench({ rate }).send(4, { length: 125 }).instants, [1, 2, 3, 4]);
  deepEqual(new LaneBench({ rate, delayMs: 50 }).send(2, { length: 1250 }).instants, [60, 70]);
});

Deno.test("a wire that was idle owes nothing", () => {
  const rate = { bitsPerSecond: 1e6, queueBytes: 10_000 };
  deepEqual(new LaneBench({ rate }).send(3, { length: 125, everyMs: 5 }).instants, [1, 6, 11]);
});

Deno.test("what does not fit the queue is dropped, to the byte", () => {
  const rate = { bitsPerSecond: 1e6, queueBytes: 500 };
  const bench = new LaneBench({ rate }).send(10, { length: 125 });
  deepEqual(bench.indices, [0, 1, 2, 3]);
  equal(bench.lane.counts.queueFull, 6);
  const short = new LaneBench({ rate: { ...rate, queueBytes: 499 } }).send(10, { length: 125 });
  deepEqual(short.indices, [0, 1, 2]);
});

Deno.test("the queue has room again as the wire takes from it", () => {
  const bench = new LaneBench({ rate: { bitsPerSecond: 1e6, queueBytes: 250 } });
  for (const at of [0, 0, 0, 0.999, 1, 1]) {
    bench.waitUntil(at);
    bench.lane.send(new Uint8Array(125));
  }
  deepEqual(bench.waitForAll().indices, [0, 1, 4]);
  deepEqual(bench.instants, [1, 2, 3]);
});

Deno.test("an idle lane takes a datagram longer than its queue", () => {
  const bench = new LaneBench({ rate: { bitsPerSecond: 1e6, queueBytes: 10 } });
  deepEqual(bench.send(2, { length: 125, everyMs: 1 }).instants, [1, 2]);
});

Deno.test("a lane that is offered twice its rate delivers its rate", () => {
  const rate = { bitsPerSecond: 8e6, queueBytes: 64_000 };
  const bench = new LaneBench({ rate });
  for (let sent = 0; sent < 10_000; sent++) {
    bench.lane.send(new Uint8Array(1000));
    bench.waitUntil(bench.clock.now + 0.5);
  }
  isNear(bench.received.length, 5000, 1);
});

Deno.test("what is longer than the MTU is dropped", () => {
  const bench = new LaneBench({ mtuBytes: 1200 });
  for (const length of [1199, 1200, 1201]) bench.lane.send(new Uint8Array(length));
  deepEqual(bench.waitForAll().indices, [0, 1]);
  equal(bench.lane.counts.tooLong, 1);
});

Deno.test("during a cut nothing enters and nothing arrives", () => {
  const bench = new LaneBench({ delayMs: 10, cuts: [{ from: 100, until: 200 }] });
  const { instants, lane } = bench.send(300, { everyMs: 1 });
  ok(instants.every((at) => at < 100 || at >= 210));
  equal(instants.length, 90 + 100);
  equal(lane.counts.cutOff, 110);
});

Deno.test("a lane is cut and healed by hand", () => {
  const bench = new LaneBench({});
  bench.lane.cut();
  bench.send(2);
  bench.lane.heal();
  deepEqual(bench.send(2).indices, [2, 3]);
});

Deno.test("impairments change on the way", () => {
  const bench = new LaneBench({ loss: 1 }).send(5);
  bench.lane.impair({ delayMs: 3 });
  deepEqual(bench.send(1).instants, [3]);
});

Deno.test("a verdict drops, replaces, injects and holds back single datagrams", () => {
  const forged = new Uint8Array([9]);
  const bench = new LaneBench({ delayMs: 1 }, {
    verdict: ({ bytes, index }) => {
      if (index === 0) return "drop";
      if (index === 1) return { replaceWith: [forged] };
      if (index === 2) return { replaceWith: [forged, bytes, forged] };
      return index === 3 ? { extraDelayMs: 10 } : "pass";
    },
  });
  for (let index = 0; index < 5; index++) bench.lane.send(new Uint8Array([index]));
  deepEqual(bench.waitForAll().received.map(({ at, bytes }) => [at, ...bytes]), [
    [1, 9],
    [1, 9],
    [1, 2],
    [1, 9],
    [1, 4],
    [11, 3],
  ]);
});

Deno.test("the trace tells what became of a datagram", () => {
  const bench = new LaneBench({ delayMs: 1.5 }, {
    verdict: dropAt([1]),
    describe: (bytes) => `kind ${bytes[0]}`,
  });
  bench.send(2);
  deepEqual(bench.trace.lines(), [
    "       0.000 A>Z #0 sent 100 B kind 0",
    "       0.000 A>Z #1 sent 100 B kind 0",
    "       0.000 A>Z #1 dropped",
    "       1.500 A>Z #0 arrives 100 B kind 0",
  ]);
});

Deno.test("impairments that can only be a mistake are refused", () => {
  const mistakes: Impairments[] = [
    { loss: 20 },
    { corrupt: NaN },
    { delayMs: -1 },
    { reorder: { probability: 1.1, extraDelayMs: 1 } },
    { burstLoss: { enterBad: 0.1, leaveBad: 2 } },
    { rate: { bitsPerSecond: 0, queueBytes: 1 } },
  ];
  for (const mistake of mistakes) throws(() => new LaneBench(mistake), /^RangeError: Impairing a/);
});

function bitCountOf(byte: number): number {
  return byte.toString(2).replaceAll("0", "").length;
}
