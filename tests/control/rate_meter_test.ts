import { deepEqual } from "node:assert/strict";
import { RateMeter } from "../../src/control/rate_meter.ts";

const none = { sent: 0, received: 0 };

/** A meter that has looked at link 1 at these times, in ms, when it had sent as many bytes. */
function meterWith(...samples: readonly (readonly [number, number])[]): RateMeter {
  const meter = new RateMeter();
  for (const [at, sent] of samples) meter.sample(new Map([[1, { sent, received: sent * 2 }]]), at);
  return meter;
}

Deno.test("a rate is what came since the sample before the last", () => {
  const meter = meterWith([0, 0], [1_000, 5_000], [2_000, 6_000]);
  deepEqual(meter.rates(1, { sent: 6_500, received: 13_000 }, 2_500), {
    sent: 1_000,
    received: 2_000,
  });
});

Deno.test("a link that stands still has no rate, whatever it sent before", () => {
  const meter = meterWith([0, 0], [1_000, 9_000], [2_000, 9_000], [3_000, 9_000]);
  deepEqual(meter.rates(1, { sent: 9_000, received: 18_000 }, 3_100), none);
});

Deno.test("where there is nothing to compare with there is no rate", () => {
  deepEqual(meterWith().rates(1, { sent: 9, received: 9 }, 5_000), none);
  deepEqual(meterWith([4_900, 0]).rates(1, { sent: 9, received: 9 }, 5_000), none);
  const other = meterWith([0, 0], [1_000, 1_000]);
  other.sample(new Map(), 2_000);
  deepEqual(other.rates(1, { sent: 9_000, received: 0 }, 3_000), none);
});
