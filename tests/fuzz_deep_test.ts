import { fuzz, fuzzTargets } from "./fakes/fuzz_targets.ts";

const seeds = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

for (const target of fuzzTargets) {
  Deno.test(`100,000 changed ${target.name} are read or refused`, () => {
    for (const seed of seeds) fuzz(target, { seed, count: 10_000 });
  });
}
