import assert from "node:assert/strict";
import { DEFAULT_LIMITS } from "../../signal/limits.ts";
import { Refusal } from "../../signal/refusal.ts";
import { Waiters } from "../../signal/waiters.ts";

const silentBell = { listen: () => () => {} };

function refusedWith(code: string): (error: unknown) => boolean {
  return (error) => error instanceof Refusal && error.code === code;
}

Deno.test("has so many seats, so many of them for one address, and again as many when left", () => {
  const limits = { ...DEFAULT_LIMITS, waitersPerInstance: 3, waitersPerAddress: 2 };
  const waiters = new Waiters(silentBell, limits);
  const first = waiters.enter("192.0.2.1");
  waiters.enter("192.0.2.1");
  assert.throws(() => waiters.enter("192.0.2.1"), refusedWith("too_many_requests"));
  waiters.enter("192.0.2.2");
  assert.throws(() => waiters.enter("192.0.2.3"), refusedWith("unavailable"));
  first.leave();
  first.leave();
  waiters.enter("192.0.2.1");
  assert.throws(() => waiters.enter("192.0.2.3"), refusedWith("unavailable"));
});

Deno.test("who claims a mailbox later ends the waiting of who did before", async () => {
  const waiters = new Waiters(silentBell, DEFAULT_LIMITS);
  const [earlier, later] = [waiters.enter("192.0.2.1"), waiters.enter("192.0.2.1")];
  earlier.claim("a");
  const woken = earlier.woken();
  later.claim("a");
  await assert.rejects(woken, refusedWith("replaced"));
  earlier.leave();
  later.wake();
  await later.woken();
});

Deno.test("a ring before the waiting is not lost, and is heard once", async () => {
  const rings: (() => void)[] = [];
  const bell = { listen: (_name: string, wake: () => void) => (rings.push(wake), () => {}) };
  const seat = new Waiters(bell, DEFAULT_LIMITS).enter("192.0.2.1");
  seat.claim("a");
  rings.forEach((ring) => ring());
  await seat.woken();
  const again = seat.woken().then(() => "woken");
  assert.equal(await Promise.race([again, Promise.resolve("waits")]), "waits");
  seat.wake();
  assert.equal(await again, "woken");
});

Deno.test("who has shown no right to a mailbox ends nobody's waiting, and hears no bell", async () => {
  const names: string[] = [];
  const bell = { listen: (name: string) => (names.push(name), () => {}) };
  const waiters = new Waiters(bell, DEFAULT_LIMITS);
  const seat = waiters.enter("192.0.2.1");
  seat.claim("a");
  waiters.enter("192.0.2.2").leave();
  const left = waiters.enter("192.0.2.2");
  left.leave();
  left.claim("a");
  assert.deepEqual(names, ["a"]);
  seat.wake();
  await seat.woken();
});

Deno.test("closing ends all waiting, and nobody enters any more", async () => {
  const waiters = new Waiters(silentBell, DEFAULT_LIMITS);
  const woken = waiters.enter("192.0.2.1").woken();
  waiters.close();
  await assert.rejects(woken, refusedWith("shutting_down"));
  assert.throws(() => waiters.enter("192.0.2.1"), refusedWith("shutting_down"));
});
