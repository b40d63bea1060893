import { equal, ok } from "node:assert/strict";
import { Budget } from "../../src/budget.ts";
import { baseWindow, ReceiveWindow } from "../../src/tunnel/receive_window.ts";

/** A reader that takes so many bytes a ms, in pieces a ms apart, for so long; the window in the end. */
function read(
  window: ReceiveWindow,
  { rate, roundTrip, duration }: { rate: number; roundTrip: number; duration: number },
): number {
  for (let now = 0; now < duration; now++) {
    // Nobody has more under way than the window.
    const length = Math.min(rate, window.length / roundTrip);
    window.handleConsumed(length, { left: 0, roundTrip, now });
  }
  return window.length;
}

Deno.test("a window grows to what a long path holds, and not without end", () => {
  const budget = new Budget(100_000_000);
  // 62,500 bytes a ms are 500 Mbit/s.
  const length = read(new ReceiveWindow(budget), { rate: 62_500, roundTrip: 100, duration: 3_000 });
  ok(length >= 2 * 62_500 * 100 * 0.95, `${length}`);
  const most = read(new ReceiveWindow(budget), { rate: 1e9, roundTrip: 300, duration: 9_000 });
  equal(most, 32 * baseWindow);
});

Deno.test("a window stays where the sender is slow, on a long path and a short one", () => {
  const budget = new Budget(100_000_000);
  for (const roundTrip of [0.2, 100]) {
    const slow = { rate: 1_000, roundTrip, duration: 3_000 };
    equal(read(new ReceiveWindow(budget), slow), baseWindow);
  }
  equal(budget.taken, 0);
});

Deno.test("on a short path a window grows a little", () => {
  const budget = new Budget(100_000_000);
  const short = { rate: 1_000_000, roundTrip: 0.2, duration: 3_000 };
  equal(read(new ReceiveWindow(budget), short), 2 * baseWindow);
});

Deno.test("a reader that falls behind gives back what its window had beyond the base", () => {
  const budget = new Budget(100_000_000);
  const window = new ReceiveWindow(budget);
  read(window, { rate: 62_500, roundTrip: 100, duration: 3_000 });
  equal(budget.taken, window.length - baseWindow);
  const left = window.length / 2 + 1;
  for (let now = 3_000; now <= 3_200; now++) {
    window.handleConsumed(1, { left, roundTrip: 100, now });
  }
  equal(window.length, baseWindow);
  equal(budget.taken, 0);
});

Deno.test("what a lost packet held back comes at once, and narrows no window", () => {
  const window = new ReceiveWindow(new Budget(100_000_000));
  const length = read(window, { rate: 62_500, roundTrip: 100, duration: 3_000 });
  for (let now = 3_000; now < 5_000; now += 50) {
    // Every other time all that is under way was held back, and is read in a few ms.
    for (let left = now % 100 === 0 ? length - 65_536 : 0; left >= 0; left -= 1_048_576) {
      window.handleConsumed(1_048_576, { left, roundTrip: 100, now });
    }
  }
  ok(window.length >= length, `${window.length}`);
});

Deno.test("windows share their budget, a link's and the process's", () => {
  const all = new Budget(3 * baseWindow);
  const [one, other] = [new Budget(2 * baseWindow, all), new Budget(2 * baseWindow, all)];
  const fast = { rate: 1e9, roundTrip: 100, duration: 3_000 };
  const windows = [one, one, other, other].map((budget) => new ReceiveWindow(budget));
  const lengths = windows.map((window) => read(window, fast) / baseWindow);
  equal(lengths.join(), "2,2,2,1");
  for (const window of windows) window.close();
  equal(all.taken, 0);
  equal(read(windows[0] ?? new ReceiveWindow(one), fast) / baseWindow, 2);
});
