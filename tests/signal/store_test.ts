import assert from "node:assert/strict";
import { type KvStore, Store, StoreUnavailable } from "../../signal/store.ts";

/** A store whose first so many operations fail. */
function failing(kv: Deno.Kv, count: number, message: string): KvStore {
  let leftCount = count;
  const fail = () => {
    if (leftCount-- > 0) throw new TypeError(message);
  };
  const store = {
    get: (...args: Parameters<typeof kv.get>) => {
      fail();
      return kv.get(...args);
    },
    atomic: () => {
      const operation = kv.atomic();
      const commit = operation.commit.bind(operation);
      operation.commit = () => {
        fail();
        return commit();
      };
      return operation;
    },
  };
  // The rest is not called.
  return store as unknown as KvStore;
}

Deno.test("an operation that finds the file locked by another process is repeated", async () => {
  const kv = await Deno.openKv(":memory:");
  const store = new Store(failing(kv, 5, "database is locked"), Date.now);
  const put = { key: ["a"], value: 1, expiresAt: Date.now() + 60_000 };
  assert(await store.commit({ set: [put] }));
  const locked = new Store(failing(kv, 5, "database is locked"), Date.now);
  assert.equal((await locked.get<number>(["a"])).value, 1);
  kv.close();
});

Deno.test("an operation that fails otherwise, or again and again, is the store's failure", async () => {
  const kv = await Deno.openKv(":memory:");
  for (const [count, message] of [[1, "broken"], [1_000, "database is locked"]] as const) {
    await assert.rejects(new Store(failing(kv, count, message), Date.now).get(["a"]), (error) => {
      return error instanceof StoreUnavailable && error.message.includes(message);
    });
  }
  kv.close();
});

Deno.test("what was changed since it was read is not written over", async () => {
  const kv = await Deno.openKv(":memory:");
  const store = new Store(kv, Date.now);
  const expiresAt = Date.now() + 60_000;
  const read = await store.get<number>(["a"]);
  assert(await store.commit({ check: [read], set: [{ key: ["a"], value: 1, expiresAt }] }));
  assert(!await store.commit({ check: [read], set: [{ key: ["a"], value: 2, expiresAt }] }));
  assert.equal((await store.get<number>(["a"])).value, 1);
  kv.close();
});

Deno.test("of two expiring records at the same key, the later can be written over the expired", async () => {
  const kv = await Deno.openKv(":memory:");
  let now = Date.now();
  const store = new Store(kv, () => now);
  await store.commit({ set: [{ key: ["a"], value: 1, expiresAt: now + 60_000 }] });
  now += 60_000;
  const expired = await store.get<number>(["a"]);
  assert.equal(expired.value, undefined);
  assert.notEqual(expired.versionstamp, null);
  const put = { key: ["a"], value: 2, expiresAt: now + 60_000 };
  assert(await store.commit({ check: [expired], set: [put] }));
  assert.equal((await store.get<number>(["a"])).value, 2);
  kv.close();
});
