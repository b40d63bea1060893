/** Servers that do not do their part: each is refused with one clear error, and harms nothing. */
import assert from "node:assert/strict";
import { AetherlightError } from "../../src/signaling/aetherlight_client.ts";
import { randomId, toBase64Url } from "../../src/signaling/wire.ts";
import { Arrivals } from "../signal/arrivals.ts";
import { createNodeKey, type NodeKey } from "../signal/node_key.ts";
import { openSession, TestIngress } from "./aetherlight_stage.ts";

type Handler = (request: Request) => Response | Promise<Response>;

async function withServer(handler: Handler, test: (url: string) => Promise<void>): Promise<void> {
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const server = Deno.serve(options, handler);
  try {
    await test(`http://127.0.0.1:${server.addr.port}`);
  } finally {
    await server.shutdown();
  }
}

async function errorOf(promise: Promise<unknown>): Promise<AetherlightError> {
  const error: unknown = await promise.then(() => undefined, (reason) => reason);
  assert(error instanceof AetherlightError, String(error));
  return error;
}

function endlessBody(): Response {
  const chunk = new Uint8Array(65_536).fill(0x20);
  return new Response(
    new ReadableStream({ pull: (controller) => controller.enqueue(chunk) }),
  );
}

const token = toBase64Url(new Uint8Array(32));

/** Does its part up to the waiting. */
function registering(wait: Handler): Handler {
  return (request) => {
    const { pathname } = new URL(request.url);
    if (pathname.endsWith("/challenge")) return Response.json({ challenge: "abc" });
    if (request.method === "PUT") return Response.json({ token }, { status: 201 });
    return pathname.endsWith("/messages") ? wait(request) : new Response(null, { status: 204 });
  };
}

/** The error with which a waiter gives up for the first time. */
async function waiterError(handler: Handler, key?: NodeKey): Promise<AetherlightError> {
  const { promise, resolve } = Promise.withResolvers<AetherlightError>();
  await withServer(handler, async (url) => {
    const ingress = new TestIngress(url, key ?? await createNodeKey(), { backoff: () => 60_000 });
    ingress.waiter.start();
    const state = await ingress.until("backing-off");
    assert(state.name === "backing-off" && state.error instanceof AetherlightError);
    resolve(state.error);
    await ingress.waiter.close();
  });
  return await promise;
}

Deno.test("an answer that is not the protocol's is refused", async () => {
  const { path } = await createNodeKey();
  const answers: Handler[] = [
    () => new Response("<html>hello</html>"),
    () => new Response(""),
    () => Response.json({ publicKey: "abc" }),
    () => Response.json({ publicKey: "A".repeat(300_000) }),
    () => endlessBody(),
    () => new Response(new Uint8Array([0xff, 0xfe])),
    () => new Response("no", { status: 404 }),
    () => Response.json({ error: { code: "made_up", message: "x" } }, { status: 400 }),
    () => Response.json({ error: { code: "no_ingress", message: "\u001b[2J" } }, { status: 404 }),
    () => Response.redirect("http://169.254.169.254/", 302),
  ];
  for (const answer of answers) {
    await withServer(answer, async (url) => {
      const { code, message } = await errorOf(openSession(url + path));
      assert.equal(code, "bad_answer");
      assert(message.includes(url) && /^[ -~]*$/.test(message), message);
    });
  }
});

Deno.test("a key that is not the one in the URL is refused", async () => {
  const [key, other] = await Promise.all([createNodeKey(), createNodeKey()]);
  const publicKey = toBase64Url(other.publicKeySpki);
  await withServer(() => Response.json({ publicKey }), async (url) => {
    const { code, message } = await errorOf(openSession(url + key.path));
    assert.equal(code, "bad_answer");
    assert.match(message, /key/);
  });
});

Deno.test("a server that never answers is given up in time", async () => {
  const { path } = await createNodeKey();
  const { promise, resolve } = Promise.withResolvers<Response>();
  await withServer(() => promise, async (url) => {
    const timing = { requestMilliseconds: 20 };
    const { code, message } = await errorOf(openSession(url + path, { timing }));
    assert.deepEqual([code, message.includes("does not answer")], ["unreachable", true]);
    resolve(new Response());
  });
});

Deno.test("a proxy without its server, and a server past its budget, are asked later", async () => {
  const { path } = await createNodeKey();
  const cases = [
    { status: 502, code: "unavailable", body: "<html>" },
    { status: 503, code: "unavailable", body: "" },
    { status: 429, code: "unavailable", body: "" },
    {
      status: 429,
      code: "too_many_requests",
      body: JSON.stringify({ error: { code: "too_many_requests", message: "slow down" } }),
    },
  ];
  for (const { status, code, body } of cases) {
    const headers = { "retry-after": "7" };
    await withServer(() => new Response(body, { status, headers }), async (url) => {
      const error = await errorOf(openSession(url + path));
      assert.deepEqual([error.code, error.retryAfterMilliseconds], [code, 7_000]);
    });
  }
});

Deno.test("a waiter waits at least as long as the server asks it to, within reason", async () => {
  for (const [seconds, milliseconds] of [["100", 100_000], ["999999", 300_000]] as const) {
    const body = { error: { code: "unavailable", message: "later" } };
    const options = { status: 503, headers: { "retry-after": seconds } };
    await withServer(() => Response.json(body, options), async (url) => {
      const ingress = new TestIngress(url, await createNodeKey());
      ingress.waiter.start();
      const state = await ingress.until("backing-off");
      assert(state.name === "backing-off");
      assert.equal(state.retryMilliseconds, milliseconds);
      await ingress.waiter.close();
    });
  }
});

Deno.test("a post that fails for a moment is tried again with the same id", async () => {
  const key = await createNodeKey();
  const paths: string[] = [];
  const handler: Handler = async (request) => {
    await request.body?.cancel();
    if (request.method === "GET") {
      return Response.json({ publicKey: toBase64Url(key.publicKeySpki) });
    }
    paths.push(new URL(request.url).pathname);
    return new Response(null, { status: paths.length < 3 ? 503 : 204 });
  };
  await withServer(handler, async (url) => {
    const { session } = await openSession(url + key.path);
    await session.post("offer");
    assert.equal(paths.length, 3);
    assert.equal(new Set(paths).size, 1);
    await session.close();
  });
});

Deno.test("nothing but a challenge's characters is ever signed", async () => {
  const key = await createNodeKey();
  let signCount = 0;
  const sign: NodeKey["sign"] = (statement) => {
    signCount++;
    return key.sign(statement);
  };
  for (const challenge of ["", "a\nb", "a b", "a".repeat(201), 1, null, { a: 1 }]) {
    const error = await waiterError(() => Response.json({ challenge }), { ...key, sign });
    assert.equal(error.code, "bad_answer");
  }
  assert.equal(signCount, 0);
});

Deno.test("a token that is none is refused", async () => {
  const handler: Handler = (request) =>
    request.method === "PUT"
      ? Response.json({ token: "x\r\ny" }, { status: 201 })
      : Response.json({ challenge: "abc" });
  assert.equal((await waiterError(handler)).code, "bad_answer");
});

Deno.test("messages of a poll that are none are refused", async () => {
  const message = { sequence: 1, session: randomId(), text: "x" };
  const answers: unknown[] = [
    { messages: "x" },
    { messages: [{ ...message, text: "\n" }] },
    { messages: [{ ...message, session: "x" }] },
    { messages: [{ ...message, sequence: -1 }] },
    { messages: Array(257).fill(message) },
  ];
  for (const answer of answers) {
    const handler = registering((request) =>
      request.headers.has("upgrade") ? new Response(null, { status: 400 }) : Response.json(answer)
    );
    assert.equal((await waiterError(handler)).code, "bad_answer");
  }
});

/** Does its part up to the WebSocket, and hands that over. */
function upgrading(serve: (socket: WebSocket) => void): Handler {
  return registering((request) => {
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol: "aetherlight.v1" });
    socket.addEventListener("open", () => serve(socket));
    return response;
  });
}

Deno.test("a frame that is none, or too long, ends the waiting", async () => {
  const frames = ["x", "{}", '{"type":"message"}', `"${"x".repeat(300_000)}"`, new Uint8Array(4)];
  for (const frame of frames) {
    const error = await waiterError(upgrading((socket) => socket.send(frame)));
    assert.equal(error.code, "bad_answer");
  }
});

Deno.test("a server that is silent over its WebSocket is noticed", async () => {
  const handler = upgrading((socket) => socket.send('{"type":"ready"}'));
  await withServer(handler, async (url) => {
    const ingress = new TestIngress(url, await createNodeKey(), { heartbeatMilliseconds: 5 });
    ingress.waiter.start();
    await ingress.until("waiting");
    const state = await ingress.until("backing-off");
    assert(state.name === "backing-off" && state.error.message.includes("does not answer"));
    await ingress.waiter.close();
  });
});

Deno.test("a WebSocket that never gets ready is followed by polling", async () => {
  const message = { sequence: 9, session: randomId(), text: "offer" };
  let isFirst = true;
  const handler = registering((request) => {
    if (request.headers.has("upgrade")) {
      return Deno.upgradeWebSocket(request, { protocol: "aetherlight.v1" }).response;
    }
    const messages = isFirst ? [message] : [];
    isFirst = false;
    return Response.json({ messages });
  });
  await withServer(handler, async (url) => {
    const ingress = new TestIngress(url, await createNodeKey(), { openMilliseconds: 20 });
    assert.deepEqual(await ingress.start(), { name: "waiting", transport: "poll" });
    assert.equal((await ingress.messages.next()).text, "offer");
    await ingress.waiter.close();
  });
});

Deno.test("a message that the server repeats is handed over once", async () => {
  const send = (socket: WebSocket) => {
    socket.send('{"type":"ready"}');
    for (const sequence of [5, 5, 4, 6, 5, 6, 7]) {
      const text = `message ${sequence}`;
      socket.send(JSON.stringify({ type: "message", sequence, session: randomId(), text }));
    }
  };
  await withServer(upgrading(send), async (url) => {
    const ingress = new TestIngress(url, await createNodeKey());
    await ingress.start();
    for (const sequence of [5, 6, 7]) {
      assert.equal((await ingress.messages.next()).text, `message ${sequence}`);
    }
    await ingress.waiter.close();
  });
});

Deno.test("a server that accepts and drops at once is asked ever more seldom", async () => {
  const drop = (socket: WebSocket) => {
    socket.send('{"type":"ready"}');
    socket.close();
  };
  await withServer(upgrading(drop), async (url) => {
    const attempts = new Arrivals<number>();
    const backoff = (attempt: number) => {
      attempts.add(attempt);
      return 1;
    };
    const ingress = new TestIngress(url, await createNodeKey(), { backoff });
    ingress.waiter.start();
    for (const attempt of [0, 1, 2, 3]) assert.equal(await attempts.next(), attempt);
    await ingress.waiter.close();
  });
});

Deno.test("a node stands by while the server only says that another took over", async () => {
  const end = { type: "end", code: "taken_over", message: "gone" };
  const handler = upgrading((socket) => {
    socket.send('{"type":"ready"}');
    socket.send(JSON.stringify(end));
  });
  await withServer(handler, async (url) => {
    const ingress = new TestIngress(url, await createNodeKey(), { standBy: () => 60_000 });
    ingress.waiter.start();
    await ingress.until("standing-by");
    await ingress.waiter.close();
  });
});
