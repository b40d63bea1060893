import assert from "node:assert/strict";
import fc from "fast-check";
import { ReplayCache, type ReplayEntry } from "../../src/identity/replay_cache.ts";

function entry(changed: Partial<ReplayEntry> = {}): ReplayEntry {
  return { sender: "a", stream: "s", sequence: 0, expiry: 1000, ...changed };
}

Deno.test("takes each message once, whatever the order, as a set of all would", () => {
  const numbers = fc.array(fc.nat(100), { maxLength: 200 });
  fc.assert(fc.property(numbers, (sequences) => {
    const cache = new ReplayCache();
    const taken = new Set<number>();
    let highest = -1;
    for (const sequence of sequences) {
      const isWithinWindow = sequence > highest - 32;
      const expected = isWithinWindow && !taken.has(sequence);
      assert.equal(cache.isNew(entry({ sequence })), expected);
      assert.equal(cache.take(entry({ sequence }), 0), expected);
      if (expected) taken.add(sequence);
      highest = Math.max(highest, expected ? sequence : -1);
    }
  }));
});

Deno.test("streams and senders do not share numbers", () => {
  const cache = new ReplayCache();
  assert.ok(cache.take(entry(), 0));
  assert.ok(cache.take(entry({ stream: "t" }), 0));
  assert.ok(cache.take(entry({ sender: "b" }), 0));
  assert.ok(!cache.take(entry({ sender: "b" }), 0));
});

Deno.test("counts right at the end of the sequence numbers", () => {
  const cache = new ReplayCache();
  const last = 0x7fff_ffff;
  assert.ok(cache.take(entry({ sequence: 0 }), 0));
  assert.ok(cache.take(entry({ sequence: last }), 0));
  assert.ok(!cache.take(entry({ sequence: 0 }), 0));
  assert.ok(cache.take(entry({ sequence: last - 31 }), 0));
  assert.ok(!cache.take(entry({ sequence: last - 31 }), 0));
});

Deno.test("forgets a stream only when all of its messages have expired", () => {
  const cache = new ReplayCache();
  assert.ok(cache.take(entry({ expiry: 1000 }), 0));
  assert.ok(cache.take(entry({ sequence: 1, expiry: 500 }), 0));
  assert.ok(!cache.take(entry({ expiry: 1000 }), 1000));
  assert.equal(cache.size, 1);
  assert.ok(cache.take(entry({ stream: "t", expiry: 2000 }), 1001));
  assert.equal(cache.size, 1);
});

Deno.test("a full cache refuses new streams and forgets none", () => {
  const cache = new ReplayCache({ capacity: 2 });
  assert.ok(cache.take(entry({ stream: "1" }), 0));
  assert.ok(cache.take(entry({ stream: "2", sender: "b" }), 0));
  assert.ok(!cache.take(entry({ stream: "3", sender: "c" }), 0));
  assert.ok(cache.take(entry({ stream: "1", sequence: 1 }), 0));
  assert.ok(cache.take(entry({ stream: "3", sender: "c", expiry: 5000 }), 1001));
  assert.equal(cache.size, 1);
});

Deno.test("one sender cannot fill the cache", () => {
  const cache = new ReplayCache({ capacityPerSender: 1 });
  assert.ok(cache.take(entry({ stream: "1" }), 0));
  assert.ok(!cache.take(entry({ stream: "2" }), 0));
  assert.ok(cache.take(entry({ stream: "2", sender: "b" }), 0));
  assert.ok(cache.take(entry({ stream: "2" }), 1001));
});
