import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { BufferPool } from "../../src/buffer_pool.ts";
import { DatagramIngress } from "../../src/forward/datagram_ingress.ts";
import { openStreamForward } from "../../src/forward/open_forward.ts";
import { serveStreamChannel } from "../../src/forward/stream_ingress.ts";
import { BindError } from "../../src/socket/datagram.ts";
import { udpProtocol } from "../../src/tunnel/datagram_channel.ts";
import { tcpProtocol } from "../../src/tunnel/tunnel_stream.ts";
import { channelPair, type FakeChannel } from "../fakes/channel_pair.ts";
import { FakeDatagramSockets } from "../fakes/datagram_sockets.ts";
import { accessOf, certifiedPeer, policyOf } from "../fakes/policies.ts";
import { linkPair } from "../fakes/link_pair.ts";
import { LogRecorder } from "../fakes/log_recorder.ts";
import { forwardSpec } from "../fakes/sample_specs.ts";
import { readToEnd, Service, testBytes, writeAll } from "../fakes/sockets.ts";

const pool = new BufferPool();
const anna = certifiedPeer("anna");

/** A forward to a target that a node with this policy serves to anna. */
async function forwardTo(target: string, policy: string) {
  const { access, clock, records } = await accessOf(policy);
  const { a, z } = linkPair({ pace: "turn" });
  z.handler = {
    handleUp: () => {},
    handleChannel: (channel) => void serveStreamChannel(channel, { access, peer: anna, pool }),
    handleClosed: () => {},
  };
  a.handler = { handleUp: () => {}, handleChannel: () => {}, handleClosed: () => {} };
  a.goUp();
  z.goUp();
  const links = { acquire: () => Promise.resolve(a) };
  const forward = openStreamForward(forwardSpec(`127.0.0.1:0:${target}`), { links, pool });
  const port = Number(forward.addresses[0]?.split(":").at(-1));
  const connect = () => Deno.connect({ hostname: "127.0.0.1", port });
  return { access, clock, records, connect, [Symbol.dispose]: () => forward.close() };
}

const allowing = (port: number, more = "") =>
  `[[rule]]\nname = "echo"\naction = "allow"\ntarget = { host = "localhost", port = ${port} }\n${more}`;

Deno.test("what a rule allows is carried exactly, paced or not, and is given back", async () => {
  using service = Service.echo("127.0.0.1");
  for (const limit of ["", "limit = { connections = 1, bytes = '10 MB' }"]) {
    using stage = await forwardTo(`localhost:${service.port}`, allowing(service.port, limit));
    const client = await stage.connect();
    const bytes = testBytes(300_000);
    const [, reply] = await Promise.all([
      writeAll(client, bytes).then(() => client.closeWrite()),
      readToEnd(client),
    ]);
    client.close();
    equal(reply.length, bytes.length);
    ok(reply.every((byte, at) => byte === bytes[at]));
    while (stage.access.admittedCount > 0) await new Promise((resolve) => setTimeout(resolve));
    const [opened, closed] = stage.records;
    equal(opened?.dialled, `127.0.0.1:${service.port}`);
    equal([closed?.up, closed?.down, closed?.reason].join(), "300000,300000,finished");
  }
});

Deno.test("what no rule allows is refused with the reason, before a name is resolved", async () => {
  const log = await LogRecorder.start();
  using stage = await forwardTo("nowhere.invalid:81", allowing(80));
  await rejects(async () => {
    using client = await stage.connect();
    await readToEnd(client);
  });
  match(`${(await log.next("refused")).properties.reason}`, /no rule allows it/);
  equal(stage.records[0]?.event, "refused");
});

/** What is asked by these labels, over one link to a node with this policy, is told in its audit. */
async function auditOf(
  labels: readonly string[],
  { policy, protocol = tcpProtocol, sockets = new FakeDatagramSockets() }: {
    readonly policy: string;
    readonly protocol?: string;
    readonly sockets?: FakeDatagramSockets;
  },
) {
  const { access, records } = await accessOf(policy);
  const flows = new DatagramIngress({ access, pool, sockets: () => Promise.resolve(sockets) });
  for (const label of labels) {
    const { a, z } = channelPair({ label, protocol, pace: "microtask" });
    const { promise: refused, resolve } = Promise.withResolvers<string>();
    a.handler = {
      handleBinary: () => {},
      handleText: resolve,
      handleWritable: () => {},
      handleClosed: () => {},
    };
    if (protocol === udpProtocol) void flows.serve(z, { peer: anna, link: flows });
    else void serveStreamChannel(z, { access, peer: anna, pool });
    match(await refused, /"refused"/);
    a.close();
  }
  equal(access.admittedCount, 0);
  return records.map(({ event, target, reason }) => [event, target, reason]);
}

const anyTarget = '[[rule]]\nname = "all"\naction = "allow"\n';

Deno.test("a stream that is refused before it is judged is in the audit", async () => {
  await LogRecorder.start();
  const reversed = `reverse:${"0".repeat(32)}`;
  const labels = ["nowhere.invalid:22", reversed, "bad label", "[::1"];
  deepEqual(await auditOf(labels, { policy: anyTarget }), [
    ["refused", "nowhere.invalid:22", "nowhere.invalid does not resolve"],
    ["refused", reversed, "this node asked for nothing such"],
    ["refused", "bad label", "a port is missing (host:port)"],
    ["refused", "[::1", 'a "[" without its "]"'],
  ]);
  deepEqual(await auditOf(["10.0.0.5:80"], { policy: anyTarget, protocol: "other/1" }), [
    ["refused", "10.0.0.5:80", "this node does not speak other/1"],
  ]);
});

Deno.test("a flow of datagrams that is refused before it is judged is in the audit", async () => {
  await LogRecorder.start();
  const labels = ["nowhere.invalid:53", "bad", "10.0.0.5:53 name:1"];
  deepEqual(await auditOf(labels, { policy: anyTarget, protocol: udpProtocol }), [
    ["refused", "nowhere.invalid:53/udp", "nowhere.invalid does not resolve"],
    ["refused", "bad/udp", "a port is missing (host:port)"],
    ["refused", "10.0.0.5:53/udp", "the client is no address"],
  ]);
});

Deno.test("a flow that gets no socket is refused for that in the audit", async () => {
  await LogRecorder.start();
  const sockets = new FakeDatagramSockets();
  sockets.bindError = new BindError("failed", { address: "0.0.0.0" }, "EMFILE");
  const policy = anyTarget;
  const [told, ...more] = await auditOf(["10.0.0.5:53"], {
    ...{ policy, protocol: udpProtocol, sockets },
  });
  deepEqual([told, more], [["refused", "10.0.0.5:53/udp", sockets.bindError.message], []]);
});

Deno.test("a new policy ends what it does not allow, and the other node is told why", async () => {
  using service = Service.echo("127.0.0.1");
  const log = await LogRecorder.start();
  using stage = await forwardTo(`127.0.0.1:${service.port}`, allowing(service.port));
  const client = await stage.connect();
  await writeAll(client, testBytes(10));
  await client.read(new Uint8Array(10));
  stage.access.replace(await policyOf('[[rule]]\nname = "closed"\naction = "deny"'));
  await rejects(readToEnd(client));
  client.close();
  const { properties } = await log.next("stream-closed");
  match(`${properties.how}`, /no longer allowed: rule "closed" denies it/);
  while (stage.access.admittedCount > 0) await new Promise((resolve) => setTimeout(resolve));
  match(`${stage.records.at(-1)?.reason}`, /no longer allowed/);
});

Deno.test("a connection that waits for its pace ends when it is no longer allowed", async () => {
  using service = Service.echo("127.0.0.1");
  const slow = allowing(service.port, "limit.bytes-per-second = 1");
  using stage = await forwardTo(`127.0.0.1:${service.port}`, slow);
  const client = await stage.connect();
  await writeAll(client, testBytes(100_000));
  while (stage.clock.timerCount === 0) await new Promise((resolve) => setTimeout(resolve));
  stage.access.replace(await policyOf(""));
  await rejects(readToEnd(client));
  client.close();
  while (stage.access.admittedCount > 0) await new Promise((resolve) => setTimeout(resolve));
  equal(stage.clock.timerCount, 0);
});

/** Flows of anna's to 10.0.0.53:53 at a node with this policy. */
async function flowsUnder(limit: string) {
  const { access, clock, records } = await accessOf(`${anyTarget}${limit}`);
  const sockets = new FakeDatagramSockets();
  const ingress = new DatagramIngress({ access, pool, sockets: () => Promise.resolve(sockets) });
  const opened: FakeChannel[] = [];
  const open = () => {
    const capacity = 1_000_000;
    const { a, z } = channelPair({
      ...{ label: "10.0.0.53:53", protocol: udpProtocol, pace: "microtask", capacity },
    });
    void ingress.serve(z, { peer: anna, link: opened });
    opened.push(a);
    const send = (length: number, count = 1) => {
      for (; count > 0; count--) a.sendBinary(testBytes(length), 0, length);
    };
    return { channel: a, send };
  };
  const arrived = () => sockets.bound.flatMap(({ sent }) => sent.map(({ bytes }) => bytes.length));
  const audited = () => {
    for (const channel of opened) channel.close();
    return clock.advance(0).then(() => records.reduce((sum, { up = 0 }) => sum + up, 0));
  };
  return { open, clock, sockets, arrived, audited, opened };
}

const sumOf = (lengths: readonly number[]) => lengths.reduce((sum, length) => sum + length, 0);

Deno.test("bytes in all hold for datagrams that came while their flows were being opened", async () => {
  await LogRecorder.start();
  const many = await flowsUnder("limit.bytes = 1000");
  for (let count = 0; count < 200; count++) many.open().send(900, 3);
  await many.clock.advance(1_000);
  deepEqual([many.arrived(), await many.audited()], [[900], 900]);
  const one = await flowsUnder("limit.bytes = 10000");
  one.open().send(900, 100);
  await one.clock.advance(1_000);
  deepEqual([sumOf(one.arrived()), await one.audited()], [9_900, 9_900]);
});

Deno.test("the datagram that breaks a limit of bytes arrives nowhere, and ends its flow", async () => {
  await LogRecorder.start();
  const stage = await flowsUnder("limit.bytes = 1000");
  const { channel, send } = stage.open();
  for (let count = 0; count < 5; count++) {
    send(300);
    await stage.clock.advance(100);
  }
  deepEqual([stage.arrived(), await stage.audited()], [[300, 300, 300], 900]);
  deepEqual([channel.isClosed, stage.sockets.openCount], [true, 0]);
});

Deno.test("a rate holds for datagrams, however many flows they come by", async () => {
  await LogRecorder.start();
  const rate = "limit.bytes-per-second = '10 kB'";
  const steady = await flowsUnder(rate);
  const { send } = steady.open();
  for (let at = 0; at < 20_000; at += 20) {
    send(1_200, 5);
    await steady.clock.advance(20);
  }
  const stage = await flowsUnder(rate);
  for (let at = 0; at < 20_000; at += 20) {
    stage.open().send(1_200, 5);
    await stage.clock.advance(20);
  }
  for (const { arrived, audited } of [steady, stage]) {
    const length = sumOf(arrived());
    ok(Math.abs(length - 200_000) <= 10_000, `${length}`);
    equal(await audited(), length);
  }
});

Deno.test("without a limit all datagrams of a burst pass, both ways", async () => {
  await LogRecorder.start();
  const stage = await flowsUnder("");
  const { channel, send } = stage.open();
  const received: number[] = [];
  channel.handler = {
    handleBinary: (_bytes, start, end) => received.push(end - start),
    handleText: () => {},
    handleWritable: () => {},
    handleClosed: () => {},
  };
  await stage.clock.advance(0);
  send(1_200, 64);
  const burst = Array.from({ length: 50 }, () => testBytes(1_200));
  stage.sockets.bound[0]?.receive({ address: "10.0.0.53", port: 53 }, ...burst);
  await stage.clock.advance(100);
  deepEqual([stage.arrived().length, received.length], [64, 50]);
  equal(await stage.audited(), 64 * 1_200);
});
