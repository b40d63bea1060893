/**
 * The sixteen pairs of NAT kinds, and whether two hosts behind them find a direct path without a
 * relay: all but a symmetric one with one that lets in only whom it has sent to, port and all.
 *
 * @module
 */
import { equal, ok } from "node:assert/strict";
import { Nat, type NatKind, natKinds } from "../sim/nat.ts";
import { forSeeds } from "../sim/seeds.ts";
import { secondStunServer, stunServer } from "./ice_world.ts";
import { areLinked, createTwoPeers, type TwoPeers } from "./two_peers.ts";

const kinds = Object.keys(natKinds) as NatKind[];

/** Whether a direct path is to be found. */
export function isDirectPossible(one: NatKind, other: NatKind): boolean {
  const isStrict = (kind: NatKind) => kind === "symmetric" || kind === "port-restricted cone";
  return !(isStrict(one) && isStrict(other) && (one === "symmetric" || other === "symmetric"));
}

/** All sixteen. */
export function pairsOfKinds(): (readonly [NatKind, NatKind])[] {
  return kinds.flatMap((one) => kinds.map((other) => [one, other] as const));
}

/** Two hosts behind NATs of these kinds, on a path that loses datagrams. */
export function createNatPeers(
  kindOfA: NatKind,
  kindOfZ: NatKind,
  { seed, loss, hasRelay = false }: {
    readonly seed: number;
    readonly loss: number;
    readonly hasRelay?: boolean;
  },
): TwoPeers {
  const stunServers = [stunServer, secondStunServer];
  return createTwoPeers({
    seed,
    loss,
    delayMs: 10 + seed % 7 * 10,
    jitterMs: 10,
    a: {
      addresses: ["10.0.0.2"],
      nat: new Nat({ publicAddress: "198.51.100.1", ...natKinds[kindOfA], lifetimeMs: 30_000 }),
      stunServers,
      hasRelay,
    },
    z: {
      // The same private network as A's, as often as not: it is another one.
      addresses: [seed % 2 === 0 ? "10.0.0.2" : "10.0.1.2"],
      nat: new Nat({
        publicAddress: "198.51.100.2",
        ...natKinds[kindOfZ],
        lifetimeMs: 30_000,
        firstPort: 30_000,
      }),
      stunServers,
      hasRelay,
    },
  });
}

/** Runs one pair of kinds for so many seeds, and compares with the table. */
export function tryKinds(kindOfA: NatKind, kindOfZ: NatKind, seedCount: number): void {
  const isPossible = isDirectPossible(kindOfA, kindOfZ);
  forSeeds(seedCount, (seed) => {
    const peers = createNatPeers(kindOfA, kindOfZ, { seed, loss: 0.05 });
    const { world, a, z } = peers;
    world.connect(a, z);
    equal(world.runUntil(() => areLinked(peers), isPossible ? 20_000 : 8_000), isPossible);
    if (!isPossible) return;
    world.runFor(1_000);
    for (const peer of [a, z]) ok(peer.sendData("hello"));
    ok(!a.path?.isRelayed);
  });
}
