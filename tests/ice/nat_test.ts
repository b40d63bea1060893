import { equal, ok } from "node:assert/strict";
import { Nat, natKinds } from "../sim/nat.ts";
import { forSeeds } from "../sim/seeds.ts";
import { stunServer } from "./ice_world.ts";
import { createNatPeers, isDirectPossible, pairsOfKinds, tryKinds } from "./nat_table.ts";
import { areLinked, createTwoPeers } from "./two_peers.ts";

for (const [kindOfA, kindOfZ] of pairsOfKinds()) {
  const outcome = isDirectPossible(kindOfA, kindOfZ) ? "meet directly" : "need a relay";
  Deno.test(`hosts behind a ${kindOfA} and a ${kindOfZ} NAT ${outcome}`, () => {
    tryKinds(kindOfA, kindOfZ, 100);
  });
}

Deno.test("whatever the NATs, with a relay all meet, and directly where that is possible", () => {
  for (const [kindOfA, kindOfZ] of pairsOfKinds()) {
    forSeeds(3, (seed) => {
      const peers = createNatPeers(kindOfA, kindOfZ, { seed, loss: 0.05, hasRelay: true });
      const { world, a, z } = peers;
      world.connect(a, z);
      ok(world.runUntil(() => areLinked(peers), 10_000), `${kindOfA}, ${kindOfZ}`);
      world.runFor(15_000);
      const isDirect = isDirectPossible(kindOfA, kindOfZ);
      equal(a.path?.isRelayed, !isDirect, `${kindOfA}, ${kindOfZ}`);
      equal(z.path?.isRelayed, !isDirect);
    });
  }
});

Deno.test("two hosts on one LAN meet there, not by the NAT", () => {
  for (const isHairpinning of [true, false]) {
    const nat = new Nat({ publicAddress: "198.51.100.1", ...natKinds["full cone"], isHairpinning });
    const stunServers = [stunServer];
    const peers = createTwoPeers({
      a: { addresses: ["10.0.0.1"], nat, stunServers },
      z: { addresses: ["10.0.0.2"], nat, stunServers },
    });
    const { world, a, z } = peers;
    world.connect(a, z);
    ok(world.runUntil(() => areLinked(peers), 2_000));
    world.runFor(5_000);
    equal(a.path?.destination.address, "10.0.0.2");
    equal(z.path?.destination.address, "10.0.0.1");
  }
});

Deno.test("two hosts that do not see each other on their LAN meet by a hairpin", () => {
  const nat = new Nat({
    publicAddress: "198.51.100.1",
    ...natKinds["port-restricted cone"],
    isHairpinning: true,
  });
  const stunServers = [stunServer];
  const peers = createTwoPeers({
    a: { addresses: ["10.0.0.1"], nat, stunServers },
    z: { addresses: ["10.0.0.2"], nat, stunServers },
  });
  const { world, a, z } = peers;
  world.network.isBlocked = ({ destination }) => destination.address.startsWith("10.");
  world.connect(a, z);
  ok(world.runUntil(() => areLinked(peers), 5_000));
  equal(a.path?.destination.address, "198.51.100.1");
});

Deno.test("a path through NATs that forget after 20 s stays for an hour", () => {
  for (const kind of ["port-restricted cone", "full cone"] as const) {
    const nat = (publicAddress: string) =>
      new Nat({ publicAddress, ...natKinds[kind], lifetimeMs: 20_000 });
    const stunServers = [stunServer];
    const peers = createTwoPeers({
      a: { addresses: ["10.0.0.1"], nat: nat("198.51.100.1"), stunServers },
      z: { addresses: ["10.0.1.1"], nat: nat("198.51.100.2"), stunServers },
    });
    const { world, a, z } = peers;
    world.connect(a, z);
    ok(world.runUntil(() => areLinked(peers), 5_000));
    world.runFor(3_600_000);
    ok(areLinked(peers));
    equal(a.states().length, 2);
  }
});

Deno.test("a NAT that forgets all is got through again within 3 s", () => {
  forSeeds(20, (seed) => {
    const nat = new Nat({ publicAddress: "198.51.100.1", ...natKinds["full cone"] });
    const peers = createTwoPeers({
      seed,
      a: { addresses: ["10.0.0.1"], nat, stunServers: [stunServer] },
    });
    const { world, a, z } = peers;
    world.connect(a, z);
    ok(world.runUntil(() => areLinked(peers), 5_000));
    world.runFor(5_000 + seed * 100);
    const portBefore = z.path?.destination.port;
    nat.reset();
    a.sendData("from elsewhere");
    world.runFor(9_000);
    ok(z.path?.destination.port !== portBefore, "Z follows A to its new address");
    ok(z.sendData("hello"));
    world.runFor(100);
    equal(a.received.at(-1)?.text, "hello");
  });
});

Deno.test("NATs that both forget all are got through again by what is told then", () => {
  forSeeds(20, (seed) => {
    const createNat = (publicAddress: string) =>
      new Nat({ publicAddress, ...natKinds["restricted cone"] });
    const [natOfA, natOfZ] = [createNat("198.51.100.1"), createNat("198.51.100.2")];
    const stunServers = [stunServer];
    const peers = createTwoPeers({
      seed,
      a: { addresses: ["10.0.0.1"], nat: natOfA, stunServers },
      z: { addresses: ["10.0.0.1"], nat: natOfZ, stunServers },
    });
    const { world, a, z } = peers;
    world.connect(a, z);
    ok(world.runUntil(() => areLinked(peers), 5_000));
    world.runFor(5_000 + seed * 100);
    for (const nat of [natOfA, natOfZ]) nat.reset();
    const hasHeard = () => {
      for (const peer of [a, z]) peer.sendData("hello");
      return a.received.length > 0 && z.received.length > 0;
    };
    const begun = world.now;
    while (!hasHeard() && world.now < begun + 30_000) world.runFor(100);
    ok(world.now - begun <= 12_000, `it took ${world.now - begun} ms`);
  });
});
