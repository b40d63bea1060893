import { deepEqual, equal } from "node:assert/strict";
import { dropAt, singlesAndPairs } from "./verdict.ts";

Deno.test("40 datagrams have 40 single and 780 pairs of drops", () => {
  const sets = [...singlesAndPairs(40)].map((indices) => indices.join());
  equal(sets.length, 40 + 780);
  equal(new Set(sets).size, sets.length);
  deepEqual([...singlesAndPairs(3)], [[0], [1], [2], [0, 1], [0, 2], [1, 2]]);
});

Deno.test("drops at the indices and nowhere else", () => {
  const verdict = dropAt([1, 3]);
  deepEqual([0, 1, 2, 3, 4].map((index) => verdict({ index })), [
    "pass",
    "drop",
    "pass",
    "drop",
    "pass",
  ]);
});
