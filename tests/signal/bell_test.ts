import assert from "node:assert/strict";
import { Bell, type BellSource } from "../../signal/bell.ts";
import { type KvStore, Store } from "../../signal/store.ts";
import { parseMessagesAnswer, randomId } from "../../src/signaling/wire.ts";
import { createNodeKey } from "./node_key.ts";
import { assertRefused, TestServer } from "./test_server.ts";

const sources: readonly BellSource[] = [
  { type: "watch" },
  { type: "poll", everyMilliseconds: 1 },
];

for (const bell of sources) {
  Deno.test(`who waits at one instance gets what is posted at another (${bell.type})`, async () => {
    const kv = await Deno.openKv(":memory:");
    const clock = { now: Date.now() };
    const [one, other] = [new TestServer({ kv, bell }, clock), new TestServer({ kv, bell }, clock)];
    const key = await createNodeKey();
    const token = await one.register(key);
    const session = randomId();
    const waiting = one.ask("GET", `${key.path}/messages`, { token });
    assert.equal((await other.post(key, { session, text: "offer" })).status, 204);
    const [message] = parseMessagesAnswer(await (await waiting).text()) ?? [];
    assert.equal(message?.text, "offer");
    const replyWaiting = other.ask("GET", `${key.path}/sessions/${session}/replies`);
    assert.equal((await one.reply(key, { session, text: "answer", token })).status, 204);
    const [reply] = parseMessagesAnswer(await (await replyWaiting).text()) ?? [];
    assert.equal(reply?.text, "answer");
    kv.close();
  });

  Deno.test(`who waits is told of a registration at another instance (${bell.type})`, async () => {
    const kv = await Deno.openKv(":memory:");
    const clock = { now: Date.now() };
    const [one, other] = [new TestServer({ kv, bell }, clock), new TestServer({ kv, bell }, clock)];
    const key = await createNodeKey();
    const token = await one.register(key);
    const waiting = one.ask("GET", `${key.path}/messages`, { token });
    await other.register(key);
    await assertRefused(await waiting, 409, "taken_over");
    kv.close();
  });
}

/** Counts the calls by which bells are heard. */
function counting(kv: Deno.Kv): { readonly kv: KvStore; readonly count: () => number } {
  let count = 0;
  const getMany = (...args: Parameters<typeof kv.getMany>) => {
    count++;
    return kv.getMany(...args);
  };
  const counted = {
    get: kv.get.bind(kv),
    getMany,
    list: kv.list.bind(kv),
    atomic: kv.atomic.bind(kv),
    watch: kv.watch.bind(kv),
  };
  // The overloads of Deno.Kv are lost on the way.
  return { kv: counted as KvStore, count: () => count };
}

Deno.test("polls only while someone listens, with one loop for all", async () => {
  const memory = await Deno.openKv(":memory:");
  const { kv, count } = counting(memory);
  const bell = new Bell(new Store(kv, Date.now), { type: "poll", everyMilliseconds: 1 });
  assert.equal(count(), 0);
  const stops = Array.from({ length: 1_000 }, () => bell.listen(randomId(), () => {}));
  assert.equal(count(), 1);
  await new Promise<void>((resolve) => stops.push(bell.listen(randomId(), resolve)));
  for (const stop of stops) stop();
  const countAtEnd = count();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(count(), countAtEnd);
  memory.close();
});

Deno.test("wakes those whose name was rung, and all when more were rung than a bell holds", async () => {
  const kv = await Deno.openKv(":memory:");
  const source: BellSource = { type: "poll", everyMilliseconds: 1 };
  const store = new Store(kv, Date.now);
  const [here, there] = [new Bell(store, source), new Bell(store, source)];
  const heard: string[] = [];
  const ring = async (name: string) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = here.listen(name, resolve);
    await there.ring(name);
    await promise;
    stop();
  };
  await there.ring("before-AAAg");
  // All of one shard, which their last characters tell.
  const names = Array.from({ length: 100 }, (_, at) => `${at}-AAAg`);
  const stops = names.map((name) => here.listen(name, () => heard.push(name)));
  // The first look at a bell wakes all.
  await ring("first-AAAg");
  heard.length = 0;
  await ring("second-AAAg");
  assert.deepEqual(heard, []);
  await Promise.all(Array.from({ length: 100 }, (_, at) => there.ring(`other-${at}-AAAg`)));
  await ring("third-AAAg");
  assert.deepEqual(new Set(heard), new Set(names));
  for (const stop of stops) stop();
  kv.close();
});
