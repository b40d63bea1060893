/** Row D16: a stranger's first messages, before and after the true ones, doom no handshake. */
import { equal, ok } from "node:assert/strict";
import { forgers, raceHandshake, type RaceOptions } from "./hello_race.ts";

/** How many of so many handshakes complete. */
function countComplete(count: number, options: RaceOptions = {}): number {
  let complete = 0;
  for (let seed = 1; seed <= count; seed++) {
    if (raceHandshake(seed, options).isComplete) complete++;
  }
  return complete;
}

Deno.test("D16: of 2,000 handshakes into which a stranger speaks, 99.9 % complete", () => {
  const complete = countComplete(2_000);
  ok(complete >= 1_998, `${complete}`);
});

for (const kind of Object.keys(forgers)) {
  Deno.test(`D16: ${kind} dooms no handshake`, () => {
    equal(countComplete(5, { kinds: [kind], isReal: true }), 5);
  });
}
