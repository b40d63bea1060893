import assert from "node:assert/strict";
import { Hono } from "hono";
import { createSignalApp, type Env, type SignalApp } from "../../signal/app.ts";
import { SignalServer } from "../../signal/server.ts";
import { BadInput } from "../../src/bad_input.ts";
import { AetherlightError, IngressWaiter } from "../../src/signaling/aetherlight_client.ts";
import { createNodeKey, register } from "../signal/node_key.ts";
import { openSession, TestIngress, withStage } from "./aetherlight_stage.ts";

function withCode(code: string, text = ""): (error: unknown) => boolean {
  return (error) =>
    error instanceof AetherlightError && error.code === code && error.message.includes(text);
}

/** Notes what is asked for, and keeps the first message until somebody waits for the replies. */
function slowToTakeMessages({ app, close }: SignalApp, asked: string[]): SignalApp {
  const isWaitedFor = Promise.withResolvers<void>();
  const front = new Hono<Env>();
  front.use(async (call, next) => {
    const [, , , , , what = "key"] = call.req.path.split("/");
    asked.push(`${call.req.method} ${what}`);
    if (what === "replies") isWaitedFor.resolve();
    if (what !== "messages") return await next();
    await isWaitedFor.promise;
    await new Promise((resolve) => setTimeout(resolve, 50));
    await next();
  });
  return { app: front.route("/", app), close };
}

/** Lets no WebSocket through, as some proxies do. */
function withoutWebSockets({ app, close }: SignalApp): SignalApp {
  const front = new Hono<Env>();
  front.use(async (call, next) => {
    if (call.req.header("upgrade") !== undefined) return call.text("no", 501);
    return await next();
  });
  return { app: front.route("/", app), close };
}

for (const transport of ["websocket", "poll"] as const) {
  const front = transport === "poll" ? withoutWebSockets : undefined;
  Deno.test(`messages and replies go both ways, in order (${transport})`, async () => {
    await withStage(async ({ url, key }) => {
      const ingress = new TestIngress(url, key);
      assert.deepEqual(await ingress.start(), { name: "waiting", transport });
      const { session, replies } = await openSession(ingress.waiter.url);
      assert.deepEqual(session.publicKeySpki, key.publicKeySpki);
      for (const text of ["offer", "candidate 1", "candidate 2"]) await session.post(text);
      for (const text of ["offer", "candidate 1", "candidate 2"]) {
        assert.deepEqual(await ingress.messages.next(), { session: session.id, text });
      }
      const sent = ["answer", "candidate 3"].map((text) => ingress.waiter.reply(session.id, text));
      await Promise.all(sent);
      assert.equal(await replies.next(), "answer");
      assert.equal(await replies.next(), "candidate 3");
      await session.post("candidate 4");
      assert.equal((await ingress.messages.next()).text, "candidate 4");
      await session.close();
      await ingress.waiter.close();
    }, { front });
  });
}

for (const transport of ["websocket", "poll"] as const) {
  Deno.test(`replies come though they were waited for before the first message was there (${transport})`, async () => {
    const asked: string[] = [];
    const front = (signalApp: SignalApp) => {
      const inner = transport === "poll" ? withoutWebSockets(signalApp) : signalApp;
      return slowToTakeMessages(inner, asked);
    };
    await withStage(async ({ url, key }) => {
      const ingress = new TestIngress(url, key);
      await ingress.start();
      const { session, replies } = await openSession(ingress.waiter.url);
      await session.post("offer");
      await ingress.messages.next();
      await ingress.waiter.reply(session.id, "answer");
      assert.equal(await replies.next(), "answer");
      assert.ok(asked.filter((one) => one === "GET replies").length >= 2, asked.join());
      await session.close();
      await ingress.waiter.close();
    }, { front });
  });
}

Deno.test("a server is not asked for a key that is known, unless it is another's", async () => {
  const asked: string[] = [];
  const front = ({ app, close }: SignalApp) => {
    const noting = new Hono<Env>();
    noting.use(async (call, next) => {
      asked.push(call.req.path);
      await next();
    });
    return { app: noting.route("/", app), close };
  };
  await withStage(async ({ url, key }) => {
    await register(url, key);
    asked.length = 0;
    const { publicKeySpki } = key;
    const known = await openSession(url + key.path, { publicKeySpki });
    assert.deepEqual(known.session.publicKeySpki, publicKeySpki);
    assert.deepEqual(asked, []);
    const other = await createNodeKey();
    const wrong = await openSession(url + key.path, { publicKeySpki: other.publicKeySpki });
    assert.deepEqual(wrong.session.publicKeySpki, publicKeySpki);
    assert.deepEqual(asked, [key.path]);
    await known.session.close();
    await wrong.session.close();
  }, { front });
});

Deno.test("several sessions at one ingress get their own replies each", async () => {
  await withStage(async ({ url, key }) => {
    const ingress = new TestIngress(url, key);
    await ingress.start();
    const sessions = await Promise.all(
      Array.from({ length: 5 }, () => openSession(ingress.waiter.url)),
    );
    await Promise.all(sessions.map(({ session }) => session.post(`offer of ${session.id}`)));
    for (let count = 0; count < sessions.length; count++) {
      const { session, text } = await ingress.messages.next();
      assert.equal(text, `offer of ${session}`);
      await ingress.waiter.reply(session, `answer to ${session}`);
    }
    for (const { session, replies } of sessions) {
      assert.equal(await replies.next(), `answer to ${session.id}`);
      await session.close();
    }
    await ingress.waiter.close();
  });
});

Deno.test("an ingress that closes is gone at once, and an egress is told what to do", async () => {
  await withStage(async ({ url, key }) => {
    const ingress = new TestIngress(url, key);
    await assert.rejects(openSession(ingress.waiter.url), withCode("no_ingress", "start it, or"));
    await ingress.start();
    const { session } = await openSession(ingress.waiter.url);
    await ingress.waiter.close();
    await assert.rejects(session.post("offer"), withCode("no_ingress", ingress.waiter.url));
    await assert.rejects(openSession(ingress.waiter.url), withCode("no_ingress"));
    await session.close();
  });
});

Deno.test("an ingress's URL is the same after each start", async () => {
  const key = await createNodeKey();
  const [one, other] = ["https://light.example/base/", "https://light.example/base"]
    .map((url) => new TestIngress(url, key).waiter.url);
  assert.equal(one, `https://light.example/base/ingresses/${key.id}`);
  assert.equal(one, other);
});

Deno.test("URLs that are none are bad input", async () => {
  const { publicKeySpki, sign } = await createNodeKey();
  const options = { publicKeySpki, sign, onMessage: () => {} };
  for (const baseUrl of ["", "light.example", "ftp://light.example"]) {
    assert.throws(() => new IngressWaiter({ ...options, baseUrl }), BadInput);
  }
  for (const url of ["", "https://light.example", "https://light.example/ingresses/abc"]) {
    await assert.rejects(openSession(url), BadInput);
  }
});

Deno.test("a waiter registers again when its server was killed and has come back", async () => {
  const key = await createNodeKey();
  const kv = await Deno.openKv(":memory:");
  const listen = (port: number) => {
    const signalApp = createSignalApp({ kv });
    return new SignalServer({ signalApp, hostname: "127.0.0.1", port, log: () => {} });
  };
  const first = listen(0);
  const { port } = first.address;
  const ingress = new TestIngress(`http://127.0.0.1:${port}`, key);
  await ingress.start();
  await first.close();
  await ingress.until("backing-off");
  // More than one try in vain.
  await ingress.until("backing-off");
  const second = listen(port);
  await ingress.until("waiting");
  const { session, replies } = await openSession(ingress.waiter.url);
  await session.post("offer");
  const { session: id } = await ingress.messages.next();
  await ingress.waiter.reply(id, "answer");
  assert.equal(await replies.next(), "answer");
  await session.close();
  await ingress.waiter.close();
  await second.close();
  kv.close();
});

Deno.test("a session goes on over a restart of its server", async () => {
  const key = await createNodeKey();
  const kv = await Deno.openKv(":memory:");
  const listen = (port: number) => {
    const signalApp = createSignalApp({ kv });
    return new SignalServer({ signalApp, hostname: "127.0.0.1", port, log: () => {} });
  };
  const first = listen(0);
  const { port } = first.address;
  const ingress = new TestIngress(`http://127.0.0.1:${port}`, key);
  await ingress.start();
  const { session, replies } = await openSession(ingress.waiter.url);
  await session.post("offer");
  await ingress.messages.next();
  await first.close();
  await ingress.until("backing-off");
  const reply = ingress.waiter.reply(session.id, "answer");
  const posted = session.post("candidate");
  const second = listen(port);
  await Promise.all([reply, posted]);
  assert.equal(await replies.next(), "answer");
  await ingress.messages.until(({ text }) => text === "candidate");
  await session.close();
  await ingress.waiter.close();
  await second.close();
  kv.close();
});

Deno.test("of two nodes with one key the later waits, and the earlier takes its place when it goes", async () => {
  await withStage(async ({ url, key }) => {
    const earlier = new TestIngress(url, key);
    const later = new TestIngress(url, key);
    await earlier.start();
    await later.start();
    await earlier.until("standing-by");
    const { session } = await openSession(later.waiter.url);
    await session.post("offer");
    assert.equal((await later.messages.next()).text, "offer");
    await later.waiter.close();
    await earlier.until("waiting");
    await session.post("candidate");
    await earlier.messages.until(({ text }) => text === "candidate");
    await session.close();
    await earlier.waiter.close();
  });
});

Deno.test("a node that was killed gets, started again, what was posted meanwhile", async () => {
  await withStage(async ({ url, key }) => {
    // One that registers and never waits is as good as killed.
    await register(url, key);
    const { session } = await openSession(url + key.path);
    await session.post("offer");
    const ingress = new TestIngress(url, key);
    await ingress.start();
    assert.equal((await ingress.messages.next()).text, "offer");
    await session.close();
    await ingress.waiter.close();
  });
});

Deno.test("a reply into a session that is over fails", async () => {
  await withStage(async ({ url, key }) => {
    const ingress = new TestIngress(url, key);
    await ingress.start();
    const { session } = await openSession(ingress.waiter.url);
    await session.post("offer");
    await ingress.messages.next();
    await session.close();
    await assert.rejects(ingress.waiter.reply(session.id, "answer"), withCode("no_session"));
    await assert.rejects(ingress.waiter.reply(session.id, "a\nb"), /printable ASCII/);
    await ingress.waiter.close();
  });
});

Deno.test("a session's end is told when its time is over, and when the server forgot it", async () => {
  await withStage(async ({ url, key }) => {
    const ingress = new TestIngress(url, key);
    await ingress.start();
    const short = await openSession(ingress.waiter.url, { timing: { sessionMilliseconds: 1 } });
    await short.session.post("offer");
    assert(withCode("no_session")(await short.ends.next()));
    const { session, ends } = await openSession(ingress.waiter.url);
    await session.post("offer");
    const path = `${key.path}/sessions/${session.id}`;
    await (await fetch(url + path, { method: "DELETE" })).body?.cancel();
    assert(withCode("no_session")(await ends.next()));
    await assert.rejects(session.post("candidate"), withCode("no_session"));
    await ingress.waiter.close();
  });
});

Deno.test("an aborted session ends with the signal's reason, before and after it is open", async () => {
  await withStage(async ({ url, key }) => {
    const ingress = new TestIngress(url, key);
    await ingress.start();
    const reason = new Error("changed my mind");
    const early = openSession(ingress.waiter.url, { signal: AbortSignal.abort(reason) });
    await assert.rejects(early, reason);
    const aborter = new AbortController();
    const { session } = await openSession(ingress.waiter.url, { signal: aborter.signal });
    await session.post("offer");
    aborter.abort(reason);
    await assert.rejects(session.post("candidate"), reason);
    await session.close();
    await ingress.waiter.close();
  });
});

Deno.test("a server that cannot be reached is named", async () => {
  const key = await createNodeKey();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const base = `http://127.0.0.1:${listener.addr.port}`;
  listener.close();
  await assert.rejects(openSession(base + key.path), withCode("unreachable", base));
  const ingress = new TestIngress(base, key);
  ingress.waiter.start();
  const state = await ingress.until("backing-off");
  assert(state.name === "backing-off" && withCode("unreachable", base)(state.error));
  await ingress.waiter.close();
});

Deno.test("a wait for the next try ends when the waiter is closed", async () => {
  const key = await createNodeKey();
  const ingress = new TestIngress("http://127.0.0.1:1", key, { backoff: () => 3_600_000 });
  ingress.waiter.start();
  await ingress.until("backing-off");
  await ingress.waiter.close();
  await ingress.until("closed");
  await ingress.waiter.close();
});
