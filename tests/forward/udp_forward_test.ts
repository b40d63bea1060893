/** Forwards of UDP ports on real sockets of either kind, over fake links. */
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { AllowList, parseAllowRule } from "../../src/access/allow_list.ts";
import { BufferPool } from "../../src/buffer_pool.ts";
import { DatagramIngress } from "../../src/forward/datagram_ingress.ts";
import { UdpForward } from "../../src/forward/udp_forward.ts";
import type { Link } from "../../src/link/link.ts";
import type { DatagramSockets } from "../../src/socket/datagram.ts";
import { NativeDatagramSockets } from "../../src/socket/native_datagram.ts";
import { nativeSystem } from "../../src/socket/native_system.ts";
import { portableDatagramSockets } from "../../src/socket/portable_datagram.ts";
import { FakeDatagramSockets } from "../fakes/datagram_sockets.ts";
import { linkPair } from "../fakes/link_pair.ts";
import { isSame, testBytes } from "../fakes/sockets.ts";
import { somePeer } from "../fakes/sample_specs.ts";
import { UdpEnd } from "../fakes/udp_end.ts";

const pool = new BufferPool();
const system = nativeSystem();
const kinds: DatagramSockets[] = [portableDatagramSockets];
if (system !== undefined) kinds.push(new NativeDatagramSockets(system.libc, system.poller));

/** A link to a node that reaches all targets. */
function joined(sockets: DatagramSockets): Link {
  const ingress = new DatagramIngress({
    access: new AllowList([parseAllowRule("*:*/udp")]),
    pool,
    sockets: () => Promise.resolve(sockets),
  });
  const { a, z } = linkPair({ pace: "microtask", capacity: 131_072 });
  z.handler = {
    handleUp: () => {},
    handleChannel: (channel) => void ingress.serve(channel, { peer: somePeer, link: z }),
    handleClosed: () => {},
  };
  a.goUp();
  z.goUp();
  return a;
}

function openOver(
  link: Link,
  sockets: DatagramSockets,
  { host = "127.0.0.1", port = 0, target = 9 } = {},
): Promise<UdpForward> {
  return UdpForward.open({
    listen: { host, port },
    target: { kind: "udp", host, port: target },
    links: { acquire: () => Promise.resolve(link) },
    ...{ sockets, pool },
  });
}

function portOf({ addresses: [address = ""] }: UdpForward): number {
  return Number(address.split(":").at(-1));
}

for (const sockets of kinds) {
  for (const host of ["127.0.0.1", "::1"]) {
    Deno.test(`${sockets.name} sockets carry datagrams of any length both ways over ${host}`, async () => {
      await using service = await UdpEnd.open((datagram) => datagram, host);
      await using client = await UdpEnd.open(undefined, host);
      const link = joined(sockets);
      const forward = await openOver(link, sockets, { host, target: service.port });
      for (const [at, length] of [1, 0, 1_200, 9_000, 65_507].entries()) {
        client.send(testBytes(length, at), portOf(forward));
        ok(isSame(await client.next(at + 1), testBytes(length, at)), `${length} bytes`);
      }
      equal(forward.flowCount, 1);
      forward.close();
      deepEqual([forward.flowCount, pool.lentCount], [0, 0]);
      await link.close("done");
    });
  }

  Deno.test(`${sockets.name} sockets: bursts of clients at once come apart again`, async () => {
    await using service = await UdpEnd.open((datagram) => datagram);
    const clients = await Promise.all(Array.from({ length: 20 }, () => UdpEnd.open()));
    const link = joined(sockets);
    const forward = await openOver(link, sockets, { target: service.port });
    const lengths = [300, 300, 300, 20, 300];
    for (const length of lengths) {
      clients.forEach((client, seed) => client.send(testBytes(length, seed), portOf(forward)));
    }
    for (const [seed, client] of clients.entries()) {
      await client.next(lengths.length);
      deepEqual(client.received.map(({ length }) => length), lengths);
      ok(client.received.every((one) => isSame(one, testBytes(one.length, seed))));
    }
    equal(forward.flowCount, clients.length);
    forward.close();
    await link.close("done");
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
  });

  Deno.test(`${sockets.name} sockets: an address that is taken is named`, async () => {
    await using taken = await UdpEnd.open();
    const { port } = taken;
    const message = new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}/udp: `);
    await rejects(openOver(joined(sockets), sockets, { port }), { message });
    await rejects(openOver(joined(sockets), sockets, { host: "localhost", port }), { message });
  });
}

Deno.test("localhost is both loopback addresses, on one port", async () => {
  const forward = await openOver(joined(portableDatagramSockets), portableDatagramSockets, {
    host: "localhost",
  });
  const [four = "", six = ""] = forward.addresses;
  match(four, /^127\.0\.0\.1:\d+$/);
  equal(six, `[::1]:${four.split(":")[1]}`);
  forward.close();
});

Deno.test("a client whose flow is over gets another with its next datagram", async () => {
  const sockets = new FakeDatagramSockets();
  const far = new FakeDatagramSockets();
  const [one, other] = [joined(far), joined(far)];
  const links = [one, other];
  const forward = await UdpForward.open({
    listen: { host: "127.0.0.1", port: 5_353 },
    target: { kind: "udp", host: "10.0.0.53", port: 53 },
    links: { acquire: () => Promise.resolve(links.shift()) },
    ...{ sockets, pool },
  });
  const client = { address: "127.0.0.1", port: 4_000 };
  const [socket] = sockets.bound;
  socket?.receive(client, testBytes(3), testBytes(3));
  await settled();
  await one.close("gone");
  equal(forward.flowCount, 0);
  socket?.receive(client, testBytes(5));
  await settled();
  deepEqual(far.bound.map(({ sent }) => sent.map(({ bytes }) => bytes.length)), [[3, 3], [5]]);
  far.bound[1]?.receive({ address: "10.0.0.53", port: 53 }, testBytes(7));
  await settled();
  deepEqual(socket?.sent.map(({ bytes, destination }) => [bytes.length, destination]), [
    [7, client],
  ]);
  forward.close();
  await settled();
  deepEqual([sockets.openCount, far.openCount], [0, 0]);
});

async function settled(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve));
}
