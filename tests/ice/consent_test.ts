/** Consent (RFC 7675, reliability rows I5 and F11). */
import { deepEqual, equal, ok } from "node:assert/strict";
import { forSeeds } from "../sim/seeds.ts";
import type { IcePeer } from "./ice_world.ts";
import { areLinked, linkTwoPeers, type TwoPeers } from "./two_peers.ts";

function cut(peer: IcePeer, isCut: boolean): void {
  for (const host of peer.hosts) host.isCut = isCut;
}

/** The instants at which a peer sends checks in this time. */
function checksOf(peer: IcePeer, { world }: TwoPeers, ms: number): number[] {
  const instants: number[] = [];
  peer.onSend = (bytes) => {
    if (bytes[0] === 0 && bytes[1] === 1) instants.push(world.now);
  };
  world.runFor(ms);
  return instants;
}

Deno.test("consent is asked for every 5 s, 20 % more or less, and never in step", () => {
  forSeeds(20, (seed) => {
    const peers = linkTwoPeers({ seed });
    const instants = checksOf(peers.a, peers, 120_000);
    const gaps = instants.slice(1).map((at, n) => at - (instants[n] ?? 0));
    ok(gaps.every((gap) => gap >= 4_000 - 1e-6 && gap <= 6_000 + 1e-6), gaps.join());
    ok(new Set(gaps.map(Math.round)).size > 5, gaps.join());
    equal(peers.a.agent.state, "connected");
  });
});

Deno.test("30 s after the last answer no data may be sent, and that is said at once", () => {
  forSeeds(20, (seed) => {
    const peers = linkTwoPeers({ seed });
    const { world, a, z } = peers;
    world.runFor(seed * 317);
    cut(z, true);
    const begun = world.now;
    ok(world.runUntil(() => a.path === undefined, 60_000));
    const took = world.now - begun;
    ok(took <= 30_000 && took >= 30_000 - 6_100, `${took} ms`);
    ok(!a.sendData("no"));
    equal(a.agent.state, "disconnected");
    equal(a.states().at(-1)?.at, world.now);
  });
});

Deno.test("the 30 s begin when that was asked which was answered, however late the answer is", () => {
  const { world, a } = linkTwoPeers({ delayMs: 1_000 });
  let askedAt = NaN;
  a.onSend = (bytes) => {
    if (bytes[0] === 0 && bytes[1] === 1) askedAt = world.now;
  };
  ok(world.runUntil(() => askedAt > 0, 10_000));
  const lastAt = askedAt;
  world.network.isBlocked = ({ source, bytes }) =>
    source.address === a.hosts[0]?.address && bytes[0] === 0 && bytes[1] === 1;
  ok(world.runUntil(() => a.path === undefined, 40_000));
  equal(Math.round(world.now - lastAt), 30_000);
});

Deno.test("data without answers does not renew consent", () => {
  const { world, a, z } = linkTwoPeers();
  // Z's answers are lost, and its checks; its data comes.
  world.network.isBlocked = ({ source, bytes }) =>
    source.address === z.hosts[0]?.address && (bytes[0] ?? 0) < 4;
  const talk = () => {
    z.sendData("I am here");
    world.later(100, talk);
  };
  talk();
  ok(world.runUntil(() => a.path === undefined, 31_000));
  ok(a.received.length > 200);
});

Deno.test("a path returns by itself within 3 s of the network, after any cut", () => {
  for (const seconds of [5, 29, 31, 60, 119]) {
    forSeeds(10, (seed) => {
      const peers = linkTwoPeers({ seed, delayMs: 30 });
      const { world, a, z } = peers;
      world.runFor(seed * 500);
      cut(z, true);
      world.runFor(seconds * 1_000);
      equal(areLinked(peers), seconds < 24);
      cut(z, false);
      ok(world.runUntil(() => areLinked(peers), 3_000), `after ${seconds} s`);
      world.runFor(100);
      ok(a.sendData("back") && z.sendData("back"));
      world.runFor(1_000);
      equal(a.received.at(-1)?.text, "back");
      equal(z.received.at(-1)?.text, "back");
    });
  }
});

Deno.test("after an hour without a network the path returns within half a minute", () => {
  const peers = linkTwoPeers();
  const { world, a, z } = peers;
  cut(z, true);
  world.runFor(60_000);
  const sentBefore = a.sentCount;
  world.runFor(3_600_000);
  ok(a.sentCount - sentBefore < 3_600, `${a.sentCount - sentBefore} checks in an hour`);
  cut(z, false);
  ok(world.runUntil(() => areLinked(peers), 30_000));
  deepEqual(a.states().map(({ state }) => state), [
    "checking",
    "connected",
    "disconnected",
    "connected",
  ]);
});

Deno.test("losing every third datagram loses no consent", () => {
  forSeeds(20, (seed) => {
    const { world, a, z } = linkTwoPeers({ seed, loss: 0.33 });
    world.runFor(300_000);
    equal(a.states().at(-1)?.state, "connected");
    equal(z.states().length, 2);
  });
});

Deno.test("an agent that was closed sends nothing and tells nothing", () => {
  const { world, a } = linkTwoPeers();
  a.agent.close();
  const { sentCount } = a;
  const eventCount = a.events.length;
  world.runFor(60_000);
  equal(a.sentCount, sentCount);
  equal(a.events.length, eventCount);
  equal(a.agent.nextTimeout(), undefined);
  equal(a.path, undefined);
});
