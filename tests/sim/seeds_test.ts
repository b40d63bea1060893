import { deepEqual, throws } from "node:assert/strict";
import { forSeeds, type SeedOptions } from "./seeds.ts";

/** As if the environment named no seed. */
const plain: SeedOptions = { onlySeed: undefined };

function seedsRun(count: number, options: SeedOptions): number[] {
  const seeds: number[] = [];
  forSeeds(count, (seed) => seeds.push(seed), options);
  return seeds;
}

Deno.test("runs the seeds from 1 on", () => {
  deepEqual(seedsRun(3, plain), [1, 2, 3]);
});

Deno.test("runs the seeds first that a test once failed with", () => {
  const options = { ...plain, regressions: { "a fact": [77, 12], "another": [5] } };
  deepEqual(seedsRun(2, { ...options, test: "a fact" }), [77, 12, 1, 2]);
  deepEqual(seedsRun(2, { ...options, test: "a new fact" }), [1, 2]);
});

Deno.test("runs one seed alone when asked to", () => {
  deepEqual(seedsRun(200, { regressions: { x: [1] }, test: "x", onlySeed: 17 }), [17]);
});

Deno.test("the failing seed and how to replay it are in the message", () => {
  const fail = (seed: number) => {
    if (seed === 3) throw new Error("it broke");
  };
  throws(
    () => forSeeds(5, fail, plain),
    /^Error: seed=3: it broke\nReplay it: SIM_SEED=3 deno test -A --filter/,
  );
});
