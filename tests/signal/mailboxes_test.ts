import assert from "node:assert/strict";
import { MAX_TEXT_LENGTH, randomId } from "../../src/signaling/wire.ts";
import { createNodeKey } from "./node_key.ts";
import { assertRefused, required, type TestServer, withServer } from "./test_server.ts";

const session = randomId();

function texts(messages: readonly { readonly text: string }[]): string[] {
  return messages.map(({ text }) => text);
}

Deno.test("carries messages to an ingress and replies back, in order", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    const token = await server.register(key);
    for (const text of ["offer", "candidate 1", "candidate 2"]) {
      assert.equal((await server.post(key, { session, text })).status, 204);
    }
    const messages = await server.messages(key, token);
    assert.deepEqual(texts(messages), ["offer", "candidate 1", "candidate 2"]);
    assert(messages.every((message) => message.session === session));
    for (const text of ["answer", "candidate 3"]) {
      assert.equal((await server.reply(key, { session, text, token })).status, 204);
    }
    assert.deepEqual(texts(await server.replies(key, session)), ["answer", "candidate 3"]);
  });
});

Deno.test("delivers until acknowledged, and not again", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    const token = await server.register(key);
    await server.post(key, { session, text: "offer" });
    await server.post(key, { session, text: "candidate" });
    const [first] = await server.messages(key, token);
    assert.equal((await server.messages(key, token)).length, 2);
    const rest = await server.messages(key, token, required(first).sequence);
    assert.deepEqual(texts(rest), ["candidate"]);
    assert.deepEqual(texts(await server.messages(key, token)), ["candidate"]);
    await server.reply(key, { session, text: "answer", token });
    const [answer] = await server.replies(key, session);
    assert.deepEqual(await server.replies(key, session, required(answer).sequence), []);
    assert.deepEqual(await server.replies(key, session), []);
  });
});

Deno.test("takes a message that is posted again with its id for the same", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    const token = await server.register(key);
    const messageId = randomId();
    for (let count = 0; count < 3; count++) {
      assert.equal((await server.post(key, { session, text: "offer", messageId })).status, 204);
      const reply = await server.reply(key, { session, text: "answer", messageId, token });
      assert.equal(reply.status, 204);
    }
    assert.equal((await server.messages(key, token)).length, 1);
    assert.equal((await server.replies(key, session)).length, 1);
  });
});

Deno.test("numbers posts that come at once without a gap or a double", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    const token = await server.register(key);
    const responses = await Promise.all(
      Array.from({ length: 12 }, (_, at) => server.post(key, { session, text: `${at}` })),
    );
    assert(responses.every(({ status }) => status === 204));
    const messages = await server.messages(key, token);
    const [{ sequence: first } = { sequence: 0 }] = messages;
    assert.deepEqual(messages.map(({ sequence }) => sequence - first), [...messages.keys()]);
    assert.equal(new Set(texts(messages)).size, 12);
  });
});

Deno.test("a mailbox that begins anew counts on from above its old numbers", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    await server.register(key);
    await server.post(key, { session, text: "old" });
    const [old] = await server.messages(key, await server.register(key));
    server.clock.now += 200_000;
    const token = await server.register(key);
    await server.post(key, { session: randomId(), text: "new" });
    const messages = await server.messages(key, token, required(old).sequence);
    assert.deepEqual(texts(messages), ["new"]);
  });
});

Deno.test("no ingress can reply into another's session, nor read it", async () => {
  await withServer({}, async (server) => {
    const [key, other] = await Promise.all([createNodeKey(), createNodeKey()]);
    const token = await server.register(key);
    const otherToken = await server.register(other);
    await server.post(key, { session, text: "offer" });
    const foreign = await server.reply(key, { session, text: "forged", token: otherToken });
    await assertRefused(foreign, 409, "taken_over");
    const own = await server.reply(other, { session, text: "forged", token: otherToken });
    await assertRefused(own, 404, "no_session");
    const stolen = await server.ask("GET", `${key.path}/messages`, { token: otherToken });
    await assertRefused(stolen, 409, "taken_over");
    await server.reply(key, { session, text: "answer", token });
    assert.deepEqual(texts(await server.replies(key, session)), ["answer"]);
  });
});

Deno.test("knows no session that no egress opened", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    const token = await server.register(key);
    const path = `${key.path}/sessions/${session}`;
    await assertRefused(await server.ask("GET", `${path}/replies`), 404, "no_session");
    await assertRefused(await server.ask("DELETE", path), 404, "no_session");
    const reply = await server.reply(key, { session, text: "answer", token });
    await assertRefused(reply, 404, "no_session");
  });
});

Deno.test("a session is over after its time, and when its egress closes it", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    const token = await server.register(key);
    const path = `${key.path}/sessions/${session}`;
    await server.post(key, { session, text: "offer" });
    await server.reply(key, { session, text: "answer", token });
    assert.equal((await server.ask("DELETE", path)).status, 204);
    await assertRefused(await server.ask("GET", `${path}/replies`), 404, "no_session");
    await server.post(key, { session, text: "offer" });
    assert.deepEqual(await server.replies(key, session), []);
    server.clock.now += 120_000;
    await assertRefused(await server.ask("GET", `${path}/replies`), 404, "no_session");
    assert.deepEqual(await server.messages(key, await server.register(key)), []);
  });
});

Deno.test("takes texts of the largest size, and a full mailbox until it is read", async () => {
  await withServer({}, async (server) => {
    const key = await createNodeKey();
    const token = await server.register(key);
    const text = "x".repeat(MAX_TEXT_LENGTH);
    assert.equal((await server.post(key, { session, text })).status, 204);
    assert.equal((await server.post(key, { session, text })).status, 204);
    const full = await server.post(key, { session, text });
    assert.equal(full.headers.get("retry-after"), "1");
    await assertRefused(full, 429, "mailbox_full");
    const last = (await server.messages(key, token)).at(-1);
    await server.messages(key, token, required(last).sequence);
    assert.equal((await server.post(key, { session, text })).status, 204);
    for (let count = 0; count < 2; count++) {
      assert.equal((await server.reply(key, { session, text, token })).status, 204);
    }
    await assertRefused(await server.reply(key, { session, text, token }), 429, "mailbox_full");
  });
});

Deno.test("a mailbox has room again when what nobody read is too old", async () => {
  await withServer({ limits: { queueLength: 2 } }, async (server) => {
    const key = await createNodeKey();
    await server.register(key);
    for (const status of [204, 204, 429]) {
      assert.equal((await server.post(key, { session, text: "x" })).status, status);
    }
    server.clock.now += 120_000;
    await server.register(key);
    assert.equal((await server.post(key, { session, text: "x" })).status, 204);
  });
});

Deno.test("a session has so many messages each way and no more", async () => {
  await withServer({ limits: { messagesPerSession: 2 } }, async (server) => {
    const key = await createNodeKey();
    const token = await server.register(key);
    for (const status of [204, 204, 409]) {
      assert.equal((await server.post(key, { session, text: "x" })).status, status);
      const { sequence = 0 } = (await server.messages(key, token)).at(-1) ?? {};
      await server.messages(key, token, sequence);
    }
    for (const status of [204, 204, 409]) {
      assert.equal((await server.reply(key, { session, text: "x", token })).status, status);
    }
    await assertRefused(await server.post(key, { session, text: "x" }), 409, "session_full");
  });
});

async function openSessions(server: TestServer, count: number, address: string): Promise<number[]> {
  const key = await createNodeKey();
  await server.register(key);
  const statuses = [];
  for (let at = 0; at < count; at++) {
    statuses.push((await server.post(key, { session: randomId(), text: "x", address })).status);
  }
  return statuses;
}

Deno.test("one address opens so many sessions of an ingress, others go on", async () => {
  await withServer({ limits: { sessionsPerAddress: 2 } }, async (server) => {
    const key = await createNodeKey();
    const token = await server.register(key);
    const post = (address: string) => {
      server.clock.now += 1_000;
      return server.post(key, { session: randomId(), text: "x", address });
    };
    const statuses = [];
    for (const address of ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"]) {
      statuses.push((await post(address)).status);
    }
    assert.deepEqual(statuses, [204, 204, 429, 204]);
    // A session that was closed makes room.
    const [first] = await server.messages(key, token);
    await server.ask("DELETE", `${key.path}/sessions/${required(first).session}`);
    assert.equal((await post("192.0.2.1")).status, 204);
  });
});

Deno.test("an ingress has so many sessions", async () => {
  await withServer({ limits: { sessionsPerIngress: 3 } }, async (server) => {
    assert.deepEqual(await openSessions(server, 4, "192.0.2.1"), [204, 204, 204, 429]);
  });
});

Deno.test("a mailbox filled to all its bounds fits into one value of the store", async () => {
  const limits = { requestBurst: 10_000, sessionsPerAddress: 1_000, queueLength: 256 };
  await withServer({ limits }, async (server) => {
    const statuses = await openSessions(server, 257, "192.0.2.1");
    assert.deepEqual(statuses, [...Array(256).fill(204), 429]);
  });
});
