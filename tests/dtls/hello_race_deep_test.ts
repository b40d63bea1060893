import { ok } from "node:assert/strict";
import { raceHandshake, type RaceOptions } from "./hello_race.ts";

const races: readonly [what: string, count: number, share: number, options: RaceOptions][] = [
  ["20,000 handshakes", 20_000, 0.999, {}],
  ["2,000 handshakes with real signatures", 2_000, 0.999, { isReal: true }],
  ["5,000 handshakes over a path that loses 5 %", 5_000, 0.995, { loss: 0.05 }],
];
for (const [what, count, share, options] of races) {
  Deno.test(`D16: of ${what}, into which a stranger speaks, ${100 * share} % complete`, () => {
    let complete = 0;
    for (let seed = 1; seed <= count; seed++) {
      if (raceHandshake(seed, options).isComplete) complete++;
    }
    console.log(`${complete} of ${count}`);
    ok(complete >= share * count, `${complete}`);
  });
}
