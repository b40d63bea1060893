import { deepEqual } from "node:assert/strict";
import { Meter } from "../../src/bench/meter.ts";

Deno.test("counts what came after the first arrival", () => {
  const meter = new Meter({ begunAt: 1_000, deadline: 6_000 });
  meter.add(500, 1_300);
  meter.add(1_000, 2_300);
  meter.add(1_000, 3_300);
  deepEqual(meter.read(), { bytes: 2_000, duration: 2_000 });
});

Deno.test("what comes after the deadline does not count", () => {
  const meter = new Meter({ begunAt: 0, deadline: 100 });
  meter.add(1, 10);
  meter.add(10, 60);
  meter.add(100, 101);
  deepEqual(meter.read(), { bytes: 10, duration: 50 });
});

Deno.test("it counts where before it nothing could be measured", () => {
  const meter = new Meter({ begunAt: 0, deadline: 100 });
  meter.add(1, 90);
  meter.add(10, 190);
  meter.add(100, 290);
  deepEqual(meter.read(), { bytes: 10, duration: 100 });
});

Deno.test("all that came at one time came since the beginning", () => {
  const meter = new Meter({ begunAt: 100, deadline: 200 });
  deepEqual(meter.read(), { bytes: 0, duration: 0 });
  meter.add(1, 150);
  meter.add(2, 150);
  deepEqual(meter.read(), { bytes: 3, duration: 50 });
});
