import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { AllowList, parseAllowListenRule } from "../../src/access/allow_list.ts";
import { ReplaceableAccess } from "../../src/access/replaceable_access.ts";
import { BufferPool } from "../../src/buffer_pool.ts";
import type { ProxyRule } from "../../src/forward/proxy_protocol.ts";
import { ReverseServer } from "../../src/forward/reverse_server.ts";
import { parseReverseSpecs } from "../../src/forward/reverse_spec.ts";
import { Node } from "../../src/node/node.ts";
import type { RoutedReverse } from "../../src/node/reverse_forwards.ts";
import { channelPair } from "../fakes/channel_pair.ts";
import { withExpiredTimers } from "../fakes/expired_timers.ts";
import { type FakeLink, linkPair } from "../fakes/link_pair.ts";
import { lineOf, LogRecorder } from "../fakes/log_recorder.ts";
import { readProxyHeader } from "../fakes/proxy_header_parser.ts";
import { somePeer } from "../fakes/sample_specs.ts";
import {
  closedPort,
  freed,
  isSame,
  readExactly,
  readToEnd,
  resettableClient,
  Service,
  testBytes,
  writeAll,
} from "../fakes/sockets.ts";

const isLinux = Deno.build.os === "linux";
const someId = "0123456789abcdef".repeat(2);
const observer = { handleUp: () => {}, handleClosed: () => {} };

/** A node that may listen by these rules. */
function listeningNode(...rules: readonly string[]): Node {
  return new Node({
    access: new AllowList(rules.map(parseAllowListenRule)),
    pool: new BufferPool(),
  });
}

/** A node that asks for these reverse forwards. */
function askingNode(
  specs: readonly string[],
  { route, proxyRules = [] }: { route?: string; proxyRules?: readonly ProxyRule[] } = {},
): Node {
  const node = new Node({ access: new AllowList([]), pool: new BufferPool(), proxyRules });
  for (const spec of specs.flatMap(parseReverseSpecs)) node.addReverse({ spec, route });
  return node;
}

/** Joins two nodes by a link, and brings it up. */
function join(asking: Node, listening: Node, route?: string): { a: FakeLink; z: FakeLink } {
  const { a, z } = linkPair({ pace: "turn" });
  asking.adopt(a, observer, route);
  listening.adopt(z, observer);
  z.goUp();
  a.goUp();
  return { a, z };
}

/** The port that the other node says it listens on. */
async function grantedPort(log: LogRecorder, count = 1): Promise<number> {
  const { properties } = await log.next("reverse-listening", count);
  return Number(/:(\d+)/.exec(String(properties.addresses))?.[1]);
}

const connect = (port: number, hostname = "127.0.0.1") => Deno.connect({ hostname, port });
const closeBoth = (...nodes: readonly Node[]) =>
  Promise.all(nodes.map((node) => node.close("done")));

Deno.test("what comes at the other node reaches the target here, both ways, exactly", async () => {
  const log = await LogRecorder.start();
  using service = Service.echo();
  const [asking, listening] = [askingNode([`0:127.0.0.1:${service.port}`]), listeningNode("0")];
  join(asking, listening);
  const port = await grantedPort(log);
  const bytes = testBytes(10_000_000);
  for (const host of ["127.0.0.1", "::1"]) {
    const client = await connect(port, host);
    const reply = readToEnd(client);
    await writeAll(client, bytes);
    await client.closeWrite();
    ok(isSame(await reply, bytes));
    client.close();
  }
  await log.next("stream-closed", 4);
  match(lineOf(log.of("stream-closed")[0]!), /10000000 bytes out|10000000 in/);
  await closeBoth(asking, listening);
});

Deno.test("a client's reset resets the target", { ignore: !isLinux }, async () => {
  const log = await LogRecorder.start();
  const [begun, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<unknown>()];
  using service = new Service(async (connection) => {
    await connection.read(new Uint8Array(1));
    begun.resolve();
    await connection.read(new Uint8Array(1)).then(ended.resolve, ended.resolve);
  });
  const [asking, listening] = [askingNode([`0:127.0.0.1:${service.port}`]), listeningNode("0")];
  join(asking, listening);
  const client = await resettableClient(await grantedPort(log));
  client.write("x");
  await begun.promise;
  client.resetAndDestroy();
  ok(await ended.promise instanceof Deno.errors.ConnectionReset);
  await closeBoth(asking, listening);
});

Deno.test("what new rules do not allow is listened on no longer, and what came by it goes on", async () => {
  const log = await LogRecorder.start();
  using service = Service.echo();
  const rules = (...specs: readonly string[]) => new AllowList(specs.map(parseAllowListenRule));
  const access = new ReplaceableAccess(rules("0", "[::1]:0"));
  const listening = new Node({ access, pool: new BufferPool() });
  const target = `127.0.0.1:${service.port}`;
  const asking = askingNode([`127.0.0.1:0:${target}`, `0.0.0.0:0:${target}`]);
  join(asking, listening);
  const port = await grantedPort(log);
  const client = await connect(port);
  const exchange = async () => {
    await client.write(Uint8Array.of(7));
    equal(await client.read(new Uint8Array(8)), 1);
  };
  await exchange();
  listening.judgeListeners();
  equal(listening.listeners().length, 1);
  access.replace(rules("0.0.0.0:0"));
  listening.judgeListeners();
  equal(listening.listeners().length, 0);
  await log.next("reverse-closed");
  await rejects(connect(port), Deno.errors.ConnectionRefused);
  await exchange();
  client.close();
  await closeBoth(asking, listening);
});

Deno.test("nothing is listened on that no --allow-listen names", async () => {
  const log = await LogRecorder.start();
  const port = closedPort();
  const asking = askingNode([`${port}:127.0.0.1:9`]);
  const listening = listeningNode(String(closedPort()));
  join(asking, listening);
  const { properties } = await log.next("reverse-refused");
  deepEqual([properties.code, properties.reason], ["denied", "no --allow-listen names it"]);
  equal((await log.next("refused")).properties.code, "denied");
  Deno.listen({ port, hostname: "127.0.0.1" }).close();
  await closeBoth(asking, listening);
});

Deno.test("who may have the loopback listened on may not have all addresses", async () => {
  const log = await LogRecorder.start();
  const asking = askingNode(["0.0.0.0:0:127.0.0.1:9", "[::]:0:127.0.0.1:9", "[::1]:0:127.0.0.1:9"]);
  const listening = listeningNode("0");
  join(asking, listening);
  await log.next("reverse-listening");
  await log.next("reverse-refused", 2);
  deepEqual(log.of("reverse-refused").map(({ properties }) => properties.address), [
    "0.0.0.0:0",
    "[::]:0",
  ]);
  await closeBoth(asking, listening);
});

Deno.test("an address in use is told to who asks, and asked for again", async () => {
  const log = await LogRecorder.start();
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  const asking = askingNode([`127.0.0.1:${port}:127.0.0.1:9`]);
  const listening = listeningNode("*");
  await withExpiredTimers(1_000, async () => {
    join(asking, listening);
    match(lineOf(await log.next("reverse-refused")), /in use/);
    await log.next("refused", 2);
  });
  taken.close();
  await closeBoth(asking, listening);
});

Deno.test("a refusal that is over is over: the address is had once it is free", async () => {
  const log = await LogRecorder.start();
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  const asking = askingNode([`127.0.0.1:${port}:127.0.0.1:9`]);
  const listening = listeningNode("*");
  await withExpiredTimers(1_000, async () => {
    join(asking, listening);
    await log.next("reverse-refused");
    taken.close();
    await log.next("reverse-listening");
  });
  equal(log.of("reverse-refused").length, 1);
  await closeBoth(asking, listening);
});

for (const side of ["a", "z"] as const) {
  Deno.test(`the listener goes with its link (${side} ends it), and comes with the next`, async () => {
    const log = await LogRecorder.start();
    using service = Service.echo();
    const port = closedPort();
    const asking = askingNode([`127.0.0.1:${port}:127.0.0.1:${service.port}`]);
    const listening = listeningNode("127.0.0.1:*");
    const first = join(asking, listening);
    await log.next("reverse-listening");
    await first[side].close("enough");
    await log.next("reverse-closed");
    await freed("127.0.0.1", port);
    join(asking, listening);
    await log.next("reverse-listening", 2);
    const client = await connect(port);
    await writeAll(client, testBytes(10));
    deepEqual(await readExactly(client, 10), testBytes(10));
    client.close();
    await closeBoth(asking, listening);
  });
}

Deno.test("a link that drains lets its listener go, and ends", async () => {
  for (const side of ["a", "z"] as const) {
    const log = await LogRecorder.start();
    const [asking, listening] = [askingNode(["0:127.0.0.1:9"]), listeningNode("0")];
    const link = join(asking, listening);
    await log.next("reverse-listening");
    link[side].drain("another is taken");
    await log.next("reverse-closed");
    await log.next("link-down", 2);
    await closeBoth(asking, listening);
  }
});

Deno.test("a reverse forward that is taken away is listened on no longer; what is open goes on", async () => {
  const log = await LogRecorder.start();
  using service = Service.echo();
  const asking = askingNode([]);
  const listening = listeningNode("0");
  join(asking, listening);
  const [spec] = parseReverseSpecs(`0:127.0.0.1:${service.port}`);
  const routed: RoutedReverse = { spec: spec!, route: undefined };
  asking.addReverse(routed);
  const port = await grantedPort(log);
  const client = await connect(port);
  await writeAll(client, testBytes(10));
  await readExactly(client, 10);
  asking.removeReverse(routed);
  await log.next("reverse-closed");
  await freed("127.0.0.1", port);
  await writeAll(client, testBytes(20));
  deepEqual(await readExactly(client, 20), testBytes(20));
  client.close();
  await closeBoth(asking, listening);
});

Deno.test("asks the links of its route only", async () => {
  const log = await LogRecorder.start();
  const asking = askingNode(["0:127.0.0.1:9"], { route: "https://one" });
  const [one, other] = [listeningNode("0"), listeningNode("0")];
  const wrong = join(asking, other, "https://other");
  join(asking, one, "https://one");
  await log.next("reverse-listening");
  equal(wrong.a.channels.size, 0);
  await closeBoth(asking, one, other);
});

Deno.test("a peer reaches no target by what it was not asked for, and no other by what it was", async () => {
  const log = await LogRecorder.start();
  using service = Service.echo();
  const asking = askingNode([`0:127.0.0.1:${service.port}`]);
  const listening = listeningNode("0");
  const { a, z } = join(asking, listening);
  await log.next("reverse-listening");
  const [request] = [...a.channels];
  const { id } = JSON.parse(String(request?.sent[0]));
  const elsewhere = join(asking, listeningNode());
  const attempts: readonly [FakeLink, string, string][] = [
    [z, `reverse:${someId}`, "denied"],
    [elsewhere.z, `reverse:${id}`, "denied"],
    [z, `reverse:${id}:127.0.0.1:9`, "malformed"],
    [z, "reverse:", "malformed"],
    [z, `127.0.0.1:${service.port}`, "denied"],
  ];
  for (const [position, [link, label, code]] of attempts.entries()) {
    link.openChannel({ label, protocol: "aetherport-tcp/1" });
    // The other listening node refuses what it is asked, too.
    const refused = () => log.of("refused").filter(({ category }) => category[1] === "ingress");
    while (refused().length <= position) await new Promise((resolve) => setImmediate(resolve));
    equal(refused()[position]?.properties.code, code, label);
  }
  await closeBoth(asking, listening);
  z.close("done");
});

Deno.test("an id is forgotten when its listener is given up", async () => {
  const log = await LogRecorder.start();
  using service = Service.echo();
  const [asking, listening] = [askingNode([`0:127.0.0.1:${service.port}`]), listeningNode("0")];
  const { a, z } = join(asking, listening);
  await log.next("reverse-listening");
  const [request] = [...a.channels];
  const { id } = JSON.parse(String(request?.sent[0]));
  for (const channel of z.channels) channel.close();
  while (a.channels.size > 0) await new Promise((resolve) => setImmediate(resolve));
  z.openChannel({ label: `reverse:${id}`, protocol: "aetherport-tcp/1" });
  equal((await log.next("refused")).properties.code, "denied");
  await closeBoth(asking, listening);
});

Deno.test("a link has 64 listeners at most", async () => {
  const log = await LogRecorder.start();
  const specs = Array.from({ length: 65 }, () => "127.0.0.1:0:127.0.0.1:9");
  const [asking, listening] = [askingNode(specs), listeningNode("*")];
  join(asking, listening);
  equal((await log.next("reverse-refused")).properties.code, "exhausted");
  await log.next("reverse-listening", 64);
  await closeBoth(asking, listening);
});

Deno.test("a request that is none, or bytes, ends the channel and listens on nothing", async () => {
  const log = await LogRecorder.start();
  const listening = listeningNode("*");
  const { a, z } = join(askingNode([]), listening);
  const open = (label: string) => a.openChannel({ label, protocol: "aetherport-listen/1" });
  open("127.0.0.1:0").sendText("{}");
  open("127.0.0.1:0").sendText(JSON.stringify({ type: "listen", id: "../../etc" }));
  open("127.0.0.1:0").sendBinary(testBytes(10), 0, 10);
  while (a.channels.size > 0) await new Promise((resolve) => setImmediate(resolve));
  open("127.0.0.1").sendText(JSON.stringify({ type: "listen", id: someId }));
  equal((await log.next("refused")).properties.code, "malformed");
  const twice = open("127.0.0.1:0");
  for (let turn = 0; turn < 2; turn++) {
    twice.sendText(JSON.stringify({ type: "listen", id: someId }));
  }
  await log.next("reverse-closed");
  equal(log.of("reverse-bound").length, 1);
  await listening.close("done");
  equal(z.channels.size, 0);
});

Deno.test("a node that knows nothing of it refuses, and is asked again", async () => {
  const log = await LogRecorder.start();
  const asking = askingNode(["0:127.0.0.1:9"]);
  const { a, z } = linkPair({ pace: "turn" });
  asking.adopt(a, observer);
  const { promise, resolve } = Promise.withResolvers<string>();
  z.handler = {
    handleUp: () => {},
    handleClosed: () => {},
    handleChannel: (channel) => {
      resolve(channel.protocol);
      const reason = 'this node does not speak "aetherport-listen/1"';
      channel.sendText(JSON.stringify({ type: "refused", code: "malformed", reason }));
    },
  };
  z.goUp();
  a.goUp();
  equal(await promise, "aetherport-listen/1");
  match(lineOf(await log.next("reverse-refused")), /does not speak/);
  await closeBoth(asking);
});

Deno.test("a client whose link cannot take it is reset", { ignore: !isLinux }, async () => {
  const log = await LogRecorder.start();
  const [asking, listening] = [askingNode(["0:127.0.0.1:9"]), listeningNode("0")];
  const { a, z } = linkPair({ pace: "turn", maxChannelCount: 1 });
  asking.adopt(a, observer);
  listening.adopt(z, observer);
  z.goUp();
  a.goUp();
  const port = await grantedPort(log);
  await rejects(async () => {
    const client = await connect(port);
    await readToEnd(client).finally(() => client.close());
  }, Deno.errors.ConnectionReset);
  match(lineOf(await log.next("no-stream")), /no free channel/);
  await closeBoth(asking, listening);
});

for (const version of [1, 2] as const) {
  Deno.test(`a target behind a reverse forward is told of the client, by version ${version}`, async () => {
    const log = await LogRecorder.start();
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    using service = new Service(async (connection) => {
      resolve(await readToEnd(connection));
      connection.close();
    });
    const target = { kind: "tcp", host: "127.0.0.1", port: service.port } as const;
    const asking = askingNode([`0:localhost:${service.port}`], {
      proxyRules: [{ version, target }],
    });
    const listening = listeningNode("0");
    join(asking, listening);
    const client = await connect(await grantedPort(log));
    await writeAll(client, testBytes(100));
    await client.closeWrite();
    const bytes = await promise;
    const { source, destination, family, length } = readProxyHeader(bytes);
    equal(family, "TCP4");
    equal(source, `127.0.0.1 ${(client.localAddr as Deno.NetAddr).port}`);
    equal(destination, `127.0.0.1 ${service.port}`);
    deepEqual(bytes.subarray(length), testBytes(100));
    client.close();
    await closeBoth(asking, listening);
  });
}

Deno.test("another link is asked for as soon as the one that is listened for falls silent", async () => {
  const log = await LogRecorder.start();
  const told: string[] = [];
  for (const specs of [["0:127.0.0.1:9"], []]) {
    const node = askingNode(specs);
    const { a, z } = linkPair();
    node.adopt(a, { ...observer, handleLost: () => told.push(`lost, ${specs.length} asked`) });
    z.goUp();
    a.goUp();
    a.setHealth("silent");
    await node.close("done");
  }
  deepEqual(told, ["lost, 1 asked"]);
  equal(log.of("link-lost").length, 1);
});

Deno.test("a request that comes when its channel was closed is listened for no more", async () => {
  const log = await LogRecorder.start();
  const server = new ReverseServer({
    access: new AllowList([parseAllowListenRule("*")]),
    pool: new BufferPool(),
  });
  const { a } = linkPair();
  const { a: asking, z: channel } = channelPair({ label: "127.0.0.1:0" });
  server.serve(channel, { link: a, peer: somePeer });
  server.close();
  channel.handler?.handleText(JSON.stringify({ type: "listen", id: someId }));
  equal(log.of("reverse-bound").length, 0);
  deepEqual([channel.isClosed, asking.control.length], [true, 0]);
});
