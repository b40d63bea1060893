import { deepEqual, equal, notDeepEqual, ok } from "node:assert/strict";
import { Random } from "./random.ts";

const draw = (random: Random, count: number) =>
  Array.from({ length: count }, () => random.next32());

Deno.test("draws what the authors' xoshiro128** 1.1 draws from the same state", () => {
  deepEqual(draw(Random.fromState([1, 2, 3, 4]), 10), [
    11520,
    0,
    5927040,
    70819200,
    2031721883,
    1637235492,
    1287239034,
    3734860849,
    3729100597,
    4258142804,
  ]);
});

Deno.test("the same seed draws the same, today and tomorrow", () => {
  deepEqual(draw(new Random(1), 3), [2489525019, 3815351246, 4260643850]);
  deepEqual(draw(new Random(1).fork("loss"), 3), [4216102414, 1995770313, 3260888914]);
});

Deno.test("seeds side by side draw different numbers from the first on", () => {
  const firsts = new Set(Array.from({ length: 10_000 }, (_, seed) => new Random(seed).next32()));
  ok(firsts.size > 9_990, `${firsts.size} different`);
});

Deno.test("a fork depends on its name and seed, not on what was drawn before", () => {
  const drawn = new Random(7);
  draw(drawn, 1000);
  deepEqual(draw(drawn.fork("loss"), 5), draw(new Random(7).fork("loss"), 5));
  notDeepEqual(draw(drawn.fork("loss"), 5), draw(drawn.fork("jitter"), 5));
  notDeepEqual(draw(drawn.fork("loss"), 5), draw(new Random(8).fork("loss"), 5));
});

Deno.test("forks of forks and of other names are not correlated", () => {
  const one = new Random(7).fork("A>Z").fork("loss");
  const other = new Random(7).fork("Z>A").fork("loss");
  let agreements = 0;
  for (let left = 100_000; left > 0; left--) {
    if (one.chance(0.5) === other.chance(0.5)) agreements++;
  }
  ok(Math.abs(agreements - 50_000) < 700, `${agreements} of 100000`);
});

Deno.test("fractions spread evenly over 0 to 1", () => {
  const random = new Random(3);
  const counts = Array<number>(10).fill(0);
  for (let left = 100_000; left > 0; left--) {
    const at = random.below(10);
    counts[at] = (counts[at] ?? 0) + 1;
  }
  for (const count of counts) ok(Math.abs(count - 10_000) < 400, counts.join(" "));
});

Deno.test("a chance of 0 never comes, and one of 1 always", () => {
  const random = new Random(3);
  for (let left = 10_000; left > 0; left--) {
    equal(random.chance(0), false);
    equal(random.chance(1), true);
  }
});

Deno.test("bytes are of all values, and picks of all choices", () => {
  equal(new Set(new Random(5).bytes(4096)).size, 256);
  const random = new Random(5);
  deepEqual([...new Set(Array.from({ length: 99 }, () => random.pick(["x", "y", "z"])))].length, 3);
});
