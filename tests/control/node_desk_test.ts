/** What a node tells of itself, over links in memory and real sockets. */
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { AllowList, parseAllowListenRule, parseAllowRule } from "../../src/access/allow_list.ts";
import { BufferPool } from "../../src/buffer_pool.ts";
import {
  type ForwardStatus,
  type LinkStatus,
  type NodeStatus,
  parseControlAnswer,
} from "../../src/control/control_answer.ts";
import { NodeDesk } from "../../src/control/node_desk.ts";
import { parseReverseSpecs } from "../../src/forward/reverse_spec.ts";
import { Node } from "../../src/node/node.ts";
import { LogRecorder } from "../fakes/log_recorder.ts";
import { type FakeLink, linkPair } from "../fakes/link_pair.ts";
import { sampleStatus } from "../fakes/sample_status.ts";
import { closedPort, readToEnd, Service, testBytes, writeAll } from "../fakes/sockets.ts";

const version = 1;

/** A node that is asked. */
class Stage implements AsyncDisposable {
  readonly node: Node;
  readonly #desk: NodeDesk;

  constructor(
    { allowed = [], listening = [], routes = [] }: {
      readonly allowed?: readonly string[];
      /** As `--allow-listen` has them. */
      readonly listening?: readonly string[];
      readonly routes?: readonly string[];
    } = {},
  ) {
    const access = new AllowList([
      ...allowed.map(parseAllowRule),
      ...listening.map(parseAllowListenRule),
    ]);
    this.node = new Node({ access, pool: new BufferPool() });
    this.#desk = new NodeDesk({
      ...{ node: this.node, program: "aetherport 0.0.0", routes: () => routes },
      ingresses: () => [],
      certificates: () => Promise.resolve([]),
    });
  }

  /** Opens a stage whose log is recorded. */
  static async open(options?: ConstructorParameters<typeof Stage>[0]): Promise<Stage> {
    await LogRecorder.start();
    return new Stage(options);
  }

  async status(): Promise<NodeStatus> {
    const answer = await this.#desk.answer({ version, request: "status" });
    ok(answer.ok && "status" in answer);
    return answer.status;
  }

  async link(): Promise<LinkStatus> {
    const [link, other] = (await this.status()).links;
    ok(link !== undefined && other === undefined);
    return link;
  }

  async add(spec: string, to?: string): Promise<ForwardStatus[]> {
    const request = { version, request: "add-forward", spec } as const;
    return forwardsOf(await this.#desk.answer(to === undefined ? request : { ...request, to }));
  }

  async remove(forward: string): Promise<ForwardStatus[]> {
    return forwardsOf(await this.#desk.answer({ version, request: "remove-forward", forward }));
  }

  adopt(link: FakeLink, route?: string): void {
    this.node.adopt(link, { handleUp: () => {}, handleClosed: () => {} }, route);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#desk.close();
    await this.node.close("the test is over");
  }
}

function forwardsOf(answer: Awaited<ReturnType<NodeDesk["answer"]>>): ForwardStatus[] {
  ok(answer.ok && "forwards" in answer);
  return answer.forwards;
}

function portOf([forward]: readonly ForwardStatus[]): number {
  return Number(forward?.addresses[0]?.split(":").at(-1));
}

/** A client that only listens. */
async function converse(port: number): Promise<void> {
  const client = await Deno.connect({ port });
  await readToEnd(client).finally(() => client.close());
}

/** Asks until it is so. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!await isSo()) await new Promise((resolve) => setImmediate(resolve));
}

Deno.test("a link is connecting, then up, silent, unreachable, up again, draining, gone", async () => {
  await using stage = await Stage.open();
  const { a } = linkPair();
  stage.adopt(a, "https://light.example.org/ingresses/x");
  const { state, since, route } = await stage.link();
  deepEqual([state, since, route], ["connecting", null, "https://light.example.org/ingresses/x"]);
  a.goUp();
  const up = await stage.link();
  deepEqual([up.state, up.id, up.path?.kind], ["up", 1, "direct"]);
  ok(Math.abs(Date.parse(up.since ?? "") - Date.now()) < 60_000);
  for (const health of ["silent", "unreachable"] as const) {
    a.setHealth(health);
    equal((await stage.link()).state, health);
  }
  a.setHealth("heard");
  equal((await stage.link()).state, "up");
  const { promise, resolve } = Promise.withResolvers<void>();
  using service = new Service(async (connection) => {
    await promise;
    connection.close();
  });
  const port = portOf(await stage.add(`127.0.0.1:0:127.0.0.1:${service.port}`));
  const client = await Deno.connect({ port });
  await a.opened;
  a.drain("another link is taken");
  equal((await stage.link()).state, "draining");
  resolve();
  client.close();
  a.fail("gone");
  deepEqual((await stage.status()).links, []);
});

Deno.test("connections are counted where they come in, and where they are served", async () => {
  using service = Service.echo();
  const target = `127.0.0.1:${service.port}`;
  await using egress = await Stage.open();
  await using ingress = new Stage({ allowed: [target] });
  const { a, z } = linkPair();
  egress.adopt(a);
  ingress.adopt(z);
  a.goUp();
  z.goUp();
  const port = portOf(await egress.add(`127.0.0.1:0:${target}`));
  const carried = async () => (await egress.status()).forwards[0]?.connections;
  const served = async () => (await ingress.link()).served;
  deepEqual(await carried(), { open: 0, total: 0 });
  const clients = await Promise.all([1, 2, 3].map(() => Deno.connect({ port })));
  for (const client of clients) {
    await writeAll(client, testBytes(10));
    equal(await client.read(new Uint8Array(10)), 10);
  }
  deepEqual([await carried(), await served()], [{ open: 3, total: 3 }, { open: 3, total: 3 }]);
  for (const client of clients) {
    await client.closeWrite();
    await readToEnd(client);
    client.close();
  }
  for (const count of [carried, served]) {
    await until(async () => (await count())?.open === 0);
    equal((await count())?.total, 3);
  }
});

Deno.test("a refused connection is one that was, and is no more", async () => {
  await using egress = await Stage.open();
  await using ingress = new Stage();
  const { a, z } = linkPair();
  egress.adopt(a);
  ingress.adopt(z);
  a.goUp();
  z.goUp();
  const port = portOf(await egress.add("127.0.0.1:0:127.0.0.1:9"));
  // It may hear of that before it hears of being connected.
  await rejects(converse(port), Deno.errors.ConnectionReset);
  await until(async () => (await egress.status()).forwards[0]?.connections.open === 0);
  deepEqual((await ingress.link()).served, { open: 0, total: 1 });
});

Deno.test("forwards are added and removed, by address or by spec", async () => {
  await using stage = await Stage.open();
  const [added] = await stage.add("0:nas.local:80");
  ok(added !== undefined);
  deepEqual([added.kind, added.target, added.route], ["tcp", "nas.local:80", null]);
  equal(added.spec, "localhost:0:nas.local:80");
  const [address = ""] = added.addresses;
  deepEqual(await stage.remove(address), [added]);
  deepEqual((await stage.status()).forwards, []);
  await rejects(stage.remove(address), /there is no forward 127.0.0.1:\d+/);
  await stage.add("127.0.0.1:0:nas.local:80");
  equal((await stage.remove("127.0.0.1:0:nas.local:80")).length, 1);
});

Deno.test("of a range all is listened on or nothing", async () => {
  await using stage = await Stage.open();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const last = taken.addr.port;
  const spec = `127.0.0.1:${last - 1}-${last}:nas.local:1-2`;
  await rejects(stage.add(spec), new RegExp(`cannot listen on 127.0.0.1:${last - 1}?`));
  deepEqual((await stage.status()).forwards, []);
});

Deno.test("a range too long for a node is refused before anything is listened on", async () => {
  await using stage = await Stage.open();
  await rejects(stage.add("10000-20000:nas.local:10000-20000"), /at most 4096 forwards/);
});

Deno.test("a forward goes to the ingress that is called, and to none that is not", async () => {
  const [one, two] = ["https://one.example/ingresses/x", "https://two.example/ingresses/y"];
  await using single = await Stage.open({ routes: [one] });
  equal((await single.add("127.0.0.1:0:a:1"))[0]?.route, one);
  await rejects(single.add("127.0.0.1:0:a:1", two), /does not call the ingress .*two.*one/);
  await using several = new Stage({ routes: [one, two] });
  equal((await several.add("127.0.0.1:0:a:1", two))[0]?.route, two);
  await rejects(several.add("127.0.0.1:0:a:1"), /several ingresses: say which with --to/);
  await using none = new Stage();
  await rejects(none.add("127.0.0.1:0:a:1", one), /it calls none/);
});

Deno.test("specs that a client made up are refused with their fault", async () => {
  await using stage = await Stage.open();
  await rejects(stage.add("80:"), /column/);
  await rejects(stage.remove("nonsense"), /names no forward/);
});

Deno.test("what is asked of another node is told with where it listens, or why not; there, for whom", async () => {
  await using asking = await Stage.open();
  await using listening = new Stage({ listening: ["127.0.0.1:0"] });
  const denied = closedPort();
  for (const spec of ["127.0.0.1:0:10.0.0.5:80", `127.0.0.1:${denied}:10.0.0.5:81`]) {
    for (const parsed of parseReverseSpecs(spec)) {
      asking.node.addReverse({ spec: parsed, route: undefined });
    }
  }
  const answers = async () => (await asking.status()).reverses.map(({ asked }) => asked);
  deepEqual([await answers(), (await listening.status()).listeners], [[[], []], []]);
  const { a, z } = linkPair();
  asking.adopt(a);
  listening.adopt(z);
  a.goUp();
  z.goUp();
  await until(async () => (await answers())[1]?.[0]?.reason !== null);
  const { reverses: [granted, refused] } = await asking.status();
  const { listeners } = await listening.status();
  const [{ addresses = [], peer = "" } = {}] = listeners;
  match(addresses.join(), /^127\.0\.0\.1:\d+$/);
  deepEqual(listeners, [{ peer, addresses, rule: null }]);
  deepEqual(granted, {
    ...{ spec: "127.0.0.1:0:10.0.0.5:80", listen: "127.0.0.1:0", target: "10.0.0.5:80" },
    ...{ route: null, asked: [{ peer: a.peerFingerprint.slice(0, 11), addresses, reason: null }] },
  });
  deepEqual(refused?.asked.map((one) => [one.addresses, one.reason]), [
    [[], "no --allow-listen names it"],
  ]);
  a.fail("gone");
  z.fail("gone");
  deepEqual([await answers(), (await listening.status()).listeners], [[[], []], []]);
});

Deno.test("a node that does not tell of reverse forwards has none to be shown", () => {
  const { reverses: _reverses, listeners: _listeners, ...status } = sampleStatus();
  const answer = parseControlAnswer(JSON.stringify({ version, ok: true, status }));
  ok(answer?.ok && "status" in answer);
  deepEqual([answer.status.reverses, answer.status.listeners], [[], []]);
});
