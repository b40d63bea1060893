import assert from "node:assert/strict";
import { MAX_BODY_LENGTH, MAX_TEXT_LENGTH, randomId } from "../../src/signaling/wire.ts";
import type { KvStore } from "../../signal/store.ts";
import { createNodeKey } from "./node_key.ts";
import { assertRefused, TestServer, withServer } from "./test_server.ts";

const session = randomId();

Deno.test("refuses a body over its length, whatever length was declared", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    const path = `${key.path}/sessions/${session}/messages/${randomId()}`;
    const body = "x".repeat(MAX_BODY_LENGTH + 1);
    await assertRefused(await server.ask("PUT", path, { body }), 413, "too_large");
    await assertRefused(await server.ask("PUT", key.path, { body }), 413, "too_large");
    const declared = { headers: { "content-length": "10000000" }, body: "{}" };
    await assertRefused(await server.ask("PUT", path, declared), 413, "too_large");
    let sentLength = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sentLength += 1_000;
        controller.enqueue(new Uint8Array(1_000).fill(0x20));
      },
    });
    await assertRefused(await server.ask("PUT", path, { body: endless }), 413, "too_large");
    assert(sentLength < 2 * MAX_BODY_LENGTH);
  });
});

Deno.test("refuses a body that does not end in its time", async () => {
  await withServer({ limits: { bodyMilliseconds: 1 } }, async (server) => {
    const key = await createNodeKey();
    let isCancelled = false;
    const slow = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new Uint8Array([0x7b])),
      cancel: () => {
        isCancelled = true;
      },
    });
    await assertRefused(await server.ask("PUT", key.path, { body: slow }), 408, "time_out");
    assert(isCancelled);
  });
});

Deno.test("refuses a body that breaks off, is not UTF-8 or not the JSON asked for", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    await server.register(key);
    const path = `${key.path}/sessions/${session}/messages/${randomId()}`;
    const broken = new ReadableStream({
      pull: (controller) => controller.error(new Error("gone")),
    });
    const long = JSON.stringify({ text: "x".repeat(MAX_TEXT_LENGTH + 1) });
    const bodies = [
      broken,
      new Uint8Array([0x7b, 0xff, 0x7d]),
      undefined,
      "",
      "null",
      "[]",
      '{"text":1}',
      '{"text":""}',
      '{"text":"line\\nbreak"}',
      '{"text":"\u00e9"}',
      long,
    ];
    for (const body of bodies) {
      await assertRefused(await server.ask("PUT", path, { body }), 400, "bad_request");
    }
  });
});

Deno.test("refuses what is no id, no sequence number and no path", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    const token = await server.register(key);
    const bad = [
      `/ingresses/${key.id.toUpperCase()}`,
      `/ingresses/${key.id.slice(1)}`,
      `/ingresses/${key.id.slice(0, -1)}b`,
      `/ingresses/%00`,
      `${key.path}/sessions/short/replies`,
      `${key.path}/sessions/${"A".repeat(21)}B/replies`,
    ];
    for (const path of bad) await assertRefused(await server.ask("GET", path), 400, "bad_request");
    for (const after of ["-1", "1.5", "1e3", "x", "99999999999999999"]) {
      const response = await server.ask("GET", `${key.path}/messages?after=${after}`, { token });
      await assertRefused(response, 400, "bad_request");
    }
    const put = await server.ask("PUT", `${key.path}/sessions/${session}/messages/x`);
    await assertRefused(put, 400, "bad_request");
    const unknown = [["GET", "/"], ["POST", key.path], ["GET", "/ingresses"], ["PUT", "/healthz"]];
    for (const [method = "", path = ""] of unknown) {
      await assertRefused(await server.ask(method, path), 404, "not_found");
    }
  });
});

Deno.test("an address past its budget gets 429 with the time to wait, others go on", async () => {
  const limits = { requestsPerSecond: 1, requestBurst: 3 };
  await withServer({ limits }, async (server) => {
    const ask = (address: string) => server.ask("GET", "/healthz", { address });
    for (let count = 0; count < 3; count++) assert.equal((await ask("192.0.2.1")).status, 200);
    const refused = await ask("192.0.2.1");
    assert.equal(refused.headers.get("retry-after"), "1");
    await assertRefused(refused, 429, "too_many_requests");
    assert.equal((await ask("192.0.2.2")).status, 200);
    server.clock.now += 1_000;
    assert.equal((await ask("192.0.2.1")).status, 200);
    assert.equal((await ask("192.0.2.1")).status, 429);
  });
});

Deno.test("an IPv6 client is its /64, and an IPv4 client the same when mapped", async () => {
  await withServer({ limits: { requestBurst: 1 } }, async (server) => {
    const status = async (address: string) =>
      (await server.ask("GET", "/healthz", { address })).status;
    assert.equal(await status("2001:db8:0:1::1"), 200);
    assert.equal(await status("2001:db8::1:ffff:0:0:2"), 429);
    assert.equal(await status("2001:db8:0:2::1"), 200);
    assert.equal(await status("2001:db8::"), 200);
    assert.equal(await status("2001:db8::7:0:0:0"), 429);
    assert.equal(await status("::ffff:192.0.2.9"), 200);
    assert.equal(await status("192.0.2.9"), 429);
  });
});

Deno.test("believes X-Forwarded-For behind a trusted proxy only, and only its last entry", async () => {
  const limits = { requestBurst: 1 };
  const status = async (server: TestServer, forwarded: string) => {
    const headers = { "x-forwarded-for": forwarded };
    return (await server.ask("GET", "/healthz", { headers })).status;
  };
  await withServer({ limits }, async (server) => {
    assert.equal(await status(server, "192.0.2.1"), 200);
    assert.equal(await status(server, "192.0.2.2"), 429);
  });
  await withServer({ limits, isProxyTrusted: true }, async (server) => {
    assert.equal(await status(server, "192.0.2.1"), 200);
    assert.equal(await status(server, "192.0.2.2"), 200);
    assert.equal(await status(server, "192.0.2.3, 192.0.2.1"), 429);
  });
});

Deno.test("remembers so many addresses, and forgets the one longest unseen", async () => {
  await withServer({ limits: { requestBurst: 1, addressCount: 2 } }, async (server) => {
    const statuses = [];
    for (const last of [1, 2, 1, 3, 1, 2]) {
      const response = await server.ask("GET", "/healthz", { address: `192.0.2.${last}` });
      statuses.push(response.status);
    }
    assert.deepEqual(statuses, [200, 200, 429, 200, 429, 200]);
  });
});

Deno.test("writes no key without an end, and none over 64 KB", async () => {
  const expiries: (number | undefined)[] = [];
  const kv = await Deno.openKv(":memory:");
  const server = new TestServer({ kv: recording(kv, expiries), limits: { pollMilliseconds: 0 } }, {
    now: Date.now(),
  });
  const key = await createNodeKey();
  const token = await server.register(key);
  await server.post(key, { session, text: "offer" });
  await server.reply(key, { session, text: "answer", token });
  const [message] = await server.messages(key, token);
  await server.messages(key, token, message?.sequence);
  await server.ask("DELETE", `${key.path}/sessions/${session}`);
  await server.ask("DELETE", key.path, { token });
  kv.close();
  assert(expiries.length >= 10);
  const longest = 2 * 3_600_000;
  assert(expiries.every((time) => time !== undefined && time > 0 && time <= longest));
});

/** A store that notes the `expireIn` of all that is written. */
function recording(kv: Deno.Kv, expiries: (number | undefined)[]): KvStore {
  const store = {
    get: kv.get.bind(kv),
    getMany: kv.getMany.bind(kv),
    list: kv.list.bind(kv),
    watch: kv.watch.bind(kv),
    atomic() {
      const operation = kv.atomic();
      const set = operation.set.bind(operation);
      operation.set = (key, value, options) => {
        expiries.push(options?.expireIn);
        return set(key, value, options);
      };
      return operation;
    },
  };
  // The overloads of Deno.Kv are lost in bind().
  return store as KvStore;
}

Deno.test("a record past its expiry is absent, even when the store still returns it", async () => {
  await withServer({}, async (server, kv) => {
    const key = await createNodeKey();
    const token = await server.register(key);
    await server.post(key, { session, text: "offer" });
    server.clock.now += 120_000;
    const stored = await Array.fromAsync(kv.list({ prefix: ["aetherlight"] }));
    assert(stored.length >= 5);
    await assertRefused(await server.ask("GET", key.path), 404, "no_ingress");
    const poll = await server.ask("GET", `${key.path}/messages`, { token });
    await assertRefused(poll, 401, "unauthorized");
    const replies = await server.ask("GET", `${key.path}/sessions/${session}/replies`);
    await assertRefused(replies, 404, "no_session");
  });
});

Deno.test("answers 503 with the time to wait while the store fails, and says so to its log", async () => {
  const kv = await Deno.openKv(":memory:");
  const lines: string[] = [];
  const server = new TestServer({ kv, log: (line) => lines.push(line) }, { now: Date.now() });
  assert.deepEqual(await (await server.ask("GET", "/healthz")).json(), { status: "ok" });
  kv.close();
  const key = await createNodeKey();
  for (const path of ["/healthz", key.path, `${key.path}/challenge`]) {
    const response = await server.ask("GET", path);
    assert.equal(response.headers.get("retry-after"), "2");
    await assertRefused(response, 503, "unavailable");
  }
  assert.equal(lines.length, 3);
});
