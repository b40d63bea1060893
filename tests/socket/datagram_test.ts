/** What holds for datagram sockets of every implementation. */
import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import {
  BindError,
  type DatagramSocket,
  type DatagramSockets,
  type SocketAddress,
} from "../../src/socket/datagram.ts";
import {
  descriptorCount,
  implementations,
  Inbox,
  patterned,
  pause,
} from "./datagram_implementations.ts";

const isLinux = Deno.build.os === "linux";

/** Those at the borders between two ways to hold them. */
const lengths = [0, 1, 63, 64, 65, 1200, 1472, 16_384];

/** The longest that goes through a loopback of MTU 65536 in one piece, by address. */
const longest = { "127.0.0.1": 65_507, "::1": 65_488 };

/** A socket with its inbox. */
interface End {
  readonly socket: DatagramSocket;
  readonly inbox: Inbox;
}

/** Sockets for one test, which are closed after it. */
class Bench {
  readonly #sockets: DatagramSockets;
  readonly #open: DatagramSocket[] = [];

  constructor(sockets: DatagramSockets) {
    this.#sockets = sockets;
  }

  async end(address = "127.0.0.1", inbox = new Inbox()): Promise<End> {
    const socket = await this.#sockets.bind({ address, handler: inbox });
    this.#open.push(socket);
    return { socket, inbox };
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map((socket) => socket.close()));
  }
}

function sendWhole(from: End, bytes: Uint8Array, to: SocketAddress): string {
  return from.socket.send(bytes, 0, bytes.length, bytes.length, to);
}

function testAll(
  what: string,
  run: (bench: Bench, sockets: DatagramSockets) => Promise<void>,
  ignore = false,
): void {
  for (const sockets of implementations) {
    Deno.test({
      name: `${sockets.name}: ${what}`,
      ignore,
      sanitizeOps: true,
      sanitizeResources: true,
      fn: async () => {
        const bench = new Bench(sockets);
        try {
          await run(bench, sockets);
        } finally {
          await bench.close();
        }
      },
    });
  }
}

for (const [address, maxLength] of Object.entries(longest)) {
  testAll(`datagrams go both ways on ${address}, and tell where they come from`, async (bench) => {
    const [a, z] = [await bench.end(address), await bench.end(address)];
    equal(a.socket.local.address, address);
    equal(sendWhole(a, patterned(100, 1), z.socket.local), "sent");
    const [question] = await z.inbox.until(1);
    deepEqual(question, { bytes: patterned(100, 1), source: a.socket.local });
    equal(sendWhole(z, patterned(200, 2), question?.source ?? z.socket.local), "sent");
    const [answer] = await a.inbox.until(1);
    deepEqual(answer, { bytes: patterned(200, 2), source: z.socket.local });
  });

  testAll(`datagrams of every length arrive on ${address}`, async (bench) => {
    const [a, z] = [await bench.end(address), await bench.end(address)];
    const all = [...lengths, maxLength];
    for (const [at, length] of all.entries()) {
      equal(sendWhole(a, patterned(length, at), z.socket.local), "sent");
      await z.inbox.until(at + 1);
    }
    deepEqual(z.inbox.received.map(({ bytes }) => bytes), all.map(patterned));
  });
}

testAll("a batch arrives as its datagrams, in order, the last one shorter", async (bench) => {
  const [a, z] = [await bench.end(), await bench.end()];
  let count = 0;
  for (const segmentLength of [1, 63, 64, 65, 500, 1200, 1472, 16_373, 40_000]) {
    // As much as the receiver's buffer surely has room for.
    const whole = segmentLength * (segmentLength > 20_000 ? 2 : 5);
    for (const total of [whole, whole + 1, whole + segmentLength - 1]) {
      // Not at the start of its memory, and on no round address.
      const bytes = patterned(total + 10);
      equal(a.socket.send(bytes, 3, total + 3, segmentLength, z.socket.local), "sent");
      const expected = [];
      for (let at = 3; at < total + 3; at += segmentLength) {
        expected.push(bytes.slice(at, Math.min(total + 3, at + segmentLength)));
      }
      const received = await z.inbox.until(count + expected.length);
      deepEqual(received.slice(count).map((one) => one.bytes), expected);
      count += expected.length;
    }
  }
});

testAll("a batch of more datagrams than one call carries arrives whole", async (bench) => {
  const [a, z] = [await bench.end(), await bench.end()];
  const bytes = patterned(20_001);
  equal(a.socket.send(bytes, 0, bytes.length, 100, z.socket.local), "sent");
  const received = await z.inbox.until(201);
  deepEqual(received.map((one) => one.bytes.length), [...new Array(200).fill(100), 1]);
  deepEqual(received.flatMap((one) => [...one.bytes]), [...bytes]);
});

testAll("empty datagrams arrive among others", async (bench) => {
  const [a, z] = [await bench.end(), await bench.end()];
  for (const length of [5, 0, 0, 7]) sendWhole(a, patterned(length), z.socket.local);
  equal(a.socket.send(new Uint8Array(10), 10, 10, 1200, z.socket.local), "sent");
  const received = await z.inbox.until(5);
  deepEqual(received.map((one) => one.bytes.length), [5, 0, 0, 7, 0]);
});

testAll("what was sent may be changed at once", async (bench) => {
  const [a, z] = [await bench.end(), await bench.end()];
  const bytes = new Uint8Array(3000);
  for (let seed = 0; seed < 20; seed++) {
    bytes.fill(seed);
    a.socket.send(bytes, 0, 3000, 1000, z.socket.local);
    bytes.fill(0xff);
  }
  const received = await z.inbox.until(60);
  deepEqual(
    received.map(({ bytes }) => [...new Set(bytes)]),
    Array.from({ length: 60 }, (_, at) => [Math.floor(at / 3)]),
  );
});

testAll("small and short-lived memory is sent right", async (bench) => {
  const [a, z] = [await bench.end(), await bench.end()];
  for (let round = 0; round < 20; round++) {
    for (let length = 1; length <= 66; length++) {
      sendWhole(a, patterned(length, round), z.socket.local);
      // Something to collect and to move.
      new Array(1000).fill(length);
    }
    const received = await z.inbox.until(66 * (round + 1));
    for (const [at, { bytes }] of received.slice(-66).entries()) {
      deepEqual(bytes, patterned(at + 1, round));
    }
  }
});

testAll("a range that is not there is refused", async (bench) => {
  const { socket } = await bench.end();
  const bytes = new Uint8Array(64);
  const ranges: [number, number, number][] = [
    [0, 65, 65],
    [-1, 10, 10],
    [10, 9, 10],
    [0, 64, 0],
    [0, 64, -1],
    [0, 64, 1.5],
    [0.5, 64, 10],
    [0, NaN, 10],
    [0, Infinity, 10],
    [0, 10, NaN],
    [65, 65, 1],
    [0, 2 ** 32 + 10, 10],
  ];
  for (const [start, end, segmentLength] of ranges) {
    throws(() => socket.send(bytes, start, end, segmentLength, socket.local), RangeError);
  }
});

testAll("a datagram that is too long is told so, and ends nothing", async (bench) => {
  const [a, z] = [await bench.end(), await bench.end()];
  equal(sendWhole(a, new Uint8Array(65_508), z.socket.local), "too-long");
  equal(sendWhole(a, new Uint8Array(100_000), z.socket.local), "too-long");
  equal(a.socket.send(new Uint8Array(200_000), 0, 200_000, 70_000, z.socket.local), "too-long");
  equal(sendWhole(a, patterned(10), z.socket.local), "sent");
  deepEqual((await z.inbox.until(1)).map(({ bytes }) => bytes), [patterned(10)]);
});

testAll("sending where nobody listens ends nothing", async (bench) => {
  const [a, z, gone] = [await bench.end(), await bench.end(), await bench.end()];
  await gone.socket.close();
  for (let count = 0; count < 50; count++) sendWhole(a, patterned(10), gone.socket.local);
  await pause(10);
  equal(sendWhole(a, patterned(20), z.socket.local), "sent");
  await z.inbox.until(1);
  sendWhole(z, patterned(30), a.socket.local);
  deepEqual((await a.inbox.until(1)).map(({ bytes }) => bytes.length), [30]);
  deepEqual(a.inbox.failures, []);
});

testAll("a destination that cannot be is unreachable", async (bench) => {
  const { socket } = await bench.end();
  const destinations = [
    { address: "::1", port: 9 },
    { address: "nowhere.example", port: 9 },
    { address: "", port: 9 },
    { address: "127.0.0.1", port: 65_536 },
    { address: "127.0.0.1", port: 1.5 },
    { address: "127.0.0.1", port: NaN },
    { address: "127.0.0.1", port: 0 },
  ];
  for (const destination of destinations) {
    for (let times = 0; times < 2; times++) {
      equal(socket.send(new Uint8Array(10), 0, 10, 10, destination), "unreachable");
    }
  }
});

testAll("two pairs of sockets do not mix", async (bench) => {
  const ends: End[] = [];
  for (let count = 0; count < 4; count++) ends.push(await bench.end());
  const [a, b, y, z] = ends as [End, End, End, End];
  for (let seed = 0; seed < 20; seed++) {
    sendWhole(a, patterned(100, seed), z.socket.local);
    sendWhole(b, patterned(100, seed + 100), y.socket.local);
    // One socket to two places in turn.
    sendWhole(a, patterned(50, seed), y.socket.local);
  }
  await z.inbox.until(20);
  await y.inbox.until(40);
  for (const { bytes, source } of z.inbox.received) {
    deepEqual([source, bytes.length], [a.socket.local, 100]);
  }
  const fromA = y.inbox.received.filter(({ source }) => source.port === a.socket.local.port);
  const fromB = y.inbox.received.filter(({ source }) => source.port === b.socket.local.port);
  deepEqual(
    fromA.map(({ bytes }) => bytes),
    Array.from({ length: 20 }, (_, at) => patterned(50, at)),
  );
  deepEqual(
    fromB.map(({ bytes }) => bytes),
    Array.from({ length: 20 }, (_, at) => patterned(100, at + 100)),
  );
});

testAll("a socket on all addresses hears on each", async (bench) => {
  const [a, z] = [await bench.end("0.0.0.0"), await bench.end()];
  equal(a.socket.local.address, "0.0.0.0");
  sendWhole(z, patterned(9), { address: "127.0.0.1", port: a.socket.local.port });
  deepEqual((await a.inbox.until(1))[0]?.source, z.socket.local);
});

testAll("IPv6 on all addresses leaves the same port of IPv4 free", async (_, sockets) => {
  const [four, six] = [new Inbox(), new Inbox()];
  const ipv6 = await sockets.bind({ address: "::", handler: six });
  try {
    const { port } = ipv6.local;
    const ipv4 = await sockets.bind({ address: "0.0.0.0", port, handler: four });
    equal(ipv4.send(patterned(5), 0, 5, 5, { address: "127.0.0.1", port }), "sent");
    deepEqual((await four.until(1))[0]?.source, { address: "127.0.0.1", port });
    deepEqual(six.received, []);
    await ipv4.close();
  } finally {
    await ipv6.close();
  }
});

testAll("why a socket cannot be bound is told", async (bench, sockets) => {
  const { socket } = await bench.end();
  const handler = new Inbox();
  const taken = sockets.bind({ ...socket.local, handler });
  await rejects(taken, (error: unknown) => {
    ok(error instanceof BindError);
    equal(error.code, "address-in-use");
    ok(error.message.includes(`"127.0.0.1", port ${socket.local.port}`), error.message);
    return true;
  });
  for (const address of ["192.0.2.77", "2001:db8::77", "localhost", "", "fe80::1%lo", "127.1"]) {
    await rejects(sockets.bind({ address, handler }), { code: "address-unavailable" }, address);
  }
});

testAll("a socket that is closed while it waits is gone, with its port", async (bench, sockets) => {
  const { socket, inbox } = await bench.end();
  await pause(20);
  await socket.close();
  const again = await sockets.bind({ ...socket.local, handler: inbox });
  deepEqual(again.local, socket.local);
  await again.close();
  await again.close();
  equal(again.send(new Uint8Array(1), 0, 1, 1, socket.local), "unreachable");
});

testAll("a socket that is closed hears nothing any more", async (bench) => {
  const [a, z] = [await bench.end(), await bench.end()];
  for (let count = 0; count < 10; count++) sendWhole(a, patterned(10), z.socket.local);
  const closing = z.socket.close();
  const { drainedCount, received: { length } } = z.inbox;
  await closing;
  await pause(20);
  deepEqual([z.inbox.received.length, z.inbox.drainedCount], [length, drainedCount]);
  deepEqual(z.inbox.failures, []);
});

testAll("a handler may answer, and close both ends", async (bench) => {
  const a = await bench.end();
  const inbox = new Inbox();
  const z = await bench.end("127.0.0.1", inbox);
  inbox.handleDatagrams = (...[bytes, start, end, segmentLength, source]) => {
    // It sends from where it received.
    z.socket.send(bytes, start, end, segmentLength, source);
    void z.socket.close();
  };
  inbox.handleDrained = () => inbox.failures.push("drained after it was closed");
  const bytes = patterned(1000);
  a.socket.send(bytes, 0, 1000, 300, z.socket.local);
  const [first] = await a.inbox.until(1);
  deepEqual(first?.bytes, patterned(300));
  await z.socket.close();
  deepEqual(inbox.failures, []);
});

testAll("what a handler throws is reported, and the socket goes on", async (bench) => {
  const a = await bench.end();
  const reported: string[] = [];
  const listen = (event: ErrorEvent) => {
    event.preventDefault();
    reported.push(event.error.message);
  };
  globalThis.addEventListener("error", listen);
  try {
    const inbox = new Inbox();
    const take = inbox.handleDatagrams.bind(inbox);
    const z = await bench.end("127.0.0.1", inbox);
    inbox.handleDatagrams = () => {
      throw new Error("a handler's own");
    };
    sendWhole(a, patterned(10), z.socket.local);
    await inbox.untilTrue(() => inbox.drainedCount > 0);
    inbox.handleDatagrams = take;
    sendWhole(a, patterned(20), z.socket.local);
    deepEqual((await inbox.until(1))[0]?.bytes, patterned(20));
    deepEqual(reported, ["a handler's own"]);
  } finally {
    globalThis.removeEventListener("error", listen);
  }
});

testAll("a flooded socket lives, and so does the process around it", async (bench) => {
  const [a, z] = [await bench.end(), await bench.end()];
  const bytes = patterned(60_000);
  let tickCount = 0;
  const timer = setInterval(() => tickCount++, 1);
  const outcomes = new Set<string>();
  const begun = performance.now();
  while (performance.now() - begun < 300) {
    for (let count = 0; count < 20; count++) {
      outcomes.add(a.socket.send(bytes, 0, bytes.length, 1200, z.socket.local));
    }
    await pause(0);
  }
  clearInterval(timer);
  // It may have been full; what comes later arrives again.
  const mark = patterned(77);
  await z.inbox.untilTrue(() => {
    sendWhole(a, mark, z.socket.local);
    return z.inbox.received.some((one) => one.bytes.length === 77);
  });
  for (const outcome of outcomes) ok(outcome === "sent" || outcome === "dropped", outcome);
  ok(z.inbox.received.length > 100);
  for (const one of z.inbox.received) ok(one.bytes.length === 1200 || one.bytes.length === 77);
  deepEqual([a.inbox.failures, z.inbox.failures], [[], []]);
  ok(tickCount > 3, `timers had ${tickCount} turns`);
});

testAll("a thousand sockets, one after the other, leave nothing", async (_, sockets) => {
  const handler = new Inbox();
  await (await sockets.bind({ address: "127.0.0.1", handler })).close();
  const before = descriptorCount();
  for (let count = 0; count < 1000; count++) {
    const socket = await sockets.bind({ address: "127.0.0.1", handler });
    if (count % 3 === 0) socket.send(new Uint8Array(10), 0, 10, 10, socket.local);
    await socket.close();
  }
  equal(descriptorCount(), before);
}, !isLinux);

testAll("a hundred sockets at once hear each its own", async (bench) => {
  const ends: End[] = [];
  for (let count = 0; count < 100; count++) ends.push(await bench.end());
  await pause(5);
  for (const [at, end] of ends.entries()) {
    const next = ends[(at + 1) % 100];
    if (next !== undefined) sendWhole(end, patterned(at), next.socket.local);
  }
  for (const [at, { inbox }] of ends.entries()) {
    const [datagram] = await inbox.until(1);
    const before: SocketAddress | undefined = ends[(at + 99) % 100]?.socket.local;
    deepEqual(datagram, { bytes: patterned((at + 99) % 100), source: before });
  }
});
