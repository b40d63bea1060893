/** Restarts (RFC 8445 section 9, reliability row I6). */
import { deepEqual, equal, notEqual, ok, throws } from "node:assert/strict";
import { forSeeds } from "../sim/seeds.ts";
import { type IcePeer } from "./ice_world.ts";
import { areLinked, linkTwoPeers, type TwoPeers } from "./two_peers.ts";

/** As a driver does it: new credentials on both sides, signalled; the candidates follow. */
function restart({ world, a, z }: TwoPeers, delayMs: number): void {
  a.agent.restart(world.now);
  const offered = a.agent.localCredentials;
  world.later(delayMs, () => {
    z.agent.restart(world.now);
    z.agent.setRemoteCredentials(offered, world.now);
    z.tellCredentials(a, delayMs);
  });
}

function generationOf(peer: IcePeer): number {
  return peer.agent.pairs().length;
}

Deno.test("a restart has new credentials, and tells all candidates again", () => {
  const peers = linkTwoPeers();
  const { world, a } = peers;
  const before = a.agent.localCredentials;
  const toldBefore = a.candidates().length;
  restart(peers, 50);
  notEqual(a.agent.localCredentials.ufrag, before.ufrag);
  notEqual(a.agent.localCredentials.pwd, before.pwd);
  world.runFor(1_000);
  equal(a.candidates().length, 2 * toldBefore);
});

Deno.test("data goes on through a restart, whatever signaling takes, and not a byte is lost", () => {
  for (const delayMs of [0, 50, 2_000, 60_000]) {
    const peers = linkTwoPeers();
    const { world, a, z } = peers;
    let count = 0;
    const send = () => {
      if (a.sendData(String(count))) count++;
      world.later(10, send);
    };
    send();
    restart(peers, delayMs);
    world.runFor(2 * delayMs + 20_000);
    equal(a.states().length, 2);
    ok(areLinked(peers));
    const received = new Set(z.received.map(({ text }) => Number(text)));
    const lost = Array.from({ length: count - 10 }, (_, n) => n).filter((n) => !received.has(n));
    deepEqual(lost, []);
    equal(generationOf(a), 1);
    ok(a.events.filter(({ event }) => event.type === "selected").length >= 2);
  }
});

Deno.test("the old password is worth nothing once the new session carries the data", () => {
  const peers = linkTwoPeers();
  const { world, a, z } = peers;
  const old = z.agent.localCredentials;
  restart(peers, 20);
  world.runFor(20_000);
  notEqual(z.agent.localCredentials.pwd, old.pwd);
  equal(a.agent.pairs().length, 1);
});

Deno.test("an address changes: a restart carries on within 3 s", () => {
  forSeeds(20, (seed) => {
    const peers = linkTwoPeers({ seed });
    const { world, a, z } = peers;
    for (const host of a.hosts) host.isCut = true;
    world.runFor(1_000);
    const begun = world.now;
    a.addHostBase("203.0.113.77");
    a.agent.removeBase(1, world.now);
    restart(peers, 50);
    const isMoved = () => z.path?.destination.address === "203.0.113.77" && a.path !== undefined;
    ok(world.runUntil(isMoved, 3_000), `${world.now - begun}`);
  });
});

Deno.test("an address changes: without a restart the peer's new checks carry on as well", () => {
  forSeeds(20, (seed) => {
    const peers = linkTwoPeers({ seed });
    const { world, a, z } = peers;
    a.addHostBase("203.0.113.77");
    a.agent.removeBase(1, world.now);
    const isMoved = () => z.path?.destination.address === "203.0.113.77" && a.path !== undefined;
    ok(world.runUntil(isMoved, 3_500));
  });
});

Deno.test("restarts one after the other, before any is answered, leave one session", () => {
  const peers = linkTwoPeers();
  const { world, a } = peers;
  for (let count = 0; count < 50; count++) {
    a.agent.restart(world.now);
    world.runFor(20);
  }
  ok(areLinked(peers));
  restart(peers, 50);
  world.runFor(20_000);
  ok(areLinked(peers));
  equal(a.agent.pairs().length, 1);
});

Deno.test("a restart while nothing is connected begins anew", () => {
  const peers = linkTwoPeers();
  const { world, a, z } = peers;
  for (const host of z.hosts) host.isCut = true;
  world.runFor(40_000);
  equal(a.agent.state, "disconnected");
  for (const host of z.hosts) host.isCut = false;
  restart(peers, 50);
  ok(world.runUntil(() => areLinked(peers), 3_000));
});

Deno.test("other credentials of the peer need a restart, the same do not", () => {
  const { world, a, z } = linkTwoPeers();
  a.agent.setRemoteCredentials(z.agent.localCredentials, world.now);
  const { ufrag } = z.agent.localCredentials;
  throws(() => a.agent.setRemoteCredentials({ ufrag, pwd: "x".repeat(24) }, world.now), RangeError);
});

Deno.test("credentials that are too short are refused", () => {
  const { world, a } = linkTwoPeers();
  a.agent.restart(world.now);
  for (
    const [ufrag, pwd] of [["abc", "x".repeat(22)], ["abcd", "x".repeat(21)], ["", ""]] as const
  ) {
    throws(() => a.agent.setRemoteCredentials({ ufrag, pwd }, world.now), RangeError);
  }
});

Deno.test("our own credentials are long enough, and never the same", () => {
  const { world, a } = linkTwoPeers();
  const seen = new Set<string>();
  for (let count = 0; count < 100; count++) {
    const { ufrag, pwd } = a.agent.restart(world.now);
    ok(/^[A-Za-z0-9+/]{8}$/.test(ufrag) && /^[A-Za-z0-9+/]{24}$/.test(pwd));
    seen.add(ufrag).add(pwd);
  }
  equal(seen.size, 200);
});
