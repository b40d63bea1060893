import { equal, ok } from "node:assert/strict";
import { ReplayWindow, replayWindowLength } from "../../src/dtls/replay_window.ts";
import { seededRandom } from "./seeded_random.ts";

/** The same, slow and plain. */
class NaiveWindow {
  readonly #seen = new Set<number>();
  #highest = -1;

  check(sequence: number): boolean {
    return sequence > this.#highest - replayWindowLength && !this.#seen.has(sequence);
  }

  update(sequence: number): void {
    this.#seen.add(sequence);
    this.#highest = Math.max(this.#highest, sequence);
  }
}

Deno.test("asking changes nothing", () => {
  const window = new ReplayWindow();
  ok(window.check(2 ** 48 - 1));
  ok(window.check(5));
  window.update(5);
  ok(window.check(2 ** 48 - 1));
  ok(!window.check(5));
  ok(window.check(0));
});

Deno.test("agrees with a plain set, wherever it starts and however far it jumps", () => {
  const starts = [0, 2 ** 31 - 5_000, 2 ** 32 - 5_000, 2 ** 40, 2 ** 48 - 60_000];
  for (const [index, start] of starts.entries()) {
    const random = seededRandom(index);
    const window = new ReplayWindow();
    const naive = new NaiveWindow();
    let highest = start;
    for (let count = 0; count < 30_000; count++) {
      const isJump = random() < 0.001;
      const reach = isJump ? 20_000 : 40;
      const isOld = random() < 0.3;
      const sequence = Math.min(
        2 ** 48 - 1,
        Math.max(0, highest + Math.floor((random() - (isOld ? 1 : 0.5)) * (isOld ? 9_000 : reach))),
      );
      equal(window.check(sequence), naive.check(sequence), `${sequence} of ${highest}`);
      if (!naive.check(sequence)) continue;
      window.update(sequence);
      naive.update(sequence);
      highest = Math.max(highest, sequence);
    }
  }
});
