/** Row D19: whatever is lost is said again, and a handshake is given up in time. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { flipping, losing, runHandshake, talks } from "./lossy_handshake.ts";
import { parseRecords } from "./on_path.ts";
import { Pair } from "./pair.ts";

Deno.test("a handshake survives the loss of any one and any two of its first 40 datagrams", () => {
  let slowest = 0;
  const mtu = 200;
  for (let first = 0; first < 40; first++) {
    for (let second = first; second < 40; second++) {
      const { connectedAt, pair } = runHandshake({
        client: { mtu },
        server: { mtu },
        tap: ({ index }) => index === first || index === second ? [] : undefined,
      });
      ok(
        connectedAt !== undefined,
        `without ${first} and ${second}: ${JSON.stringify(pair.events)}`,
      );
      slowest = Math.max(slowest, connectedAt);
    }
  }
  ok(slowest <= 500, `${slowest} ms`);
});

Deno.test("handshakes in four datagrams survive the loss of any one and any two", () => {
  for (let first = 0; first < 10; first++) {
    for (let second = first; second < 10; second++) {
      const { connectedAt, pair } = runHandshake({
        tap: ({ index }) => index === first || index === second ? [] : undefined,
      });
      ok(connectedAt !== undefined && connectedAt <= 500, `without ${first} and ${second}`);
      ok(talks(pair));
    }
  }
});

Deno.test("1,000 handshakes at a loss of 20 % complete within 30 s", () => {
  for (let seed = 0; seed < 1_000; seed++) {
    const { connectedAt, pair } = runHandshake({ tap: losing(seed, 0.2) });
    ok(connectedAt !== undefined && connectedAt <= 30_000, `seed ${seed}`);
    ok(talks(pair), `seed ${seed}`);
  }
});

Deno.test("with flipped bits, both ends are connected to each other or none is", () => {
  let connectedCount = 0;
  for (let seed = 0; seed < 200; seed++) {
    const { pair } = runHandshake({ tap: flipping(seed, 0.3) });
    if (!pair.isConnected()) continue;
    connectedCount++;
    ok(talks(pair), `seed ${seed}`);
  }
  ok(connectedCount > 160, `${connectedCount}`);
});

Deno.test("a flight is sent again after 1, 3, 7 and 15 s, and given up after 30 s", () => {
  const config = { initialTimeout: 1_000 };
  const pair = new Pair({ client: config, tap: () => [] });
  pair.run();
  const times = pair.sent.filter(({ from }) => from === "client").map(({ now }) => now);
  deepEqual(times, [0, 1_000, 3_000, 7_000, 15_000]);
  equal(pair.now, 30_000);
  deepEqual([pair.ending("client"), pair.ending("server")], ["timeout", "timeout"]);
});

Deno.test("the timer is doubled up to 60 s and no further", () => {
  const config = { initialTimeout: 20_000, handshakeTimeout: 300_000 };
  const pair = new Pair({ client: config, tap: () => [] });
  pair.run(250_000);
  const times = pair.sent.filter(({ from }) => from === "client").map(({ now }) => now);
  deepEqual(times, [0, 20_000, 60_000, 120_000, 180_000, 240_000]);
});

Deno.test("D11: what is sent again has new record numbers and the same messages", () => {
  const pair = new Pair({ tap: () => [] });
  pair.run(1_000);
  const records = pair.sent.flatMap(({ bytes }) => parseRecords(bytes));
  ok(records.length > 2);
  deepEqual(records.map(({ sequence }) => sequence), records.map((_, index) => index));
  for (const { fragment } of records) deepEqual(fragment, records[0]?.fragment);
});

Deno.test("a flight that is not answered is sent in smaller datagrams", () => {
  const filler = new Uint8Array(2_000).fill(48);
  const chain = [new Uint8Array(300).fill(48), filler];
  const pair = new Pair({
    server: { chain },
    tap: ({ from }) => from === "server" ? [] : undefined,
  });
  pair.run(5_000);
  const lengths = pair.sent.filter(({ from }) => from === "server").map(({ bytes }) =>
    bytes.length
  );
  ok(Math.max(...lengths.slice(0, 3)) > 548);
  ok(Math.max(...lengths.slice(-3)) <= 548);
});

Deno.test("a client that lost the last flight gets it again, once a Finished", () => {
  const pair = new Pair({ tap: ({ index }) => index === 3 ? [] : undefined });
  pair.run(1_000);
  ok(pair.isConnected());
  deepEqual(pair.sent.map(({ from }) => from), [
    "client",
    "server",
    "client",
    "server",
    "client",
    "server",
  ]);
});

Deno.test("a replayed last message of the peer is answered no more often than the timer allows", () => {
  const pair = new Pair({ tap: () => [] });
  const [hello] = pair.sent;
  ok(hello);
  pair.now = 10;
  for (let count = 0; count < 100; count++) pair.deliver("server", hello.bytes);
  equal(pair.sent.filter(({ from }) => from === "server").length, 1);
  pair.now = 80;
  for (let count = 0; count < 100; count++) pair.deliver("server", hello.bytes);
  equal(pair.sent.filter(({ from }) => from === "server").length, 2);
});

Deno.test("once its client has sent data, a server sends its last flight no more", () => {
  const pair = new Pair();
  pair.run(1_000);
  pair.send("client", new Uint8Array(1));
  pair.run();
  const flight = pair.sent.filter(({ from }) => from === "client")[1];
  ok(flight);
  const before = pair.sent.length;
  pair.now += 10_000;
  pair.deliver("server", flight.bytes);
  equal(pair.sent.length, before);
});

Deno.test("a handshake survives any order of its datagrams", () => {
  for (let seed = 0; seed < 100; seed++) {
    const mtu = 200;
    const { connectedAt } = runHandshake({
      client: { mtu },
      server: { mtu },
      tap: ({ bytes, index }) => [{ bytes, delay: (index * 7919 + seed * 104_729) % 40 }],
    });
    ok(connectedAt !== undefined && connectedAt <= 2_000, `seed ${seed}`);
  }
});
