/** The server over real sockets: WebSockets, and what only a connection shows. */
import assert from "node:assert/strict";
import type { SignalLimits } from "../../signal/limits.ts";
import { SignalServer } from "../../signal/server.ts";
import { createSignalApp } from "../../signal/app.ts";
import {
  type ClientFrame,
  parseServerFrame,
  randomId,
  type ServerFrame,
  toBase64Url,
  WEBSOCKET_PROTOCOL,
  WEBSOCKET_TOKEN_PREFIX,
} from "../../src/signaling/wire.ts";
import { createNodeKey, type NodeKey, register } from "./node_key.ts";
import { required } from "./test_server.ts";

interface Listening {
  readonly url: string;
  readonly server: SignalServer;
}

async function withListening(
  limits: Partial<SignalLimits>,
  test: (listening: Listening) => Promise<void>,
): Promise<void> {
  const kv = await Deno.openKv(":memory:");
  const signalApp = createSignalApp({ kv, limits });
  const server = new SignalServer({ signalApp, hostname: "127.0.0.1", port: 0, log: () => {} });
  try {
    await test({ url: `http://127.0.0.1:${server.address.port}`, server });
  } finally {
    await server.close();
    kv.close();
  }
}

async function post(url: string, key: NodeKey, session: string, text: string): Promise<void> {
  const path = `${key.path}/sessions/${session}/messages/${randomId()}`;
  const response = await fetch(url + path, { method: "PUT", body: JSON.stringify({ text }) });
  assert.equal(response.status, 204);
}

/** A client that hands out what the server says, frame by frame. */
class RawClient {
  readonly socket: WebSocket;
  readonly closed: Promise<CloseEvent>;
  readonly #frames: ReadableStreamDefaultReader<ServerFrame>;

  constructor(url: string, protocols: readonly string[]) {
    this.socket = new WebSocket(url.replace("http", "ws"), [...protocols]);
    const { promise, resolve } = Promise.withResolvers<CloseEvent>();
    this.closed = promise;
    this.#frames = new ReadableStream<ServerFrame>({
      start: (controller) => {
        this.socket.onmessage = ({ data }) => controller.enqueue(required(parseServerFrame(data)));
        this.socket.onclose = (event) => {
          resolve(event);
          controller.close();
        };
        this.socket.onerror = () => {};
      },
    }).getReader();
  }

  static ingress(url: string, key: NodeKey, token: string, after = 0): RawClient {
    const protocols = [WEBSOCKET_PROTOCOL, WEBSOCKET_TOKEN_PREFIX + token];
    return new RawClient(`${url}${key.path}/messages?after=${after}`, protocols);
  }

  async next(): Promise<ServerFrame | undefined> {
    return (await this.#frames.read()).value;
  }

  send(frame: ClientFrame): void {
    this.socket.send(JSON.stringify(frame));
  }
}

Deno.test("a WebSocket is ready, gets what is posted, and answers a ping", async () => {
  await withListening({}, async ({ url }) => {
    const key = await createNodeKey();
    const session = randomId();
    await register(url, key);
    const token = await register(url, key);
    await post(url, key, session, "before").catch(() => {});
    const client = RawClient.ingress(url, key, token);
    assert.deepEqual(await client.next(), { type: "ready" });
    await post(url, key, session, "after");
    const texts = [await client.next(), await client.next()];
    assert.deepEqual(texts.map((one) => one?.type === "message" && one.text), ["before", "after"]);
    client.send({ type: "ping" });
    assert.deepEqual(await client.next(), { type: "pong" });
    client.socket.close();
    await client.closed;
  });
});

Deno.test("a message acknowledged over a WebSocket is not delivered again", async () => {
  await withListening({}, async ({ url }) => {
    const key = await createNodeKey();
    const token = await register(url, key);
    await post(url, key, randomId(), "first");
    await post(url, key, randomId(), "second");
    const client = RawClient.ingress(url, key, token);
    await client.next();
    const first = await client.next();
    assert(first?.type === "message");
    client.send({ type: "ack", sequence: first.sequence });
    client.send({ type: "ping" });
    await client.next();
    assert.deepEqual(await client.next(), { type: "pong" });
    const again = RawClient.ingress(url, key, token);
    await again.next();
    const next = await again.next();
    assert.equal(next?.type === "message" && next.text, "second");
    again.socket.close();
    client.socket.close();
    await Promise.all([client.closed, again.closed]);
  });
});

Deno.test("a taken-over WebSocket is told so and asked to close", async () => {
  await withListening({}, async ({ url }) => {
    const key = await createNodeKey();
    const client = RawClient.ingress(url, key, await register(url, key));
    await client.next();
    // A later challenge than the first one's.
    let isLater = false;
    while (!isLater) isLater = await register(url, key).then(() => true, () => false);
    const end = await client.next();
    assert.equal(end?.type === "end" && end.code, "taken_over");
    client.socket.close();
    await client.closed;
  });
});

Deno.test("a WebSocket without a right to the mailbox is told so, and ends nobody's waiting", async () => {
  await withListening({}, async ({ url }) => {
    const key = await createNodeKey();
    const rightful = RawClient.ingress(url, key, await register(url, key));
    await rightful.next();
    const madeUp = toBase64Url(crypto.getRandomValues(new Uint8Array(32)));
    const replies = `${url}${key.path}/sessions/${randomId()}/replies`;
    const attempts = [
      { client: RawClient.ingress(url, key, madeUp), code: "taken_over" },
      { client: new RawClient(replies, [WEBSOCKET_PROTOCOL]), code: "no_session" },
    ];
    for (const { client, code } of attempts) {
      const end = await client.next();
      assert.equal(end?.type === "end" && end.code, code);
      client.socket.close();
      await client.closed;
    }
    await post(url, key, randomId(), "offer");
    const message = await rightful.next();
    assert.equal(message?.type === "message" && message.text, "offer");
    rightful.socket.close();
    await rightful.closed;
  });
});

Deno.test("a WebSocket of another protocol, or without a token at all, comes not about", async () => {
  await withListening({}, async ({ url }) => {
    const key = await createNodeKey();
    const token = await register(url, key);
    const messages = `${url}${key.path}/messages`;
    const attempts = [
      new RawClient(messages, [WEBSOCKET_PROTOCOL]),
      new RawClient(messages, [WEBSOCKET_TOKEN_PREFIX + token]),
      new RawClient(`${messages}?after=x`, [WEBSOCKET_PROTOCOL, WEBSOCKET_TOKEN_PREFIX + token]),
    ];
    for (const client of attempts) {
      await client.closed;
      assert.equal(await client.next(), undefined);
    }
  });
});

Deno.test("a frame that is none ends the waiting", async () => {
  await withListening({}, async ({ url }) => {
    for (const frame of ["", "x", "{}", '{"type":"ack","sequence":-1}', "y".repeat(300)]) {
      const key = await createNodeKey();
      const client = RawClient.ingress(url, key, await register(url, key));
      await client.next();
      client.socket.send(frame);
      const end = await client.next();
      assert.equal(end?.type === "end" && end.code, "bad_request");
      client.socket.close();
      await client.closed;
    }
  });
});

Deno.test("a client that sends frames past its budget is let go", async () => {
  await withListening({ requestBurst: 10, requestsPerSecond: 0.001 }, async ({ url }) => {
    const key = await createNodeKey();
    const client = RawClient.ingress(url, key, await register(url, key));
    await client.next();
    for (let count = 0; count < 20; count++) client.send({ type: "ping" });
    let frame = await client.next();
    while (frame?.type === "pong") frame = await client.next();
    assert.equal(frame?.type === "end" && frame.code, "too_many_requests");
    client.socket.close();
    await client.closed;
  });
});

Deno.test("a WebSocket that is silent is told and let go, and its registration is forgotten", async () => {
  await withListening({ registrationMilliseconds: 50 }, async ({ url }) => {
    const key = await createNodeKey();
    const client = RawClient.ingress(url, key, await register(url, key));
    await client.next();
    const end = await client.next();
    assert(end?.type === "end" && ["time_out", "unauthorized"].includes(end.code));
    const response = await fetch(url + key.path);
    await response.body?.cancel();
    assert.equal(response.status, 404);
    client.socket.close();
    await client.closed;
  });
});

Deno.test("a server that closes ends WebSockets with 1001 and long polls with 503", async () => {
  await withListening({}, async ({ url, server }) => {
    const [key, polling] = await Promise.all([createNodeKey(), createNodeKey()]);
    const client = RawClient.ingress(url, key, await register(url, key));
    await client.next();
    const authorization = `Bearer ${await register(url, polling)}`;
    const poll = fetch(`${url}${polling.path}/messages`, { headers: { authorization } });
    // Answered after the poll has arrived, over the same connection pool.
    await (await fetch(`${url}/healthz`)).body?.cancel();
    const closing = server.close();
    const end = await client.next();
    assert.equal(end?.type === "end" && end.code, "shutting_down");
    assert.equal((await client.closed).code, 1001);
    const response = await poll;
    await response.body?.cancel();
    assert.equal(response.status, 503);
    await closing;
  });
});
