/** Flows of datagrams between two nodes, over fake links and fake sockets, and under fake time. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { AllowList, parseAllowRule } from "../../src/access/allow_list.ts";
import type { UdpTarget } from "../../src/access/target.ts";
import { BufferPool } from "../../src/buffer_pool.ts";
import { LinkDatagramEgress } from "../../src/forward/datagram_egress.ts";
import type { DatagramFlowHandler } from "../../src/forward/datagram_flow.ts";
import { DatagramIngress } from "../../src/forward/datagram_ingress.ts";
import { parseProxyRule } from "../../src/forward/proxy_protocol.ts";
import type { Link } from "../../src/link/link.ts";
import { BindError } from "../../src/socket/datagram.ts";
import { formatEndpoint } from "../../src/socket/endpoint.ts";
import { udpProtocol } from "../../src/tunnel/datagram_channel.ts";
import { FakeDatagramSockets } from "../fakes/datagram_sockets.ts";
import { FakeTime } from "../fakes/fake_time.ts";
import { type FakeLink, type FakeLinkOptions, linkPair } from "../fakes/link_pair.ts";
import { LogRecorder } from "../fakes/log_recorder.ts";
import { somePeer } from "../fakes/sample_specs.ts";
import { isSame, testBytes } from "../fakes/sockets.ts";

const target: UdpTarget = { kind: "udp", host: "10.0.0.53", port: 53 };
const source = { address: target.host, port: target.port };
const text = (value: string) => new TextEncoder().encode(value);
const texts = (all: readonly Uint8Array[]) => all.map((one) => new TextDecoder().decode(one));

/** Two nodes, one of which reaches targets. */
class Stage {
  readonly sockets = new FakeDatagramSockets();
  readonly pool = new BufferPool();
  readonly ingress: DatagramIngress;
  /** What the egress is given as links, one after another; the last again and again. */
  readonly links: (Link | undefined)[] = [];
  readonly egress: LinkDatagramEgress;
  acquireCount = 0;

  constructor(
    rules: readonly string[] = ["*:*/udp"],
    { idleTimeout = 60_000, told = [] }: {
      readonly idleTimeout?: number;
      /** As of `--proxy-protocol`. */
      readonly told?: readonly string[];
    } = {},
  ) {
    const access = new AllowList(rules.map(parseAllowRule));
    const sockets = () => Promise.resolve(this.sockets);
    const proxyRules = told.map(parseProxyRule);
    this.ingress = new DatagramIngress({
      ...{ access, pool: this.pool, sockets, idleTimeout, proxyRules },
    });
    const acquire = () => {
      this.acquireCount++;
      return Promise.resolve(this.links.length > 1 ? this.links.shift() : this.links[0]);
    };
    this.egress = new LinkDatagramEgress({ links: { acquire }, idleTimeout });
  }

  /** A link that is up, to the node that reaches targets. */
  join(options: FakeLinkOptions = {}): FakeLink {
    const { a, z } = linkPair({ pace: "microtask", capacity: 131_072, ...options });
    z.handler = {
      handleUp: () => {},
      handleChannel: (channel) => void this.ingress.serve(channel, { peer: somePeer, link: z }),
      handleClosed: () => {},
    };
    a.goUp();
    z.goUp();
    this.links.push(a);
    return a;
  }

  open(client = "127.0.0.1:1000", to = target) {
    const received: Uint8Array[] = [];
    const reasons: string[] = [];
    const handler: DatagramFlowHandler = {
      handleDatagram: (bytes, start, end) => received.push(bytes.slice(start, end)),
      handleClosed: (reason) => reasons.push(reason),
    };
    const flow = this.egress.open(client, to, handler);
    return { flow, received, reasons, send: (one: Uint8Array) => flow.send(one, 0, one.length) };
  }
}

/** Lets everything under way arrive. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve));
}

Deno.test("datagrams stay datagrams of any length both ways, and what was sent at once waits", async () => {
  const stage = new Stage();
  const link = stage.join();
  const { flow, received, send } = stage.open();
  const lengths = [3, 0, 1, 1_200, 1_200, 9_000, 0];
  for (const length of lengths) send(testBytes(length, length + 1));
  await settled();
  const [channel] = link.channels;
  deepEqual([channel?.protocol, channel?.label], [udpProtocol, "10.0.0.53:53 127.0.0.1:1000"]);
  ok(channel?.isDatagrams);
  const [socket] = stage.sockets.bound;
  ok(socket);
  deepEqual(socket.sent.map(({ bytes }) => bytes.length), lengths);
  for (const { bytes, destination } of socket.sent) {
    ok(isSame(bytes, testBytes(bytes.length, bytes.length + 1)));
    deepEqual(destination, source);
  }
  socket.receive(source, testBytes(1_200), testBytes(1_200), testBytes(7));
  socket.receive(source, new Uint8Array(0));
  socket.receive(source, testBytes(65_507));
  await settled();
  deepEqual(received.map(({ length }) => length), [1_200, 1_200, 7, 0, 65_507]);
  ok(received.every((one) => isSame(one, testBytes(one.length))));
  flow.close();
  await settled();
  deepEqual([stage.sockets.openCount, link.channels.size, stage.pool.lentCount], [0, 0, 0]);
});

Deno.test("one who is not the target is not heard", async () => {
  const stage = new Stage();
  stage.join();
  const { flow, received } = stage.open();
  await settled();
  const [socket] = stage.sockets.bound;
  socket?.receive({ address: "10.0.0.54", port: 53 }, text("forged"));
  socket?.receive({ address: "10.0.0.53", port: 54 }, text("forged"));
  socket?.receive({ ...source }, text("genuine"));
  await settled();
  deepEqual(texts(received), ["genuine"]);
  flow.close();
});

Deno.test("what is sent before there is a link waits, as far as it fits", async () => {
  const stage = new Stage();
  const link = Promise.withResolvers<Link>();
  const egress = new LinkDatagramEgress({ links: { acquire: () => link.promise } });
  const flow = egress.open("a", target, { handleDatagram() {}, handleClosed() {} });
  for (const length of [60_000, 6_000, 5_000, 0]) flow.send(testBytes(length), 0, length);
  for (let count = 0; count < 100; count++) flow.send(text("x"), 0, 1);
  link.resolve(stage.join());
  await settled();
  const sent = stage.sockets.bound[0]?.sent ?? [];
  deepEqual(sent.slice(0, 4).map(({ bytes }) => bytes.length), [60_000, 5_000, 0, 1]);
  equal(sent.length, 32);
  egress.close();
});

Deno.test("where no link comes, the client's datagrams do not ask for one each", async () => {
  using time = new FakeTime();
  const log = await LogRecorder.start();
  const stage = new Stage();
  const { reasons, send } = stage.open();
  await time.pass(0);
  for (let count = 0; count < 100; count++) send(text("x"));
  await time.pass(999);
  deepEqual(reasons, []);
  await time.pass(1);
  deepEqual(reasons, ["no link came up in time"]);
  deepEqual([stage.acquireCount, log.of("no-link").length, stage.egress.flowCount], [1, 1, 0]);
  equal(time.pendingCount, 0);
});

Deno.test("a refusal is told, logged once at either end, and not asked for anew at once", async () => {
  using time = new FakeTime();
  const log = await LogRecorder.start();
  const stage = new Stage(["10.0.0.53:54/udp", "10.0.0.53:53"]);
  const link = stage.join();
  const { reasons, send } = stage.open();
  await time.pass(500);
  send(text("x"));
  await time.pass(500);
  deepEqual(reasons, ["no --allow names it"]);
  deepEqual(log.of("refused").map(({ properties }) => properties.code), ["denied", "denied"]);
  deepEqual([link.channels.size, stage.sockets.bound.length, time.pendingCount], [0, 0, 0]);
});

Deno.test("why a target is not reached is told: its label, its name, or no socket", async () => {
  const log = await LogRecorder.start();
  const stage = new Stage();
  stage.join();
  stage.sockets.bindError = new BindError("failed", { address: "0.0.0.0" }, "EMFILE");
  const targets: UdpTarget[] = [
    { kind: "udp", host: "nowhere.invalid", port: 53 },
    { kind: "udp", host: "127.1", port: 53 },
    target,
  ];
  for (const [at, to] of targets.entries()) {
    const { flow } = stage.open("a", to);
    await log.next("refused", 2 * (at + 1));
    flow.close();
  }
  const codes = log.of("refused").map(({ properties }) => properties.code);
  deepEqual(codes, [
    "unresolved",
    "unresolved",
    "malformed",
    "malformed",
    "exhausted",
    "exhausted",
  ]);
});

Deno.test("a flow that is idle ends at both ends; a new one begins with the next datagram", async () => {
  using time = new FakeTime();
  const stage = new Stage();
  const link = stage.join();
  const { reasons, send } = stage.open();
  for (let count = 0; count < 5; count++) {
    send(text("again"));
    await time.pass(59_999);
  }
  deepEqual([reasons.length, stage.sockets.openCount], [0, 1]);
  await time.pass(1);
  match(reasons.join(), /^idle for 60 s$/);
  await time.pass(1_000);
  deepEqual([link.channels.size, stage.sockets.openCount, time.pendingCount], [0, 0, 0]);
  const next = stage.open();
  next.send(text("anew"));
  await time.pass(1);
  deepEqual(texts(stage.sockets.bound[1]?.sent.map(({ bytes }) => bytes) ?? []), ["anew"]);
  stage.egress.close();
  await time.pass(1);
  equal(time.pendingCount, 0);
});

Deno.test("what the target sends keeps a flow from being idle", async () => {
  using time = new FakeTime();
  const stage = new Stage();
  stage.join();
  const { reasons, send } = stage.open();
  send(text("subscribe"));
  await time.pass(59_000);
  stage.sockets.bound[0]?.receive(source, text("news"));
  await time.pass(59_000);
  deepEqual(reasons, []);
  stage.egress.close();
  await time.pass(1);
});

Deno.test("of 1,025 clients the one idle longest has to go", async () => {
  const stage = new Stage();
  const link = stage.join();
  const flows = Array.from({ length: 1_024 }, (_, at) => stage.open(`client ${at}`));
  await settled();
  flows[0]?.send(text("still here"));
  const last = stage.open("client 1024");
  await settled();
  match(flows[1]?.reasons.join() ?? "", /idle longest/);
  equal(flows.filter(({ reasons }) => reasons.length > 0).length, 1);
  deepEqual([stage.egress.flowCount, link.channels.size, stage.sockets.openCount], [
    ...[1_024, 1_024, 1_024],
  ]);
  last.send(text("x"));
  stage.egress.close();
  await settled();
  deepEqual([link.channels.size, stage.sockets.openCount, stage.pool.lentCount], [0, 0, 0]);
});

Deno.test("one who opens more flows than a link may have loses those idle longest", async () => {
  const stage = new Stage();
  const link = stage.join();
  const options = { label: "10.0.0.53:53", protocol: udpProtocol, isDatagrams: true };
  for (let count = 0; count < 4_100; count++) link.openChannel(options);
  await settled();
  deepEqual([link.channels.size, stage.sockets.openCount], [4_096, 4_096]);
  await link.close("done");
  await settled();
  equal(stage.sockets.openCount, 0);
});

Deno.test("a link's end ends its flows, and the next goes over another link", async () => {
  const stage = new Stage();
  const link = stage.join();
  const { reasons } = stage.open();
  await settled();
  stage.links.length = 0;
  stage.join();
  await link.close("gone");
  await settled();
  equal(reasons.length, 1);
  equal(stage.sockets.openCount, 0);
  const { flow, send } = stage.open();
  send(text("over the other"));
  await settled();
  deepEqual(texts(stage.sockets.bound[1]?.sent.map(({ bytes }) => bytes) ?? []), [
    "over the other",
  ]);
  flow.close();
});

Deno.test("a flow leaves a link that is silent once there is another, and no sooner", async () => {
  const stage = new Stage();
  const link = stage.join();
  const { reasons, send } = stage.open();
  await settled();
  link.setHealth("silent");
  send(text("is anybody there?"));
  await settled();
  deepEqual([reasons, stage.acquireCount], [[], 2]);
  stage.links.length = 0;
  stage.join();
  send(text("and now?"));
  await settled();
  deepEqual(reasons, ["another link is taken"]);
});

Deno.test("a datagram that finds the channel full is dropped, and later ones pass", async () => {
  const stage = new Stage();
  const link = stage.join({ pace: "step", capacity: 3_000 });
  const { flow, send } = stage.open();
  await settled();
  const [channel] = link.channels;
  for (const length of [1_000, 1_500, 1_000, 400]) send(testBytes(length));
  deepEqual(channel?.sent.map(({ length }) => length), [1_000, 1_500, 400]);
  flow.close();
});

Deno.test("a datagram longer than the other node takes is dropped", async () => {
  const stage = new Stage();
  const link = stage.join({ maxFragmentedLength: 16_384 });
  const { flow, send } = stage.open();
  await settled();
  send(testBytes(16_385));
  send(testBytes(16_384));
  deepEqual([...link.channels][0]?.sent.map(({ length }) => length), [16_384]);
  flow.close();
});

for (const words of ["{}", '{"type":"opened"}', "", "\u0000"]) {
  Deno.test(`a control message that is none ends the flow: ${JSON.stringify(words)}`, async () => {
    const stage = new Stage();
    const link = stage.join();
    const { reasons } = stage.open();
    await settled();
    const [channel] = link.other?.channels ?? [];
    channel?.sendText(words);
    await settled();
    equal(reasons.length, 1);
    deepEqual([link.channels.size, stage.sockets.openCount], [0, 0]);
  });
}

Deno.test("messages longer than any datagram are dropped", async () => {
  const stage = new Stage();
  const link = stage.join();
  const { flow, send } = stage.open();
  send(text("first"));
  await settled();
  const [channel] = link.channels;
  channel?.sendBinary(testBytes(65_508), 0, 65_508);
  await settled();
  equal(stage.sockets.bound[0]?.sent.length, 1);
  flow.close();
});

for (
  const { host, headerLength, longest } of [
    { host: "10.0.0.53", headerLength: 28, longest: 65_507 },
    { host: "2001:db8::53", headerLength: 52, longest: 65_527 },
  ]
) {
  Deno.test(`what does not fit with its PROXY header is dropped, to ${host}`, async () => {
    const to: UdpTarget = { kind: "udp", host, port: 53 };
    const told = [`v2=${formatEndpoint(to)}/udp`];
    const stage = new Stage(undefined, { told });
    stage.join();
    const { flow, reasons, send } = stage.open("127.0.0.1:1000", to);
    const fitting = Math.min(longest - headerLength, 65_507);
    // The first waits for its way, the others come when it is there.
    send(testBytes(65_507));
    await settled();
    for (const length of [65_500, 65_507, fitting + 1, fitting, 3]) {
      send(testBytes(Math.min(length, 65_507)));
      await settled();
    }
    const lengths = stage.sockets.bound[0]?.sent.map(({ bytes }) => bytes.length);
    deepEqual(lengths, [fitting + headerLength, 3 + headerLength]);
    deepEqual(reasons, []);
    flow.close();
  });
}
