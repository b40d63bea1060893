import { deepEqual } from "node:assert/strict";
import { figuresOf } from "../../src/bench/round_trips.ts";

Deno.test("p50 and p99 are times that were measured", () => {
  const times = Array.from({ length: 100 }, (_, at) => 100 - at);
  deepEqual(figuresOf(times), { count: 100, p50: 50, p99: 99 });
  deepEqual(figuresOf([3]), { count: 1, p50: 3, p99: 3 });
  deepEqual(figuresOf([3, 1]), { count: 2, p50: 1, p99: 3 });
  deepEqual(figuresOf([]), { count: 0, p50: NaN, p99: NaN });
});
