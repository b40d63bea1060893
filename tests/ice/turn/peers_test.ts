import { deepEqual, equal, ok } from "node:assert/strict";
import { methods } from "../../../src/ice/stun/message_header.ts";
import type { TransportAddress } from "../../../src/ice/stun/address.ts";
import { TurnClient } from "../../../src/ice/turn/turn_client.ts";
import { allocate, ofType, type TurnPair, turnPair } from "./client_endpoint.ts";
import { user } from "./fake_turn_server.ts";

const peer = { address: "198.51.100.9", port: 4_000 };
const hello = new TextEncoder().encode("hello");
/** It begins as a STUN message does. */
const check = Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7);

function send(pair: TurnPair, data: Uint8Array, to: TransportAddress = peer): boolean {
  return pair.call("a", (client, now) => client.send(to, data, now));
}

function requestCount(pair: TurnPair, method: number): number {
  return pair.z.requests.filter((request) => request.method === method).length;
}

Deno.test("the first datagram arrives: the permission is asked for before it", () => {
  const pair = allocate(turnPair());
  ok(send(pair, check));
  pair.runFor(100);
  deepEqual(pair.events.z, [{ type: "peer-data", peer, data: check, via: "indication" }]);
});

Deno.test("checks of a path go by indications, and data by a channel once there is one", () => {
  const pair = allocate(turnPair({ server: { isEchoing: true } }));
  for (const data of [check, check, hello, hello]) {
    send(pair, data);
    pair.runFor(100);
  }
  deepEqual(pair.events.z.map(({ via }) => via), [
    "indication",
    "indication",
    "indication",
    "channel",
  ]);
  deepEqual([...pair.z.channels.keys()], [0x4000]);
  const data = ofType(pair.events.a, "data");
  deepEqual(data.map((one) => one.data), [check, check, hello, hello]);
  for (const { source } of data) deepEqual(source, peer);
});

Deno.test("empty datagrams pass both ways", () => {
  const pair = allocate(turnPair({ server: { isEchoing: true } }));
  for (let count = 0; count < 3; count++) {
    send(pair, new Uint8Array(0));
    pair.runFor(100);
  }
  equal(ofType(pair.events.a, "data").length, 3);
});

Deno.test("a peer of another port at a permitted address is heard", () => {
  const pair = allocate(turnPair());
  pair.call("a", (client, now) => client.client.permit(peer, now));
  pair.runFor(100);
  const other = { ...peer, port: 9 };
  pair.call("z", (server, now) => server.handlePeerData(other, hello, now));
  pair.runFor(100);
  deepEqual(ofType(pair.events.a, "data"), [{ type: "data", source: other, data: hello }]);
});

Deno.test("what is used is kept for half an hour, though nonces go stale and much is lost", () => {
  for (const seed of [1, 2, 3]) {
    const pair = turnPair({
      seed,
      server: { nonceLifetime: 4_000, isEchoing: true },
      impairments: { delayMs: 30, jitterMs: 20, loss: 0.1 },
    });
    allocate(pair);
    send(pair, hello);
    pair.runFor(20_000);
    const { droppedCount } = pair.z;
    let sentCount = 0;
    for (; sentCount < 1_800; sentCount++) {
      ok(send(pair, hello));
      pair.runFor(1_000);
    }
    deepEqual(ofType(pair.events.a, "failed"), []);
    deepEqual(ofType(pair.events.a, "refused"), []);
    equal(pair.z.droppedCount, droppedCount, `seed ${seed}`);
    deepEqual([...pair.z.channels.keys()], [0x4000]);
    equal(pair.z.allocationCount, 1);
    ok(pair.z.staleCount > 5);
    ok(ofType(pair.events.a, "data").length > 0.75 * sentCount);
  }
});

Deno.test("permissions are refreshed after 4 minutes, channels after 9", () => {
  const pair = allocate(turnPair());
  for (let minute = 0; minute < 15; minute++) {
    send(pair, hello);
    pair.runFor(60_000);
  }
  equal(requestCount(pair, methods.channelBind), 2);
  ok(requestCount(pair, methods.createPermission) >= 3);
  ok(requestCount(pair, methods.createPermission) <= 5);
});

Deno.test("what is not used lapses, and comes back when it is", () => {
  const pair = allocate(turnPair());
  send(pair, hello);
  pair.runFor(100);
  pair.runFor(1_000_000);
  equal(requestCount(pair, methods.channelBind), 1);
  equal(pair.z.hasPermission(peer.address, pair.now), false);
  for (let count = 0; count < 2; count++) {
    send(pair, hello);
    pair.runFor(100);
  }
  deepEqual(pair.events.z.map(({ via }) => via), ["indication", "indication", "channel"]);
});

Deno.test("a channel that has lapsed is bound under its own number, while the server may have it", () => {
  const pair = allocate(turnPair());
  send(pair, hello);
  pair.runFor(100);
  const other = { address: "198.51.100.77", port: 1 };
  pair.runFor(800_000);
  send(pair, hello, other);
  send(pair, hello);
  pair.runFor(100);
  deepEqual([...pair.z.channels].map(([number, channel]) => [number, channel.peer]), [
    [0x4000, peer],
    [0x4001, other],
  ]);
});

Deno.test("a number goes to no other peer while the server may hold it to one", () => {
  const pair = allocate(turnPair());
  for (let count = 0; count < 150; count++) {
    send(pair, hello, { address: "198.51.100.9", port: 1_000 + count });
    pair.runFor(10_000);
  }
  // 64 at once, for 15 minutes each, and each refused by none.
  const bound = pair.z.requests
    .filter(({ method }) => method === methods.channelBind)
    .map(({ attributes }) => attributes.channelNumber);
  equal(new Set(bound).size, bound.length);
  ok(bound.length > 100 && bound.length <= 128);
  deepEqual(ofType(pair.events.a, "failed"), []);
});

Deno.test("numbers begin anew after the last, past those that are in use", () => {
  const pair = allocate(turnPair());
  let port = 0;
  for (let round = 0; round < 4_096 / 63 + 1; round++) {
    for (let count = 0; count < 63; count++) {
      send(pair, hello, { address: "198.51.100.10", port: ++port });
    }
    for (let minute = 0; minute < 18; minute += 3) {
      send(pair, hello);
      pair.runFor(180_000);
    }
  }
  const bound = pair.z.requests.filter(({ method }) => method === methods.channelBind);
  const ofOthers = bound
    .filter(({ attributes }) => attributes.xorPeerAddresses?.[0]?.address === "198.51.100.10")
    .map(({ attributes }) => attributes.channelNumber);
  const [ours] = [...pair.z.channels].find(([, channel]) =>
    channel.peer.port === peer.port &&
    channel.peer.address === peer.address
  ) ?? [];
  equal(ours, 0x4000 + 63);
  equal(ofOthers.indexOf(0x4fff), 4_094);
  equal(ofOthers.indexOf(ours), -1);
  deepEqual(ofOthers.slice(4_095, 4_098), [0x4000, 0x4001, 0x4002]);
});

Deno.test("an address that the server refuses is told once, and asked for again while it is wanted", () => {
  const pair = allocate(turnPair({
    server: {
      refuse: ({ method }) => method === methods.createPermission ? { code: 403 } : undefined,
    },
  }));
  for (let second = 0; second < 150; second++) {
    send(pair, check);
    pair.runFor(1_000);
  }
  deepEqual(ofType(pair.events.a, "refused").map(({ address }) => address), [peer.address]);
  equal(requestCount(pair, methods.createPermission), 3);
  equal(send(pair, check), false);
  equal(pair.a.client.isPermitted(peer.address), false);
});

Deno.test("an allocation that the server has lost is found out by a permission that it calls bad", () => {
  let isLost = false;
  const pair = allocate(turnPair({
    server: {
      refuse: ({ method }) => {
        if (!isLost) return undefined;
        return { code: method === methods.createPermission ? 400 : 437 };
      },
    },
  }));
  isLost = true;
  send(pair, check);
  pair.runFor(1_000);
  deepEqual(ofType(pair.events.a, "failed").length, 1);
});

Deno.test("a channel that is refused leaves the indications", () => {
  const pair = allocate(turnPair({
    server: { refuse: ({ method }) => method === methods.channelBind ? { code: 400 } : undefined },
  }));
  for (let second = 0; second < 130; second++) {
    send(pair, hello);
    pair.runFor(1_000);
  }
  deepEqual(new Set(pair.events.z.map(({ via }) => via)), new Set(["indication"]));
  equal(pair.events.z.length, 130);
  equal(requestCount(pair, methods.channelBind), 3);
});

Deno.test("64 addresses are remembered, 32 requests are under way, and the rest waits", () => {
  const pair = allocate(turnPair());
  const sent = pair.recordSent();
  for (let count = 0; count < 200; count++) {
    pair.call(
      "a",
      (client, now) => client.client.permit({ address: `10.0.0.${count}`, port: 1 }, now),
    );
  }
  equal(sent.length, 32);
  pair.runFor(1_000);
  equal(pair.a.client.isPermitted("10.0.0.199"), true);
  const known = Array.from({ length: 200 }, (_, n) => pair.a.client.isPermitted(`10.0.0.${n}`));
  equal(known.filter((isKnown) => isKnown).length, 64);
  // Those that were under way when they were forgotten, and those that were remembered.
  ok(requestCount(pair, methods.createPermission) <= 32 + 64);
  deepEqual(ofType(pair.events.a, "failed"), []);
});

Deno.test("peers that are permitted before there is an allocation are permitted then", () => {
  const pair = turnPair();
  pair.call("a", (client, now) => client.client.permit(peer, now));
  equal(send(pair, hello), false);
  allocate(pair);
  pair.runFor(100);
  ok(pair.z.hasPermission(peer.address, pair.now));
});

/** A client with a channel to the peer, and what it is driven by. */
function channelled(isStream: boolean): { client: TurnClient; now: number } {
  const pair = allocate(turnPair({ client: { isStream } }));
  send(pair, hello);
  pair.runFor(100);
  return { client: pair.a.client, now: pair.now };
}

Deno.test("data that lies where it belongs is not moved, and only a stream is padded", () => {
  for (const isStream of [false, true]) {
    const { client, now } = channelled(isStream);
    const out = new Uint8Array(16).fill(0xaa);
    out.set(hello, 6);
    const length = client.wrap(out, 2, out, 6, 11, peer, now);
    equal(length, isStream ? 12 : 9);
    const padding = isStream ? [0, 0, 0] : [0xaa, 0xaa, 0xaa];
    deepEqual([...out], [0xaa, 0xaa, 0x40, 0, 0, 5, ...hello, ...padding, 0xaa, 0xaa]);
    const elsewhere = new Uint8Array(16);
    equal(client.wrap(elsewhere, 2, hello, 0, 5, peer, now), length);
    deepEqual(elsewhere.subarray(2, 11), out.subarray(2, 11));
  }
});

Deno.test("there has to be room, and no datagram is longer than its length can say", () => {
  const { client, now } = channelled(true);
  let isThrown = false;
  try {
    client.wrap(new Uint8Array(11), 0, hello, 0, 5, peer, now);
  } catch (error) {
    isThrown = error instanceof RangeError;
  }
  ok(isThrown);
  const long = new Uint8Array(0x10000);
  equal(client.wrap(new Uint8Array(0x20000), 0, long, 0, long.length, peer, now), 0);
  equal(client.wrap(new Uint8Array(0x20000), 0, long, 0, 0xffff, peer, now), 0x10000 + 4);
});

Deno.test("what no indication can say is dropped", () => {
  const pair = allocate(turnPair());
  const data = new Uint8Array(65_501);
  equal(pair.a.client.wrap(new Uint8Array(70_000), 0, data, 0, 65_501, peer, pair.now), 0);
  equal(pair.a.client.wrap(new Uint8Array(70_000), 0, data, 0, 65_500, peer, pair.now), 65_536);
});

Deno.test("a client that was never used has nothing to give back", () => {
  const client = new TurnClient({
    ...user,
    isStream: false,
    random: (length) => new Uint8Array(length),
    handleData: () => {},
  }, 0);
  client.close(0);
  equal(client.nextTimeout(), undefined);
  client.permit(peer, 1);
  equal(client.pollTransmit(new Uint8Array(100), 1), undefined);
});
