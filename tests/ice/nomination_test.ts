/** Continuous nomination: a better path is taken over, a dead one is left. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { shortTermKey } from "../../src/ice/stun/integrity.ts";
import { writeStunMessage } from "../../src/ice/stun/message.ts";
import { methods } from "../../src/ice/stun/message_header.ts";
import { Nat, natKinds } from "../sim/nat.ts";
import { Random } from "../sim/random.ts";
import { forSeeds } from "../sim/seeds.ts";
import { IcePeer, stunServer } from "./ice_world.ts";
import { addressOfZ, areLinked, createTwoPeers, linkTwoPeers, type TwoPeers } from "./two_peers.ts";

/** Has one side send numbered data for ever. */
function startData(from: IcePeer, { world }: TwoPeers, everyMs: number): () => number {
  let count = 0;
  const send = () => {
    if (from.sendData(String(count))) count++;
    world.later(everyMs, send);
  };
  send();
  return () => count;
}

function missing(to: IcePeer, count: number): number[] {
  const received = new Set(to.received.map(({ text }) => Number(text)));
  return Array.from({ length: count }, (_, n) => n).filter((n) => !received.has(n));
}

/** Each on two networks: a fast one with the first base, and another. */
const twoNetworks = {
  a: { addresses: ["203.0.113.1", "198.51.100.1"] },
  z: { addresses: ["203.0.113.2", "198.51.100.2"] },
} as const;

/** Nothing passes between the two networks. */
function separate({ world }: TwoPeers): void {
  world.network.isBlocked = ({ source, destination }) =>
    source.address.slice(0, 7) !== destination.address.slice(0, 7);
}

function cutNetwork({ a, z }: TwoPeers, prefix: string, isCut: boolean): void {
  for (const host of [...a.hosts, ...z.hosts]) {
    if (host.address.startsWith(prefix)) host.isCut = isCut;
  }
}

Deno.test("both sides agree on the pair of the highest priority", () => {
  forSeeds(50, (seed) => {
    const peers = createTwoPeers({ seed, loss: 0.1, ...twoNetworks });
    const { world, a, z } = peers;
    world.connect(a, z);
    world.runFor(30_000);
    equal(a.path?.local.address, a.agent.pairs()[0]?.local.address);
    equal(a.path?.local.address, z.path?.remote.address);
    equal(a.path?.remote.address, z.path?.local.address);
  });
});

Deno.test("a dead path is left within 3 s while another lives", () => {
  forSeeds(100, (seed) => {
    const peers = createTwoPeers({ seed, delayMs: 10, jitterMs: 10, ...twoNetworks });
    const { world, a, z } = peers;
    separate(peers);
    world.connect(a, z);
    world.runFor(8_000 + seed * 37);
    equal(a.path?.local.address, "203.0.113.1");
    cutNetwork(peers, "203", true);
    const isAway = (peer: IcePeer) => peer.path?.local.address.startsWith("198") === true;
    ok(world.runUntil(() => isAway(a) && isAway(z), 3_000), `at ${world.now}`);
    ok(!a.states().some(({ state }) => state === "disconnected"));
  });
});

Deno.test("the better path is taken again when it has returned and proved itself", () => {
  forSeeds(20, (seed) => {
    const peers = createTwoPeers({ seed, ...twoNetworks });
    const { world, a, z } = peers;
    separate(peers);
    world.connect(a, z);
    world.runFor(5_000);
    cutNetwork(peers, "203", true);
    world.runFor(10_000);
    cutNetwork(peers, "203", false);
    world.runFor(4_000);
    equal(a.path?.local.address, "198.51.100.1");
    world.runFor(26_000);
    for (const peer of [a, z]) ok(peer.path?.local.address.startsWith("203"));
  });
});

Deno.test("a path that comes and goes is trusted less each time", () => {
  const peers = createTwoPeers({ ...twoNetworks });
  const { world, a, z } = peers;
  separate(peers);
  world.connect(a, z);
  world.runFor(5_000);
  const before = a.events.length;
  for (let round = 0; round < 60; round++) {
    cutNetwork(peers, "203", round % 2 === 0);
    world.runFor(10_000);
  }
  const switches = a.events.slice(before).filter(({ event }) => event.type === "selected").length;
  ok(switches >= 2 && switches <= 14, `${switches} switches in ten minutes`);
});

Deno.test("on a lossy path nothing is switched without need, and nothing ends", () => {
  forSeeds(6, (seed) => {
    const peers = createTwoPeers({ seed, loss: 0.1, ...twoNetworks });
    const { world, a, z } = peers;
    separate(peers);
    world.connect(a, z);
    world.runFor(300_000);
    const switches = a.events.filter(({ event }) => event.type === "selected").length;
    ok(switches <= 8, `${switches} switches in five minutes`);
    ok(!a.states().some(({ state }) => state === "disconnected"));
  });
});

Deno.test("a relayed path gives way to a direct one, and not a byte is lost", () => {
  forSeeds(30, (seed) => {
    const nat = (publicAddress: string) => new Nat({ publicAddress, ...natKinds["full cone"] });
    const peers = createTwoPeers({
      seed,
      a: { addresses: ["10.0.0.1"], nat: nat("198.51.100.1"), hasRelay: true },
      z: { addresses: ["10.0.1.1"], nat: nat("198.51.100.2"), hasRelay: true },
    });
    const { world, a, z } = peers;
    // No way but by the relay, at first.
    let isRelayOnly = true;
    world.network.isBlocked = ({ source, destination }) =>
      isRelayOnly && source.address !== "192.0.2.99" && destination.address !== "192.0.2.99";
    world.connect(a, z);
    ok(world.runUntil(() => areLinked(peers), 10_000));
    ok(a.path?.isRelayed);
    world.runFor(5_000);
    const counts = [startData(a, peers, 10), startData(z, peers, 10)];
    world.runFor(20_000);
    isRelayOnly = false;
    for (const peer of [a, z]) peer.agent.addStunServer(stunServer, world.now);
    const isDirect = (peer: IcePeer) => peer.path?.isRelayed === false;
    ok(world.runUntil(() => isDirect(a) && isDirect(z), 40_000));
    world.runFor(5_000);
    const [sentByA = 0, sentByZ = 0] = counts.map((count) => count());
    world.network.isBlocked = () => true;
    world.runFor(1_000);
    deepEqual(missing(z, sentByA).filter((n) => n < sentByA - 50), []);
    deepEqual(missing(a, sentByZ).filter((n) => n < sentByZ - 50), []);
    ok(!a.path?.isRelayed && a.states().length === 2);
  });
});

Deno.test("a LAN that is joined later takes over from a WAN, and not a byte is lost", () => {
  const peers = linkTwoPeers({
    a: { addresses: ["198.51.100.1"] },
    z: { addresses: ["198.51.100.2"] },
  });
  const { world, a, z } = peers;
  const count = startData(a, peers, 5);
  world.runFor(3_000);
  for (const [peer, address] of [[a, "203.0.113.1"], [z, "203.0.113.2"]] as const) {
    peer.addHostBase(address);
  }
  separate(peers);
  world.runFor(5_000);
  // Added later, it is preferred less: the first path is as good as this one.
  equal(a.path?.local.address, "198.51.100.1");
  peers.a.agent.removeBase(1, world.now);
  world.runFor(500);
  equal(a.path?.local.address, "203.0.113.1");
  world.runFor(5_000);
  equal(z.path?.local.address, "203.0.113.2");
  const sent = count();
  deepEqual(missing(z, sent).filter((n) => n < sent - 50), []);
});

Deno.test("when the relay dies too, and all others, that is said; and the first to return is taken", () => {
  const peers = linkTwoPeers({ a: { hasRelay: true }, z: { hasRelay: true } });
  const { world, a, z } = peers;
  world.runFor(10_000);
  ok(a.path?.isRelayed === false);
  world.network.isBlocked = ({ source, destination }) =>
    source.address !== "192.0.2.99" && destination.address !== "192.0.2.99";
  ok(world.runUntil(() => a.path?.isRelayed === true && z.path?.isRelayed === true, 3_500));
  for (const allocation of [...a.allocations, ...z.allocations]) allocation.isDead = true;
  world.runFor(35_000);
  equal(a.agent.state, "disconnected");
  world.network.isBlocked = () => false;
  ok(world.runUntil(() => areLinked(peers), 3_000));
  ok(a.path?.isRelayed === false);
});

Deno.test("a path that the driver doubts is checked at once", () => {
  const peers = linkTwoPeers({ delayMs: 20 });
  const { world, a } = peers;
  let checkCount = 0;
  a.onSend = () => checkCount++;
  a.agent.probe(world.now);
  world.runFor(60);
  ok(checkCount >= 1);
  cutNetwork(peers, "203", true);
  a.agent.probe(world.now);
  world.runFor(1_000);
  ok(checkCount >= 4, `${checkCount} checks`);
});

Deno.test("a base that is removed is left at once", () => {
  const peers = linkTwoPeers(twoNetworks);
  const { world, a, z } = peers;
  world.runFor(5_000);
  equal(a.path?.baseId, 1);
  a.agent.removeBase(1, world.now);
  equal(a.path?.baseId, 2);
  ok(world.runUntil(() => z.path?.destination.address === "198.51.100.1", 3_000));
  a.agent.removeBase(2, world.now);
  equal(a.path, undefined);
  equal(a.agent.state, "disconnected");
});

Deno.test("RTT is measured, and follows the path", () => {
  const { world, a } = linkTwoPeers({ delayMs: 40 });
  ok(Math.abs((a.path?.rtt ?? 0) - 80) < 1, `${a.path?.rtt}`);
  equal(a.path?.destination.address, addressOfZ);
  ok(world.now > 0);
});

/** A check of A with USE-CANDIDATE, as it comes to Z's base on one of the two networks. */
function nominateAtZ({ a, z }: TwoPeers, network: 1 | 2, random: Random): void {
  const { ufrag, pwd } = z.agent.localCredentials;
  const bytes = writeStunMessage({
    messageClass: "request",
    method: methods.binding,
    transactionId: random.bytes(12),
    attributes: {
      username: `${ufrag}:${a.agent.localCredentials.ufrag}`,
      priority: 1,
      iceControlling: 2n ** 64n - 1n,
      useCandidate: true,
    },
  }, { key: shortTermKey(pwd) });
  const address = a.hosts[network - 1]?.address ?? "";
  z.receive(network, { address, port: 4_999 + network }, bytes);
}

Deno.test("of pairs that are nominated at once the best is followed, in whatever order", () => {
  const random = new Random("nominations");
  for (const order of [[1, 2], [2, 1], [2, 1, 2], [1, 2, 1, 2, 2, 2]] as const) {
    const peers = createTwoPeers(twoNetworks);
    const { world, z } = peers;
    separate(peers);
    world.connect(peers.a, z);
    world.runFor(5_000);
    for (const network of order) nominateAtZ(peers, network, random);
    equal(z.path?.baseId, 1, order.join());
  }
});

Deno.test("the latest nomination is followed, to a lower pair too", () => {
  const random = new Random("nominations");
  const peers = linkTwoPeers(twoNetworks);
  const { world, a, z } = peers;
  world.network.isBlocked = ({ bytes }) => bytes[0] === 0 && bytes[1] === 1;
  a.onSend = () => {};
  equal(z.path?.baseId, 1);
  world.runFor(1_100);
  nominateAtZ(peers, 2, random);
  equal(z.path?.baseId, 2);
});
