/** How long it takes until there is a path. */
import { equal, ok } from "node:assert/strict";
import { stunServer } from "./ice_world.ts";
import { areLinked, createTwoPeers, type TwoPeers } from "./two_peers.ts";

/** From the moment at which both are told of each other. */
function timeToLink(peers: TwoPeers, limitMs: number): number {
  const { world, a, z } = peers;
  world.runFor(1_000);
  const begun = world.now;
  world.connect(a, z);
  ok(world.runUntil(() => areLinked(peers), limitMs), "linked");
  return world.now - begun;
}

Deno.test("at an RTT of 100 ms there is a path one round trip after signaling", () => {
  const took = timeToLink(createTwoPeers({ delayMs: 50, signalingDelayMs: 0 }), 1_000);
  ok(took <= 110, `${took} ms`);
});

Deno.test("on a LAN there is a path within 100 ms, however many networks each side has", () => {
  const networks = (host: number) => [
    `172.17.0.${host}`,
    `10.8.0.${host}`,
    `203.0.113.${host}`,
    `2001:db8::${host}`,
    `192.168.56.${host}`,
  ];
  const peers = createTwoPeers({
    delayMs: 0.5,
    signalingDelayMs: 5,
    a: { addresses: networks(1), stunServers: [stunServer] },
    z: { addresses: networks(2), stunServers: [stunServer] },
  });
  const took = timeToLink(peers, 1_000);
  ok(took <= 100, `${took} ms`);
});

Deno.test("where only the least of five networks passes, there is a path within 3 s", () => {
  const networks = (host: number) => [1, 2, 3, 4, 5].map((net) => `203.0.${net}.${host}`);
  const peers = createTwoPeers({ a: { addresses: networks(1) }, z: { addresses: networks(2) } });
  peers.world.network.isBlocked = ({ source, destination }) =>
    !source.address.startsWith("203.0.5.") || !destination.address.startsWith("203.0.5.");
  const took = timeToLink(peers, 10_000);
  ok(took <= 3_000, `${took} ms`);
});

Deno.test("IPv6 is used where there is nothing else, and never mixed with IPv4", () => {
  const peers = createTwoPeers({
    a: { addresses: ["10.1.1.1", "2001:db8::1"] },
    z: { addresses: ["2001:db8::2", "10.2.2.2"] },
  });
  peers.world.network.isBlocked = ({ source }) => !source.address.includes(":");
  timeToLink(peers, 5_000);
  equal(peers.a.path?.destination.address, "2001:db8::2");
  for (const { local, remote } of peers.a.agent.pairs()) {
    equal(local.address.includes(":"), remote.address.includes(":"));
  }
});
