import { fuzz, fuzzTargets } from "./fakes/fuzz_targets.ts";

for (const target of fuzzTargets) {
  Deno.test(`2,000 changed ${target.name} are read or refused`, () => {
    fuzz(target, { seed: 1, count: 2_000 });
  });
}
