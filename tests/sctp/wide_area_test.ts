/** Row G3: how fast wide-area paths are, by default, and whom a link leaves how much. */
import { ok } from "node:assert/strict";
import { CubicCongestionControl } from "../../src/sctp/tx/cubic_congestion_control.ts";
import { type Flow, WideArea, type WideAreaPath } from "./wide_area.ts";

/** One path, what it is to carry in MB/s, and after how long, in ms. */
interface Row {
  readonly name: string;
  readonly path: WideAreaPath;
  readonly least: number;
  readonly warmUp: number;
}

const rows: readonly Row[] = [
  {
    name: "200 Mbit/s, 50 ms, 1 % loss",
    path: { mbits: 200, rttMs: 50, queueBytes: 1_000_000, loss: 0.01 },
    least: 21,
    warmUp: 1_000,
  },
  {
    name: "500 Mbit/s, 100 ms, a queue of 2 MB",
    path: { mbits: 500, rttMs: 100, queueBytes: 2_000_000 },
    least: 54,
    warmUp: 2_000,
  },
  {
    name: "500 Mbit/s, 100 ms, 1 % loss",
    path: { mbits: 500, rttMs: 100, queueBytes: 2_000_000, loss: 0.01 },
    least: 50,
    warmUp: 4_000,
  },
  {
    name: "100 Mbit/s, 20 ms, 0.1 % loss",
    path: { mbits: 100, rttMs: 20, queueBytes: 1_000_000, loss: 0.001 },
    least: 11.3,
    warmUp: 1_000,
  },
  {
    name: "50 Mbit/s, 80 ms, 0.5 % loss, reordered by 10 ms",
    path: { mbits: 50, rttMs: 80, queueBytes: 1_000_000, loss: 0.005, jitterMs: 10 },
    least: 5.4,
    warmUp: 2_000,
  },
  {
    name: "100 Mbit/s, 30 ms, 5 % loss",
    path: { mbits: 100, rttMs: 30, queueBytes: 1_000_000, loss: 0.05 },
    least: 10,
    warmUp: 1_000,
  },
  {
    name: "100 Mbit/s, 30 ms, 10 % loss",
    path: { mbits: 100, rttMs: 30, queueBytes: 1_000_000, loss: 0.1 },
    least: 9.3,
    warmUp: 1_000,
  },
  {
    name: "100 Mbit/s, 30 ms, a queue of twenty packets",
    path: { mbits: 100, rttMs: 30, queueBytes: 30_000 },
    least: 9.8,
    warmUp: 1_000,
  },
  {
    name: "50 Mbit/s by a policer, 30 ms",
    path: {
      mbits: 1_000,
      rttMs: 30,
      queueBytes: 5_000_000,
      policer: { bitsPerSecond: 50_000_000, burstBytes: 200_000 },
    },
    least: 5,
    warmUp: 1_000,
  },
  {
    name: "1 Mbit/s, 50 ms, 1 % loss",
    path: { mbits: 1, rttMs: 50, queueBytes: 60_000, loss: 0.01 },
    least: 0.095,
    warmUp: 2_000,
  },
  {
    name: "1 Gbit/s, 3 ms",
    path: { mbits: 1_000, rttMs: 3, queueBytes: 1_000_000 },
    least: 110,
    warmUp: 300,
  },
];

for (const { name, path, least, warmUp } of rows) {
  Deno.test(`G3: ${least} MB/s over ${name}`, () => {
    const world = new WideArea(1, path);
    const flow = world.add();
    world.runFor(warmUp);
    world.mark();
    // A slow path takes longer to show what it does.
    world.runFor(path.mbits < 10 ? 20_000 : 1_000 + 100_000 / path.mbits);
    const goodput = flow.goodput(world.now);
    ok(goodput >= least, `${goodput} MB/s`);
  });
}

Deno.test("a deep queue stays all but empty, and small messages take little more than a round trip", () => {
  const world = new WideArea(2, { mbits: 20, rttMs: 30, queueBytes: 5_000_000 });
  const flow = world.add({ isPinging: true });
  world.runFor(2_000);
  world.mark();
  world.runFor(10_000);
  ok(world.meanQueueMs < 10, `${world.meanQueueMs} ms of queue`);
  const times = flow.pingTimes.toSorted((one, other) => one - other);
  const slow = times[Math.floor(times.length * 0.99)] ?? Infinity;
  ok(slow < 15 + 30, `${slow} ms`);
});

for (
  const [mbits, rttMs, margin] of [[200, 50, 25], [20, 30, 30], [50, 80, 40]] as const
) {
  const where = `${mbits} Mbit/s, ${rttMs} ms`;
  Deno.test(`jitter is taken for no others' queue: small messages pass soon over ${where}`, () => {
    const world = new WideArea(1, { mbits, rttMs, jitterMs: 3, queueBytes: 5_000_000 });
    const flow = world.add({ isPinging: true });
    world.runFor(4_000);
    world.mark();
    const count = flow.pingTimes.length;
    world.runFor(30_000);
    const times = flow.pingTimes.slice(count).toSorted((one, other) => one - other);
    const slow = times[Math.floor(times.length * 0.99)] ?? Infinity;
    ok(slow < rttMs / 2 + margin, `${slow} ms`);
    ok(flow.goodput(world.now) > 0.9 * mbits / 8, `${flow.goodput(world.now)} MB/s`);
  });
}

Deno.test("none of 24 links over a path that loses 10 % is slow for long", () => {
  for (let seed = 1; seed <= 24; seed++) {
    const world = new WideArea(seed, { mbits: 100, rttMs: 30, queueBytes: 375_000, loss: 0.1 });
    const flow = world.add();
    world.runFor(500);
    world.mark();
    world.runFor(2_500);
    ok(flow.goodput(world.now) > 6, `${flow.goodput(world.now)} MB/s with seed ${seed}`);
  }
});

for (const jitterMs of [0, 10]) {
  Deno.test(`datagrams are lost by the path alone, where it loses 10 % and reorders by ${jitterMs} ms`, () => {
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const path = { mbits: 200, rttMs: 50, queueBytes: 1_000_000, loss: 0.1, jitterMs };
      const world = new WideArea(seed, path);
      const flow = world.add({ length: 0 });
      world.runFor(1_000);
      let received = 0;
      flow.z.onMessage = () => received++;
      for (let sent = 0; sent < 4_000; sent++) {
        const { association } = flow.a;
        ok(association.bufferedAmount(0) < 250_000, `${sent} were sent, and the rest waits`);
        const options = { isUnordered: true, maxRetransmissions: 0 };
        association.send(0, 53, new Uint8Array(1_200), options, world.now);
        world.settle(flow);
        world.runFor(1);
      }
      world.runFor(100);
      ok(received > 0.88 * 4_000, `${received} of 4,000 came`);
    }
  });
}

Deno.test("a path that was cut for 30 s is as fast as before within a second", () => {
  const cuts = [{ from: 4_000, until: 34_000 }];
  const world = new WideArea(3, { mbits: 100, rttMs: 50, queueBytes: 1_000_000, cuts });
  const flow = world.add();
  world.runFor(4_000);
  flow.a.association.setReachable(false, world.now);
  flow.z.association.setReachable(false, world.now);
  world.runFor(29_100);
  flow.a.association.setReachable(true, world.now);
  flow.z.association.setReachable(true, world.now);
  world.settle(flow);
  world.runFor(1_000);
  world.mark();
  world.runFor(2_000);
  const goodput = flow.goodput(world.now);
  ok(goodput > 11, `${goodput} MB/s`);
});

/** The part of the first flow. */
function shareOf([first, second]: readonly Flow[], now: number): number {
  const one = first?.goodput(now) ?? 0;
  return one / (one + (second?.goodput(now) ?? 0));
}

const cubic = (pieceLength: number) => new CubicCongestionControl(pieceLength);

for (const queueBytes of [250_000, 750_000]) {
  Deno.test(`a CUBIC flow gets its part beside a link, with a queue of ${queueBytes} B`, () => {
    const world = new WideArea(4, { mbits: 50, rttMs: 40, queueBytes });
    world.add();
    world.add({ congestionControl: cubic, startAt: 2_000 });
    world.runFor(8_000);
    world.mark();
    world.runFor(20_000);
    const share = shareOf(world.flows, world.now);
    ok(share > 0.25 && share < 0.75, `${share}`);
  });
}

Deno.test("two links share a path", () => {
  const world = new WideArea(5, { mbits: 50, rttMs: 40, queueBytes: 500_000 });
  world.add();
  world.add({ startAt: 2_000 });
  world.runFor(10_000);
  world.mark();
  world.runFor(15_000);
  const share = shareOf(world.flows, world.now);
  ok(share > 0.4 && share < 0.6, `${share}`);
  ok(world.meanQueueMs < 60, `${world.meanQueueMs} ms of queue`);
});

Deno.test("G3: a path that reorders by some milliseconds is filled from the beginning", () => {
  for (const jitterMs of [2, 3, 5, 10]) {
    for (let seed = 1; seed <= 6; seed++) {
      const world = new WideArea(seed, { mbits: 100, rttMs: 50, queueBytes: 1_000_000, jitterMs });
      const flow = world.add();
      world.runFor(500);
      world.mark();
      world.runFor(1_000);
      const rate = flow.goodput(world.now);
      ok(rate > 10, `${rate} of 12.5 MB/s with ${jitterMs} ms of jitter, seed ${seed}`);
    }
  }
});

Deno.test("G3: a link that moves to a longer path is soon as fast as one that begins there", () => {
  for (const [fromRtt, rttMs, jitterMs] of [[0.6, 80, 10], [5, 80, 10], [2, 50, 3]] as const) {
    const queueBytes = 1_000_000;
    const world = new WideArea(1, { mbits: 200, rttMs: fromRtt, queueBytes });
    const flow = world.add();
    world.runFor(3_000);
    const both = { delayMs: rttMs / 2, jitterMs, isJitterReordering: true, overheadBytes: 65 };
    flow.lanes.a.impair({ ...both, rate: { bitsPerSecond: 100_000_000, queueBytes } });
    flow.lanes.z.impair(both);
    for (const end of [flow.a, flow.z]) end.association.setPath(1_432, world.now);
    world.runFor(2_000);
    world.mark();
    world.runFor(2_000);
    const rate = flow.goodput(world.now);
    ok(rate > 10, `${rate} of 12.5 MB/s, from ${fromRtt} to ${rttMs} ms`);
  }
});
