import assert from "node:assert/strict";
import { backoffDelay, pause } from "../../src/signaling/aetherlight_backoff.ts";

/** The tries of ten minutes without a server. */
function triesInTenMinutes(random: number): number {
  let count = 0;
  for (let elapsed = 0; elapsed < 600_000; count++) elapsed += backoffDelay(count, random);
  return count;
}

Deno.test("waits from half a second to thirty", () => {
  for (let attempt = 0; attempt < 50; attempt++) {
    for (const random of [0, 0.5, 0.999999]) {
      const delay = backoffDelay(attempt, random);
      assert(delay >= 500 && delay <= 30_000);
    }
    const drawn = backoffDelay(attempt);
    assert(drawn >= 500 && drawn <= 30_000);
  }
});

Deno.test("ten minutes without a server cost three calls a minute", () => {
  assert(triesInTenMinutes(0.5) <= 30);
  // Once backed off, whatever the dice say.
  assert(60_000 / backoffDelay(20, 0) <= 3);
});

Deno.test("a server that comes back within half a minute is found within ten seconds", () => {
  for (const random of [0, 0.5, 0.999999]) {
    for (let attempt = 0, elapsed = 0; elapsed < 30_000; attempt++) {
      const delay = backoffDelay(attempt, random);
      assert(delay <= 10_000 || elapsed + delay > 30_000);
      elapsed += delay;
    }
  }
});

Deno.test("two clients that lose a server at once do not come back at once", () => {
  assert(backoffDelay(0, 0) !== backoffDelay(0, 0.5));
  assert(backoffDelay(20, 0) !== backoffDelay(20, 0.5));
});

Deno.test("a pause ends with the signal's reason", async () => {
  const reason = new Error("closed");
  const aborter = new AbortController();
  const paused = pause(3_600_000, aborter.signal);
  aborter.abort(reason);
  await assert.rejects(paused, reason);
  await assert.rejects(pause(3_600_000, aborter.signal), reason);
});
