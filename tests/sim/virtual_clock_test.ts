import { deepEqual, equal, throws } from "node:assert/strict";
import { Random } from "./random.ts";
import { VirtualClock } from "./virtual_clock.ts";

/** All that is to happen, in the order in which it does. */
function drain<Event>(clock: VirtualClock<Event>): Event[] {
  const events: Event[] = [];
  for (let event = clock.advance(); event !== undefined; event = clock.advance()) {
    events.push(event);
  }
  return events;
}

Deno.test("events happen in the order of their instants, and time is theirs", () => {
  const clock = new VirtualClock<string>(10);
  clock.schedule(30, "third");
  clock.schedule(10, "first");
  clock.schedule(20.5, "second");
  equal(clock.now, 10);
  equal(clock.advance(), "first");
  equal(clock.now, 10);
  equal(clock.nextInstant(), 20.5);
  equal(clock.advance(), "second");
  equal(clock.now, 20.5);
  deepEqual(drain(clock), ["third"]);
  equal(clock.now, 30);
  equal(clock.nextInstant(), undefined);
});

Deno.test("events of one instant happen in the order in which they were scheduled", () => {
  const clock = new VirtualClock<number>();
  for (let order = 0; order < 1000; order++) clock.schedule(order % 3, order);
  const expected = [0, 1, 2].flatMap((at) =>
    Array.from({ length: 1000 }, (_, order) => order).filter((order) => order % 3 === at)
  );
  deepEqual(drain(clock), expected);
});

Deno.test("equals a sorted list, whatever is scheduled and taken in between", () => {
  const random = new Random(11);
  const clock = new VirtualClock<number>();
  let expected: { at: number; order: number }[] = [];
  for (let order = 0; order < 20_000; order++) {
    if (random.chance(0.45)) {
      const [first] = expected;
      equal(clock.advance(), first?.order);
      expected = expected.slice(1);
      continue;
    }
    const at = clock.now + random.below(20);
    clock.schedule(at, order);
    const position = expected.findIndex((one) => one.at > at);
    expected.splice(position === -1 ? expected.length : position, 0, { at, order });
  }
  equal(clock.pendingCount, expected.length);
  deepEqual(drain(clock), expected.map((one) => one.order));
});

Deno.test("nothing is scheduled in the past or never", () => {
  const clock = new VirtualClock<string>(5);
  for (const at of [4, -Infinity, Infinity, NaN]) {
    throws(() => clock.schedule(at, "x"), /^RangeError: Scheduling at/);
  }
});

Deno.test("time does not run back, nor past something that is to happen", () => {
  const clock = new VirtualClock<string>(5);
  clock.schedule(8, "x");
  clock.advanceTo(8);
  equal(clock.now, 8);
  throws(() => clock.advanceTo(9), /^RangeError: Advancing from 8 to 9 ms, with an event due at 8/);
  throws(() => clock.advanceTo(7), RangeError);
  deepEqual(drain(clock), ["x"]);
});
