import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { AllowList, type AllowRule } from "../../src/access/allow_list.ts";
import { measure } from "../../src/bench/measure.ts";
import { BufferPool } from "../../src/buffer_pool.ts";
import { forwardSpec } from "../fakes/sample_specs.ts";
import { Node } from "../../src/node/node.ts";
import { type FakeLink, linkPair } from "../fakes/link_pair.ts";
import { withExpiredTimers } from "../fakes/expired_timers.ts";
import { lineOf, LogRecorder } from "../fakes/log_recorder.ts";
import { freed, readToEnd, Service, testBytes, writeAll } from "../fakes/sockets.ts";

const isLinux = Deno.build.os === "linux";

/** What all nodes of these tests take their blocks from. */
const pool = new BufferPool();

function newNode(rules: readonly number[] = []): Node {
  return new Node({
    access: new AllowList(rules.map((port) => ({ kind: "tcp", host: "127.0.0.1", port }))),
    pool,
  });
}

async function listen(node: Node, ...specs: readonly string[]): Promise<void> {
  for (const spec of specs) await node.addForward({ spec: forwardSpec(spec), route: undefined });
}

/** Adopts links; the reasons they ended with. */
function adoptAll(node: Node, links: readonly FakeLink[]): string[] {
  const reasons: string[] = [];
  for (const link of links) {
    node.adopt(link, { handleUp: () => {}, handleClosed: (reason) => reasons.push(reason) });
  }
  return reasons;
}

/** Adopts a link, and brings it up; what its observer is told of its health. */
function adoptUp(node: Node, link: FakeLink): string[] {
  const told: string[] = [];
  node.adopt(link, {
    handleUp: () => {},
    handleLost: () => told.push("lost"),
    handleFound: () => told.push("found"),
    handleClosed: () => {},
  });
  link.goUp();
  return told;
}

/** Two links from the same node, with one channel each. */
function twins(): { old: FakeLink; next: FakeLink } {
  const [old, next] = [linkPair().a, linkPair().a];
  return { old, next };
}

Deno.test("says when a link comes up, and when it ends", async () => {
  const log = await LogRecorder.start();
  const node = newNode();
  const { a } = linkPair();
  const reasons = adoptAll(node, [a]);
  a.goUp();
  const { properties } = await log.next("link-up");
  deepEqual([properties.local, properties.remote, properties.kind], [
    "192.0.2.1:1000",
    "192.0.2.2:2000",
    "direct",
  ]);
  await a.close("enough");
  match(lineOf(await log.next("link-down")), /enough/);
  deepEqual(reasons, ["enough"]);
});

Deno.test("tells a link that never came up from one that ended", async () => {
  const log = await LogRecorder.start();
  const { a } = linkPair();
  const reasons = adoptAll(newNode(), [a]);
  a.fail("no path to the other node was found");
  match(lineOf(await log.next("link-failed")), /no path/);
  equal(log.of("link-down").length, 0);
  deepEqual(reasons, ["no path to the other node was found"]);
});

Deno.test("warns of a link's end where something is missed, and not where all was served", async () => {
  for (
    const [spec, level] of [[undefined, "info"], ["127.0.0.1:0:127.0.0.1:9", "warning"]] as const
  ) {
    const log = await LogRecorder.start();
    const node = newNode();
    if (spec !== undefined) await listen(node, spec);
    const { a } = linkPair();
    adoptAll(node, [a]);
    a.goUp();
    await a.close("the other node closed the link");
    equal((await log.next("link-down")).level, level);
    await node.close("enough");
  }
});

Deno.test("warns of the end of a link over which the other node is served", async () => {
  const log = await LogRecorder.start();
  using service = Service.echo();
  const [node, far] = [newNode([service.port]), newNode()];
  const { a, z } = linkPair();
  adoptUp(node, a);
  adoptUp(far, z);
  await listen(far, `127.0.0.1:0:127.0.0.1:${service.port}`);
  const { properties } = await log.next("listening");
  const port = Number(String(properties.addresses).split(":").at(-1));
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await writeAll(connection, Uint8Array.of(1));
  await connection.read(new Uint8Array(1));
  await a.close("enough");
  equal((await log.next("link-down")).level, "warning");
  await far.close("enough");
});

Deno.test("takes the link that has been up longest, whichever came first", async () => {
  await LogRecorder.start();
  const node = newNode();
  const [first, second] = [linkPair().a, linkPair().a];
  adoptAll(node, [first, second]);
  second.goUp();
  first.goUp();
  ok(await node.acquire() === second);
});

Deno.test("a link that is not up is not used", async () => {
  await LogRecorder.start();
  const node = newNode();
  const [connecting, up] = [linkPair().a, linkPair().a];
  adoptAll(node, [connecting, up]);
  up.goUp();
  equal(await node.acquire(), up);
});

Deno.test("who waits for a link gets it when it is up", async () => {
  await LogRecorder.start();
  const node = newNode();
  const waiting = [node.acquire(), node.acquire()];
  const { a } = linkPair();
  adoptAll(node, [a]);
  a.goUp();
  deepEqual(await Promise.all(waiting) as unknown[], [a, a]);
});

Deno.test("closing the node sends away who waits for a link", async () => {
  await LogRecorder.start();
  const node = newNode();
  const waiting = [node.acquire(), node.acquire()];
  await node.close("this node is ending");
  deepEqual(await Promise.all(waiting), [undefined, undefined]);
});

Deno.test("closing the node ends its links with the reason", async () => {
  await LogRecorder.start();
  const node = newNode();
  const links = [linkPair().a, linkPair().a];
  const reasons = adoptAll(node, links);
  links[0]?.goUp();
  await node.close("this node is ending");
  deepEqual(reasons, ["this node is ending", "this node is ending"]);
  deepEqual(links.map(({ state }) => state), ["closed", "closed"]);
});

Deno.test("who waits longer than 10 s for a link goes away with none", async () => {
  await LogRecorder.start();
  const node = newNode();
  equal(await withExpiredTimers(10_000, () => node.acquire()), undefined);
});

Deno.test("1,024 may wait for a link, and no more", async () => {
  await LogRecorder.start();
  const node = newNode();
  const waiting = Array.from({ length: 1_024 }, () => node.acquire());
  equal(await node.acquire(), undefined);
  await node.close("done");
  equal((await Promise.all(waiting)).length, 1_024);
});

Deno.test("listens on all forwards, says where, and stops when it is closed", async () => {
  const log = await LogRecorder.start();
  const node = newNode();
  await listen(node, "127.0.0.1:0:10.0.0.5:80", "[::1]:0:10.0.0.5:81");
  const addresses = log.of("listening").map(({ properties }) => String(properties.addresses));
  match(addresses[0] ?? "", /^127\.0\.0\.1:[1-9]\d*$/);
  match(addresses[1] ?? "", /^\[::1\]:[1-9]\d*$/);
  await node.close("done");
  await freed("127.0.0.1", Number(addresses[0]?.split(":").at(-1)));
  await freed("::1", Number(addresses[1]?.split(":").at(-1)));
});

Deno.test("names the address that cannot be bound", async () => {
  await LogRecorder.start();
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  const node = newNode();
  await rejects(
    listen(node, `127.0.0.1:${port}:10.0.0.5:80`),
    (error: Error) => error.message.includes(`cannot listen on 127.0.0.1:${port}: `),
  );
  taken.close();
  await node.close("done");
});

Deno.test("a connection waits for the link and is then carried", async () => {
  const log = await LogRecorder.start();
  using service = Service.echo();
  const egress = newNode();
  const ingress = newNode([service.port]);
  await listen(egress, `127.0.0.1:0:127.0.0.1:${service.port}`);
  const { properties } = await log.next("listening");
  const port = Number(String(properties.addresses).split(":").at(-1));
  const client = await Deno.connect({ hostname: "127.0.0.1", port });
  await writeAll(client, testBytes(1_000));
  const { a, z } = linkPair({ pace: "turn" });
  adoptAll(egress, [a]);
  adoptAll(ingress, [z]);
  z.goUp();
  a.goUp();
  await client.closeWrite();
  deepEqual(await readToEnd(client), testBytes(1_000));
  client.close();
  await Promise.all([egress.close("done"), ingress.close("done")]);
});

Deno.test("a node that closes gives back what its connections held", async () => {
  const log = await LogRecorder.start();
  using service = new Service(async (connection) => {
    await writeAll(connection, testBytes(20_000_000));
  });
  const egress = newNode();
  const ingress = newNode([service.port]);
  await listen(egress, `127.0.0.1:0:127.0.0.1:${service.port}`);
  const { properties } = await log.next("listening");
  const { a, z } = linkPair({ pace: "turn" });
  adoptAll(egress, [a]);
  adoptAll(ingress, [z]);
  z.goUp();
  a.goUp();
  const port = Number(String(properties.addresses).split(":").at(-1));
  const client = await Deno.connect({ hostname: "127.0.0.1", port });
  while (pool.lentCount < 2) await new Promise((resolve) => setImmediate(resolve));
  await Promise.all([egress.close("done"), ingress.close("done")]);
  await log.next("stream-closed", 2);
  equal(pool.lentCount, 0);
  client.close();
});

Deno.test("a connection that gets no link is reset", { ignore: !isLinux }, async () => {
  const log = await LogRecorder.start();
  const node = newNode();
  await listen(node, "127.0.0.1:0:127.0.0.1:80");
  const { properties } = await log.next("listening");
  const port = Number(String(properties.addresses).split(":").at(-1));
  await withExpiredTimers(10_000, async () => {
    // Its client may hear of it before it hears of being connected.
    const converse = async () => {
      const client = await Deno.connect({ hostname: "127.0.0.1", port });
      await readToEnd(client).finally(() => client.close());
    };
    await rejects(converse, Deno.errors.ConnectionReset);
  });
  await log.next("no-link");
  await node.close("done");
});

Deno.test("an ingress serves two egress nodes at once", async () => {
  const log = await LogRecorder.start();
  using service = Service.echo();
  const ingress = newNode([service.port]);
  const nodes = [newNode(), newNode()];
  const replies = nodes.map(async (node, position) => {
    await listen(node, `127.0.0.1:0:127.0.0.1:${service.port}`);
    const { properties } = await log.next("listening", position + 1);
    const port = Number(String(properties.addresses).split(":").at(-1));
    const { a, z } = linkPair({ pace: "turn" });
    adoptAll(node, [a]);
    adoptAll(ingress, [z]);
    a.goUp();
    z.goUp();
    const client = await Deno.connect({ hostname: "127.0.0.1", port });
    const bytes = testBytes(50_000, position + 1);
    const reading = readToEnd(client);
    await writeAll(client, bytes);
    await client.closeWrite();
    deepEqual(await reading, bytes);
    client.close();
  });
  await Promise.all(replies);
  ok(log.of("refused").length === 0);
  await Promise.all([ingress, ...nodes].map((node) => node.close("done")));
});

Deno.test("a silent link is not used: another is asked for, once", async () => {
  await LogRecorder.start();
  const node = newNode();
  const { old, next } = twins();
  const told = adoptUp(node, old);
  old.setHealth("silent");
  deepEqual(told, []);
  const waiting = [node.acquire(), node.acquire()];
  deepEqual(told, ["lost"]);
  adoptUp(node, next);
  deepEqual(await Promise.all(waiting) as unknown[], [next, next]);
});

Deno.test("who waits beside a silent link gets it once its node is heard again", async () => {
  await LogRecorder.start();
  const node = newNode();
  const { old } = twins();
  const told = adoptUp(node, old);
  old.setHealth("silent");
  const waiting = node.acquire();
  old.setHealth("heard");
  equal(await waiting, old);
  deepEqual(told, ["lost", "found"]);
});

Deno.test("an unreachable link is said to be so, and to be back, and another is asked for", async () => {
  const log = await LogRecorder.start();
  const { old } = twins();
  const told = adoptUp(newNode(), old);
  old.setHealth("silent");
  old.setHealth("unreachable");
  match(lineOf(await log.next("link-unreachable")), /nothing was heard for 30 s/);
  old.setHealth("heard");
  await log.next("link-back");
  deepEqual(told, ["lost", "found"]);
});

Deno.test("a node's new link ends its old one that is silent, and what is open there", async () => {
  await LogRecorder.start();
  const node = newNode();
  const { old, next } = twins();
  adoptUp(node, old);
  old.setHealth("silent");
  equal(old.state, "up");
  await withExpiredTimers(2_000, async () => {
    adoptUp(node, next);
    equal(old.state, "up");
    await new Promise((resolve) => setTimeout(resolve, 2_000));
  });
  deepEqual([old.state, next.state], ["closed", "up"]);
});

Deno.test("a link falls silent after its node made another: it ends at once", async () => {
  await LogRecorder.start();
  const node = newNode();
  const { old, next } = twins();
  adoptUp(node, old);
  await new Promise((resolve) => setTimeout(resolve));
  adoptUp(node, next);
  deepEqual([old.state, next.state], ["up", "up"]);
  old.silence = 3_000_000;
  old.handler?.handleHealth?.("silent");
  deepEqual([old.state, next.state], ["closed", "up"]);
});

Deno.test("two nodes with one certificate keep their links: one silent, the other older", async () => {
  await LogRecorder.start();
  const node = newNode();
  const { old, next } = twins();
  adoptUp(node, next);
  adoptUp(node, old);
  old.silence = 0;
  old.handler?.handleHealth?.("silent");
  deepEqual([old.state, next.state], ["up", "up"]);
});

Deno.test("a lost link that came back ends in order once its replacement is there", async () => {
  await LogRecorder.start();
  const node = newNode();
  const old = linkPair();
  old.z.goUp();
  adoptUp(node, old.a);
  const channel = old.a.openChannel({ label: "nas:22", protocol: "aetherport-tcp/1" });
  old.a.setHealth("silent");
  void node.acquire();
  await withExpiredTimers(2_000, async () => {
    adoptUp(node, linkPair().a);
    old.a.setHealth("heard");
    await new Promise((resolve) => setTimeout(resolve, 2_000));
  });
  equal(old.a.state, "draining");
  channel.close();
  await node.close("done");
});

for (const { silence, told } of [{ silence: 3_000, told: ["lost"] }, { silence: 100, told: [] }]) {
  const what = told.length > 0 ? "another link is asked for" : "no other link is asked for";
  Deno.test(`a connection waits for its answer and its link is silent for ${silence} ms: ${what}`, async () => {
    const log = await LogRecorder.start();
    const node = newNode();
    await listen(node, "127.0.0.1:0:127.0.0.1:9");
    const listening = lineOf(await log.next("listening"));
    const { a, z } = linkPair();
    z.goUp();
    const toldByNode = adoptUp(node, a);
    await withExpiredTimers(3_000, async () => {
      const port = Number(/:(\d+) for/.exec(listening)?.[1]);
      const opened = a.opened.then(() => a.silence = silence);
      const client = await Deno.connect({ hostname: "127.0.0.1", port });
      await opened;
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      client.close();
    });
    deepEqual(toldByNode, told);
    await node.close("done");
  });
}

Deno.test("serves each channel by its protocol, and refuses those it does not know", async () => {
  const log = await LogRecorder.start();
  const rules: AllowRule[] = [{ kind: "bench" }, { kind: "tcp", host: "127.0.0.1", port: 9 }];
  const node = new Node({ access: new AllowList(rules), pool });
  const { a, z } = linkPair({ pace: "turn" });
  adoptAll(node, [z]);
  a.goUp();
  z.goUp();
  const plan = { duration: 10, echoCount: 1, echoInterval: 1, streamCount: 1 };
  ok((await measure({ link: a, pool }, plan)).upload.bytes > 0);
  const answers = [
    ["aetherport-bench/1", "127.0.0.1:9", /knows no such measurement/],
    ["aetherport-tcp/1", "echo", /a port is missing/],
    ["aetherport-bench/2", "echo", /does not speak aetherport-bench\/2|does not speak "aether/],
    ["", "", /does not speak/],
  ] as const;
  for (const [position, [protocol, label, reason]] of answers.entries()) {
    a.openChannel({ label, protocol });
    match(lineOf(await log.next("refused", position + 1)), reason);
  }
  await node.close("done");
});
