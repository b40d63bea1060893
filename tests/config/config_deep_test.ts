import { fuzz, fuzzTargets } from "../fakes/fuzz_targets.ts";

const seeds = [21, 22, 23, 24, 25, 26, 27, 28, 29, 30];

for (const target of fuzzTargets.filter(({ name }) => name === "config files")) {
  Deno.test(`200,000 changed ${target.name} are read or refused`, () => {
    for (const seed of seeds) fuzz(target, { seed, count: 20_000 });
  });
}
