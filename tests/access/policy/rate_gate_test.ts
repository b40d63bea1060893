import { equal, ok } from "node:assert/strict";
import { RateGate } from "../../../src/access/policy/rate_gate.ts";
import { FakeAccessClock, settle } from "../../fakes/access_clock.ts";

/** Moves pieces as fast as a gate lets it; how much that was. */
function mover(gate: RateGate, pieceLength: number) {
  const flow = gate.open();
  const moved = { length: 0, stop: () => flow.close() };
  let isStopped = false;
  moved.stop = () => {
    isStopped = true;
    flow.close();
  };
  (async () => {
    while (!isStopped) {
      await flow.spend(pieceLength);
      moved.length += pieceLength;
    }
  })();
  return moved;
}

const near = (value: number, wanted: number, tolerance: number) =>
  ok(Math.abs(value - wanted) <= tolerance * wanted, `${value}, not ${wanted}`);

for (const rate of [1_000, 100_000, 10_000_000, 250_000_000]) {
  Deno.test(`${rate} bytes a second are let through, within 5 %`, async () => {
    const clock = new FakeAccessClock();
    const gate = new RateGate(rate, clock);
    const one = mover(gate, Math.min(rate / 50, 65_536));
    await clock.advance(1_000);
    near(one.length, rate, 0.05);
    await clock.advance(9_000);
    near(one.length, 10 * rate, 0.05);
    one.stop();
  });
}

Deno.test("two flows have as much as each other, whatever their pieces", async () => {
  const clock = new FakeAccessClock();
  const gate = new RateGate(1_000_000, clock);
  const [large, small] = [mover(gate, 20_000), mover(gate, 500)];
  await clock.advance(5_000);
  const share = large.length / (large.length + small.length);
  ok(share >= 0.45 && share <= 0.55, `${share}`);
  near(large.length + small.length, 5_000_000, 0.05);
  large.stop();
  small.stop();
});

Deno.test("a flow that comes later shares from then on, and makes nothing good", async () => {
  const clock = new FakeAccessClock();
  const gate = new RateGate(1_000_000, clock);
  const first = mover(gate, 20_000);
  await clock.advance(10_000);
  const before = first.length;
  const second = mover(gate, 20_000);
  await clock.advance(2_000);
  near(second.length, 1_000_000, 0.05);
  near(first.length - before, 1_000_000, 0.05);
  first.stop();
  second.stop();
});

Deno.test("who was idle has saved next to nothing", async () => {
  const clock = new FakeAccessClock();
  const gate = new RateGate(1_000_000, clock);
  await clock.advance(60_000);
  const one = mover(gate, 20_000);
  await clock.advance(1_000);
  near(one.length, 1_000_000, 0.05);
  one.stop();
});

Deno.test("another rate holds at once", async () => {
  const clock = new FakeAccessClock();
  const gate = new RateGate(100, clock);
  const one = mover(gate, 1_000);
  await clock.advance(10);
  gate.setRate(1_000_000);
  one.length = 0;
  await clock.advance(1_000);
  near(one.length, 1_000_000, 0.05);
  one.stop();
});

Deno.test("a flow that is closed waits no more, and leaves no timer", async () => {
  const clock = new FakeAccessClock();
  const gate = new RateGate(100, clock);
  const flow = gate.open();
  await flow.spend(10_000);
  const waiting = flow.spend(10_000);
  equal(clock.timerCount, 1);
  flow.close();
  await waiting;
  await settle();
  equal(clock.timerCount, 0);
});
