import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { BufferPool } from "../../src/buffer_pool.ts";
import { relay, type RelaySummary } from "../../src/forward/relay.ts";
import { StreamPort } from "../../src/forward/stream_port.ts";
import { dialTcp, listenTcp } from "../../src/socket/choose_tcp_sockets.ts";
import type { Connection } from "../../src/socket/connection.ts";

import { TunnelStream } from "../../src/tunnel/tunnel_stream.ts";
import { type ChannelPair, channelPair } from "../fakes/channel_pair.ts";
import {
  closeWithReset,
  isSame,
  readExactly,
  readToEnd,
  resettableClient,
  Service,
  testBytes,
  writeAll,
} from "../fakes/sockets.ts";

const isLinux = Deno.build.os === "linux";
const never = new AbortController().signal;

/** A client, its connection at the egress, and the channel to the ingress. */
interface Tunnel<Client> {
  readonly client: Client;
  readonly pair: ChannelPair;
  /** What both relays take their blocks from. */
  readonly pool: BufferPool;
  /** Both ends of the relay, when they are done. */
  readonly summaries: Promise<[egress: RelaySummary, ingress: RelaySummary]>;
}

async function acceptOne<Client>(
  connect: (port: number) => Promise<Client>,
): Promise<{ client: Client; accepted: Connection }> {
  const { promise, resolve } = Promise.withResolvers<Connection>();
  const listener = listenTcp({ host: "127.0.0.1", port: 0, onConnection: resolve });
  const client = await connect(listener.port);
  const accepted = await promise;
  listener.close();
  return { client, accepted };
}

const plainClient = (port: number) => Deno.connect({ hostname: "127.0.0.1", port });

/** Joins a client to a service through two relays and a fake channel. */
function tunnelTo(service: Service): Promise<Tunnel<Deno.TcpConn>> {
  return tunnelFrom(plainClient, service);
}

async function tunnelFrom<Client>(
  connect: (port: number) => Promise<Client>,
  { port }: Service,
): Promise<Tunnel<Client>> {
  const [pool, pair] = [new BufferPool(), channelPair({ pace: "turn" })];
  const { client, accepted } = await acceptOne(connect);
  const dialled = await dialTcp({ address: "127.0.0.1", port, signal: never });
  const egress = new StreamPort(new TunnelStream(pair.a, { role: "opener" }), { pool });
  const ingress = new StreamPort(new TunnelStream(pair.z, { role: "acceptor" }), { pool });
  ingress.stream.accept();
  const summaries = Promise.all([
    relay(accepted, egress, { pool }),
    relay(dialled, ingress, { pool }),
  ]);
  return { client, pair, pool, summaries };
}

/** Both relays are done and hold nothing. */
async function finished(
  { client, pair, pool, summaries }: Tunnel<Deno.TcpConn>,
): Promise<RelaySummary[]> {
  const both = await summaries;
  client.close();
  await Promise.resolve();
  ok(pair.a.isClosed || pair.z.isClosed);
  equal(pool.lentCount, 0);
  return both;
}

Deno.test("carries what is sent and answered, and counts it", async () => {
  using service = Service.echo();
  const tunnel = await tunnelTo(service);
  await writeAll(tunnel.client, testBytes(1_000));
  await tunnel.client.closeWrite();
  ok(isSame(await readToEnd(tunnel.client), testBytes(1_000)));
  deepEqual(await finished(tunnel), [
    { closed: { how: "finished" }, sent: 1_000, received: 1_000 },
    { closed: { how: "finished" }, sent: 1_000, received: 1_000 },
  ]);
});

Deno.test("a client that has ended still gets the whole reply", async () => {
  const reply = testBytes(300_000);
  using service = new Service(async (connection) => {
    const request = await readToEnd(connection);
    equal(request.length, 10);
    await writeAll(connection, reply);
    connection.close();
  });
  const tunnel = await tunnelTo(service);
  await writeAll(tunnel.client, new Uint8Array(10));
  await tunnel.client.closeWrite();
  ok(isSame(await readToEnd(tunnel.client), reply));
  await finished(tunnel);
});

Deno.test("a target that has ended still gets the whole request", async () => {
  const request = testBytes(300_000);
  const { promise, resolve } = Promise.withResolvers<Uint8Array>();
  using service = new Service(async (connection) => {
    await connection.closeWrite();
    resolve(await readToEnd(connection));
    connection.close();
  });
  const tunnel = await tunnelTo(service);
  equal((await readToEnd(tunnel.client)).length, 0);
  await writeAll(tunnel.client, request);
  await tunnel.client.closeWrite();
  ok(isSame(await promise, request));
  await finished(tunnel);
});

Deno.test("carries 5 MB both ways at once, byte for byte", async () => {
  const [up, down] = [testBytes(5_000_000, 1), testBytes(5_000_000, 2)];
  const { promise, resolve } = Promise.withResolvers<Uint8Array>();
  using service = new Service(async (connection) => {
    const reading = readToEnd(connection);
    await writeAll(connection, down);
    await connection.closeWrite();
    resolve(await reading);
    connection.close();
  });
  const tunnel = await tunnelTo(service);
  const reading = readToEnd(tunnel.client);
  await writeAll(tunnel.client, up);
  await tunnel.client.closeWrite();
  ok(isSame(await reading, down));
  ok(isSame(await promise, up));
  await finished(tunnel);
});

Deno.test("a client that stops reading blocks the target, and loses nothing", async () => {
  const reply = testBytes(8_000_000);
  using service = new Service(async (connection) => {
    await writeAll(connection, reply);
    connection.close();
  });
  const tunnel = await tunnelTo(service);
  await tunnel.client.closeWrite();
  equal((await readExactly(tunnel.client, 1_000)).length, 1_000);
  const rest = await readToEnd(tunnel.client);
  ok(isSame(rest, reply.subarray(1_000)));
  await finished(tunnel);
});

Deno.test("a target's reset is the client's reset", { ignore: !isLinux }, async () => {
  using service = new Service(async (connection) => {
    await readExactly(connection, 1);
    closeWithReset(connection);
  });
  const tunnel = await tunnelTo(service);
  await writeAll(tunnel.client, new Uint8Array(1));
  await rejects(readToEnd(tunnel.client), Deno.errors.ConnectionReset);
  const [egress, ingress] = await finished(tunnel);
  deepEqual([egress?.closed.how, ingress?.closed.how], ["reset", "reset"]);
});

Deno.test("a client's reset is the target's reset", { ignore: !isLinux }, async () => {
  const ending = Promise.withResolvers<unknown>();
  const accepted = Promise.withResolvers<void>();
  using service = new Service(async (connection) => {
    accepted.resolve();
    ending.resolve(await readToEnd(connection).catch((error: unknown) => error));
    connection.close();
  });
  const { client, pool, summaries } = await tunnelFrom(resettableClient, service);
  await accepted.promise;
  client.resetAndDestroy();
  ok(await ending.promise instanceof Deno.errors.ConnectionReset);
  const [egress] = await summaries;
  equal(egress.closed.how, "reset");
  equal(pool.lentCount, 0);
});

Deno.test("a link that dies midway is an error for the client, and no clean end", {
  ignore: !isLinux,
}, async () => {
  using service = new Service(async (connection) => {
    await writeAll(connection, testBytes(1_000));
    await connection.read(new Uint8Array(1));
    connection.close();
  });
  const tunnel = await tunnelTo(service);
  await readExactly(tunnel.client, 1_000);
  tunnel.pair.die();
  await rejects(readToEnd(tunnel.client), Deno.errors.ConnectionReset);
  await finished(tunnel);
});

Deno.test("a link that dies midway is an error for the target, and no clean end", {
  ignore: !isLinux,
}, async () => {
  const ending = Promise.withResolvers<unknown>();
  using service = new Service(async (connection) => {
    await writeAll(connection, new Uint8Array(1));
    ending.resolve(await readToEnd(connection).catch((error: unknown) => error));
    connection.close();
  });
  const tunnel = await tunnelTo(service);
  await readExactly(tunnel.client, 1);
  tunnel.pair.die();
  ok(await ending.promise instanceof Deno.errors.ConnectionReset);
  await finished(tunnel);
});

Deno.test("a link that dies after the client's end is an error for its reply", {
  ignore: !isLinux,
}, async () => {
  using service = new Service(async (connection) => {
    await readToEnd(connection);
    await writeAll(connection, testBytes(1_000));
    await connection.read(new Uint8Array(1)).catch(() => null);
  });
  const tunnel = await tunnelTo(service);
  await tunnel.client.closeWrite();
  await readExactly(tunnel.client, 1_000);
  // The end of the other way is not under way: the service still holds its side open.
  tunnel.pair.die();
  await tunnel.summaries;
  await rejects(readToEnd(tunnel.client), Deno.errors.ConnectionReset);
  tunnel.client.close();
});

Deno.test("credit that takes room in the channel while the socket is read breaks nothing", async () => {
  const [pool, pair] = [new BufferPool(), channelPair({ capacity: 16_384 })];
  const { client, accepted } = await acceptOne(plainClient);
  const egress = new StreamPort(new TunnelStream(pair.a, { role: "opener" }), { pool });
  const ingress = new TunnelStream(pair.z, { role: "acceptor" });
  const done = relay(accepted, egress, { pool });
  ingress.accept();
  ingress.send(testBytes(10_000), 0, 10_000);
  pair.settle();
  // The relay now waits for the client to send, with room for 16,384 bytes. The client takes what
  // came, so credit is written into the same channel; and then the client fills what was free.
  await readExactly(client, 10_000);
  while (pair.a.sent.length === 0) await new Promise((resolve) => setImmediate(resolve));
  equal(pair.a.control[0]?.type, "credit");
  await writeAll(client, testBytes(16_384));
  while (pair.a.sent.length === 1) await new Promise((resolve) => setImmediate(resolve));
  const [, second] = pair.a.sent;
  ok(second instanceof Uint8Array, `the relay sent ${second}`);
  pair.die();
  await done;
  equal(pool.lentCount, 0);
  client.close();
});

Deno.test("a connection that carried much and is idle holds no block", async () => {
  using service = Service.echo();
  const tunnel = await tunnelTo(service);
  const bytes = testBytes(500_000);
  const reading = readExactly(tunnel.client, bytes.length);
  await writeAll(tunnel.client, bytes);
  ok(isSame(await reading, bytes));
  ok(tunnel.pool.freeCount > 0, "some were held");
  while (tunnel.pool.lentCount > 0) await nextTurn();
  await tunnel.client.closeWrite();
  await finished(tunnel);
});

/** Writes as long as anybody takes it. */
async function writeOn(connection: Deno.TcpConn): Promise<void> {
  const bytes = testBytes(65_536);
  while (true) await writeAll(connection, bytes);
}

Deno.test("connections broken off while neither end reads leave no block behind", {
  ignore: !isLinux,
}, async () => {
  for (const breaker of ["client", "target", "link"] as const) {
    const target = Promise.withResolvers<Deno.TcpConn>();
    using service = new Service((connection) => {
      target.resolve(connection);
      return writeOn(connection).catch(() => {});
    });
    const { client, pair, pool, summaries } = await tunnelFrom(resettableClient, service);
    client.pause();
    for (let count = 0; count < 400; count++) client.write(testBytes(65_536));
    // More than one direction holds: both have stalled.
    while (pool.lentCount < 20) await nextTurn();
    if (breaker === "client") client.resetAndDestroy();
    else if (breaker === "target") closeWithReset(await target.promise);
    else pair.die();
    for (const { closed } of await summaries) equal(closed.how, "reset", breaker);
    equal(pool.lentCount, 0, breaker);
    client.destroy();
  }
});

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

Deno.test("hundred connections leave no channel and no timer behind", async () => {
  using service = Service.echo();
  const one = async (seed: number) => {
    const tunnel = await tunnelTo(service);
    const bytes = testBytes(20_000, seed);
    const reading = readToEnd(tunnel.client);
    await writeAll(tunnel.client, bytes);
    await tunnel.client.closeWrite();
    ok(isSame(await reading, bytes));
    await finished(tunnel);
    return tunnel.pair;
  };
  const pairs = await Promise.all(Array.from({ length: 100 }, (_, seed) => one(seed + 1)));
  await new Promise((resolve) => setImmediate(resolve));
  equal(pairs.filter(({ a, z }) => !a.isClosed || !z.isClosed).length, 0);
});
