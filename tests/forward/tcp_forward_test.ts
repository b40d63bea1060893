import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { AllowList, parseAllowRule } from "../../src/access/allow_list.ts";
import { BufferPool } from "../../src/buffer_pool.ts";
import type { Forward } from "../../src/forward/forward.ts";
import type { LinkSource } from "../../src/forward/stream_egress.ts";
import type { ForwardSpec } from "../../src/forward/forward_spec.ts";
import { openStreamForward } from "../../src/forward/open_forward.ts";
import { forwardSpec, somePeer } from "../fakes/sample_specs.ts";

import { serveStreamChannel } from "../../src/forward/stream_ingress.ts";
import { formatEndpoint } from "../../src/socket/endpoint.ts";
import { tcpProtocol } from "../../src/tunnel/tunnel_stream.ts";
import { FakeChannel, Lane } from "../fakes/channel_pair.ts";
import { type FakeLink, type FakeLinkOptions, linkPair } from "../fakes/link_pair.ts";
import { withExpiredTimers } from "../fakes/expired_timers.ts";
import { lineOf, LogRecorder } from "../fakes/log_recorder.ts";
import {
  closedPort,
  freed,
  isSame,
  readToEnd,
  Service,
  testBytes,
  writeAll,
} from "../fakes/sockets.ts";

const isLinux = Deno.build.os === "linux";

/** What all relays of these tests take their blocks from. */
const pool = new BufferPool();

/** Two nodes' links: what the other one allows is what the rules say. */
function joinedLinks(
  { allowedByA = [], allowedByZ = [], ...options }: FakeLinkOptions & {
    readonly allowedByA?: readonly string[];
    readonly allowedByZ?: readonly string[];
  },
) {
  const { a, z } = linkPair({ pace: "turn", ...options });
  serve(a, allowedByA);
  serve(z, allowedByZ);
  a.goUp();
  z.goUp();
  return { a, z };
}

function serve(link: FakeLink, rules: readonly string[]): void {
  const access = new AllowList(rules.map(parseAllowRule));
  link.handler = {
    handleUp: () => {},
    handleChannel: (channel) => void serveStreamChannel(channel, { access, peer: somePeer, pool }),
    handleClosed: () => {},
  };
}

function linksOf(link: FakeLink | undefined): LinkSource {
  return { acquire: () => Promise.resolve(link) };
}

/** The port that it listens on. */
function portOf({ addresses: [address = ""] }: Forward): number {
  return Number(address.split(":").at(-1));
}

/** A forward over a link that is up. */
function forwardOver(link: FakeLink, spec: string | ForwardSpec) {
  const parsed = typeof spec === "string" ? forwardSpec(spec) : spec;
  const forward = openStreamForward(parsed, { links: linksOf(link), pool });
  const port = portOf(forward);
  return { forward, connect: () => Deno.connect({ hostname: "127.0.0.1", port }) };
}

/** A client that only listens. */
async function converse(connect: () => Promise<Deno.TcpConn>): Promise<void> {
  const client = await connect();
  await readToEnd(client).finally(() => client.close());
}

/** Its client may hear of it before it hears of being connected. */
function expectReset(connect: () => Promise<Deno.TcpConn>): Promise<void> {
  return rejects(converse(connect), Deno.errors.ConnectionReset);
}

async function echoThrough(connect: () => Promise<Deno.TcpConn>, bytes: Uint8Array): Promise<void> {
  const client = await connect();
  const reading = readToEnd(client);
  await writeAll(client, bytes);
  await client.closeWrite();
  ok(isSame(await reading, bytes));
  client.close();
}

Deno.test("carries connections to a target that is allowed", async () => {
  using service = Service.echo();
  const { a, z } = joinedLinks({ allowedByZ: [`127.0.0.1:${service.port}`] });
  const { forward, connect } = forwardOver(a, `127.0.0.1:0:localhost:${service.port}`);
  await echoThrough(connect, testBytes(100_000));
  forward.close();
  await a.close("done");
  equal(z.channels.size, 0);
});

Deno.test("carries 200 connections at once, and leaves no channel behind", async () => {
  using service = Service.echo();
  const { a, z } = joinedLinks({ allowedByZ: [`127.0.0.1:${service.port}`] });
  const { forward, connect } = forwardOver(a, `127.0.0.1:0:127.0.0.1:${service.port}`);
  const all = Array.from(
    { length: 200 },
    (_, seed) => echoThrough(connect, testBytes(9_000, seed)),
  );
  await Promise.all(all);
  forward.close();
  while (a.channels.size + z.channels.size + pool.lentCount > 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
});

Deno.test("both nodes forward over one link", async () => {
  using one = Service.echo();
  using other = Service.echo("::1");
  const { a, z } = joinedLinks({
    allowedByA: [`[::1]:${other.port}`],
    allowedByZ: [`127.0.0.1:${one.port}`],
  });
  const fromA = forwardOver(a, `127.0.0.1:0:127.0.0.1:${one.port}`);
  const fromZ = forwardOver(z, `127.0.0.1:0:[::1]:${other.port}`);
  await Promise.all([
    echoThrough(fromA.connect, testBytes(50_000, 1)),
    echoThrough(fromZ.connect, testBytes(50_000, 2)),
  ]);
  fromA.forward.close();
  fromZ.forward.close();
  await a.close("done");
});

Deno.test("localhost is both loopback addresses, on one port", () => {
  const { forward } = forwardOver(linkPair().a, "0:10.0.0.5:80");
  const [four = "", six = ""] = forward.addresses;
  match(four, /^127\.0\.0\.1:\d+$/);
  equal(six, `[::1]:${four.split(":")[1]}`);
  forward.close();
});

Deno.test("an address that cannot be bound is named, and nothing stays bound", async () => {
  for (const taken of ["127.0.0.1", "::1"]) {
    const blocker = Deno.listen({ hostname: taken, port: 0 });
    const { port } = blocker.addr;
    const address = formatEndpoint({ host: taken, port });
    throws(
      () => forwardOver(linkPair().a, `${port}:10.0.0.5:80`),
      (error: Error) => error.message.includes(`cannot listen on ${address}: `),
    );
    const other = taken === "::1" ? "127.0.0.1" : "::1";
    await freed(other, port);
    blocker.close();
  }
});

Deno.test("a target that is not allowed: both logs name it, the client is reset, others go on", {
  ignore: !isLinux,
}, async () => {
  const log = await LogRecorder.start();
  using service = Service.echo();
  const { a } = joinedLinks({ allowedByZ: [`127.0.0.1:${service.port}`] });
  const denied = forwardOver(a, "127.0.0.1:0:127.0.0.1:1");
  const allowed = forwardOver(a, `127.0.0.1:0:127.0.0.1:${service.port}`);
  await expectReset(denied.connect);
  await log.next("refused", 2);
  for (const record of log.of("refused")) {
    match(lineOf(record), /127\.0\.0\.1:1.*no --allow names it/);
    equal(record.properties.code, "denied");
  }
  await echoThrough(allowed.connect, testBytes(1_000));
  denied.forward.close();
  allowed.forward.close();
  await a.close("done");
});

Deno.test("the opener is told why its target is not reached", async () => {
  const log = await LogRecorder.start();
  const port = closedPort();
  const reasons: [spec: string, code: string][] = [
    [`127.0.0.1:0:127.0.0.1:${port}`, "unreachable"],
    ["127.0.0.1:0:nowhere.invalid:80", "unresolved"],
  ];
  const { a } = joinedLinks({ allowedByZ: ["*:*"] });
  for (const [position, [spec, code]] of reasons.entries()) {
    const { forward, connect } = forwardOver(a, spec);
    await converse(connect).catch(() => {});
    const record = await log.next("refused", 2 * position + 2);
    equal(record.properties.code, code);
    forward.close();
  }
  await a.close("done");
});

Deno.test("what came for a target that is not reached is not held", async () => {
  await LogRecorder.start();
  const [one, other] = [new Lane("step"), new Lane("step")];
  const options = { label: `127.0.0.1:${closedPort()}`, capacity: 1_000_000 };
  const [near, far] = [new FakeChannel(one, options), new FakeChannel(other, options)];
  near.join(far);
  far.join(near);
  const serving = serveStreamChannel(far, {
    access: new AllowList([{ kind: "tcp", host: "*", port: "*" }]),
    peer: somePeer,
    pool,
  });
  for (let count = 0; count < 16; count++) near.sendBinary(testBytes(10_000), 0, 10_000);
  while (one.step());
  equal(pool.lentCount, 3);
  await serving;
  equal(far.control[0]?.type, "refused");
  deepEqual([pool.lentCount, far.unconsumedLength], [0, 0]);
  near.close();
  while (one.step());
});

Deno.test("channels that are no forwarded connection are refused", async () => {
  const log = await LogRecorder.start();
  const [one, other] = [new Lane("microtask"), new Lane("microtask")];
  const everything = new AllowList([{ kind: "tcp", host: "*", port: "*" }]);
  const channels = [
    { label: "127.0.0.1:80", protocol: "other/1" },
    { label: "127.0.0.1:80", protocol: "" },
    { label: "", protocol: tcpProtocol },
    { label: "127.1:80", protocol: tcpProtocol },
    { label: "127.0.0.1:0", protocol: tcpProtocol },
    { label: "127.0.0.1:80:90", protocol: tcpProtocol },
    { label: "unix:/run//s", protocol: tcpProtocol },
    { label: "unix:/run/../etc/s", protocol: tcpProtocol },
    { label: "\u001b[31m\n\u0000:80", protocol: tcpProtocol },
    { label: "x".repeat(60_000), protocol: tcpProtocol },
  ];
  for (const options of channels) {
    const [near, far] = [new FakeChannel(one, options), new FakeChannel(other, options)];
    near.join(far);
    far.join(near);
    await serveStreamChannel(far, { access: everything, peer: somePeer, pool });
    const [refused] = far.control;
    equal(refused?.type, "refused");
    near.close();
    await Promise.resolve();
  }
  deepEqual(
    log.of("refused").map(({ properties }) => properties.code),
    Array(channels.length).fill("malformed"),
  );
  for (const record of log.of("refused")) {
    const line = lineOf(record);
    ok(line.length < 1_000, `${line.length} characters`);
    // deno-lint-ignore no-control-regex
    ok(!/[\u0000-\u001f]/.test(line), line);
  }
});

Deno.test("a client is reset where no link comes up or no channel is free", {
  ignore: !isLinux,
}, async () => {
  await LogRecorder.start();
  const spec = forwardSpec("127.0.0.1:0:127.0.0.1:80");
  const full = joinedLinks({ maxChannelCount: 0 }).a;
  for (const link of [undefined, full, linkPair().a]) {
    const forward = openStreamForward(spec, { links: linksOf(link), pool });
    const port = portOf(forward);
    await expectReset(() => Deno.connect({ hostname: "127.0.0.1", port }));
    forward.close();
  }
});

Deno.test("a link that ends takes its connections with it, and the listener stays", {
  ignore: !isLinux,
}, async () => {
  using service = Service.echo();
  const rule = `127.0.0.1:${service.port}`;
  const links = [joinedLinks({ allowedByZ: [rule] }).a, joinedLinks({ allowedByZ: [rule] }).a];
  const spec = forwardSpec(`127.0.0.1:0:${rule}`);
  const forward = openStreamForward(spec, {
    links: { acquire: () => Promise.resolve(links[0]) },
    pool,
  });
  const port = portOf(forward);
  const connect = () => Deno.connect({ hostname: "127.0.0.1", port });
  const client = await connect();
  await writeAll(client, new Uint8Array(1));
  await client.read(new Uint8Array(1));
  await links.shift()?.close("the test ends it");
  await rejects(readToEnd(client), Deno.errors.ConnectionReset);
  client.close();
  await echoThrough(connect, testBytes(1_000));
  forward.close();
  await links[0]?.close("done");
});

Deno.test("a connection over a link that may be dead moves to the next, with what its client says", async () => {
  using service = Service.echo();
  const rule = `127.0.0.1:${service.port}`;
  const doubtful = linkPair().a;
  doubtful.goUp();
  doubtful.silence = 1_500;
  const links = [doubtful, joinedLinks({ allowedByZ: [rule] }).a];
  const forward = openStreamForward(forwardSpec(`127.0.0.1:0:${rule}`), {
    links: { acquire: () => Promise.resolve(links[0]) },
    pool,
  });
  const port = portOf(forward);
  const client = await Deno.connect({ hostname: "127.0.0.1", port });
  await writeAll(client, new Uint8Array([1, 2, 3]));
  await client.closeWrite();
  await doubtful.opened;
  links.shift();
  doubtful.fail("the same node has made another link");
  deepEqual(await readToEnd(client), new Uint8Array([1, 2, 3]));
  client.close();
  forward.close();
  await links[0]?.close("done");
});

Deno.test("a link is asked for where a connection is not answered for 3 s, and the connection takes it", async () => {
  using service = Service.echo();
  const rule = `127.0.0.1:${service.port}`;
  const dead = linkPair().a;
  dead.goUp();
  dead.silence = 1_500;
  const { a } = joinedLinks({ allowedByZ: [rule] });
  const links = [dead, a];
  const forward = openStreamForward(forwardSpec(`127.0.0.1:0:${rule}`), {
    links: { acquire: () => Promise.resolve(links.shift()) },
    pool,
  });
  await withExpiredTimers(3_000, async () => {
    const port = portOf(forward);
    await echoThrough(() => Deno.connect({ hostname: "127.0.0.1", port }), testBytes(1_000));
  });
  forward.close();
  await Promise.all([a.close("done"), dead.close("done")]);
});

Deno.test("a link is asked for where a connection is not answered over one that seemed well", async () => {
  const link = linkPair().a;
  link.goUp();
  const asked = Promise.withResolvers<void>();
  let count = 0;
  const acquire = () => {
    if (++count === 2) asked.resolve();
    return Promise.resolve(link);
  };
  const spec = forwardSpec("127.0.0.1:0:127.0.0.1:80");
  const forward = openStreamForward(spec, { links: { acquire }, pool });
  await withExpiredTimers(3_000, async () => {
    const port = portOf(forward);
    const client = await Deno.connect({ hostname: "127.0.0.1", port });
    await asked.promise;
    client.close();
  });
  forward.close();
  await link.close("done");
});
