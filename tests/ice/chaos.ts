/**
 * Networks that come and go, NATs that forget, restarts: when it is over there is a path.
 *
 * @module
 */
import { ok } from "node:assert/strict";
import { Nat, natKinds } from "../sim/nat.ts";
import { Random } from "../sim/random.ts";
import { forSeeds } from "../sim/seeds.ts";
import { type IcePeer, stunServer } from "./ice_world.ts";
import { areLinked, createTwoPeers, type TwoPeers } from "./two_peers.ts";

const chaosMs = 90_000;
const signalingDelayMs = 50;

/** What may happen to one of the two. */
class Chaos {
  readonly #peers: TwoPeers;
  readonly #random: Random;
  readonly #nats: readonly Nat[];
  #isRestarting = false;
  #nextAddress = 10;

  constructor(peers: TwoPeers, nats: readonly Nat[], random: Random) {
    this.#peers = peers;
    this.#nats = nats;
    this.#random = random;
  }

  act(): void {
    const { a, z } = this.#peers;
    const [peer, other] = this.#random.pick([[a, z], [z, a]]);
    switch (this.#random.below(6)) {
      case 0:
        return this.#cut(peer, true);
      case 1:
      case 2:
        return this.#cut(peer, false);
      case 3:
        this.#nats[this.#random.below(this.#nats.length)]?.reset();
        return;
      case 4:
        return this.#move(peer);
      default:
        return this.#restart(peer, other);
    }
  }

  heal(): void {
    for (const peer of [this.#peers.a, this.#peers.z]) this.#cut(peer, false);
  }

  #cut(peer: IcePeer, isCut: boolean): void {
    for (const host of peer.hosts) host.isCut = isCut;
  }

  /** To another address: the old socket is gone. */
  #move(peer: IcePeer): void {
    const { now } = this.#peers.world;
    const old = peer.latestBaseId;
    peer.addHostBase(`10.0.0.${this.#nextAddress++}`);
    peer.agent.removeBase(old, now);
  }

  #restart(peer: IcePeer, other: IcePeer): void {
    const { world } = this.#peers;
    if (this.#isRestarting) return;
    this.#isRestarting = true;
    // In order with the candidates, which would else be taken for those of the old session.
    const delayMs = signalingDelayMs;
    const offered = peer.agent.restart(world.now);
    world.later(delayMs, () => {
      other.agent.restart(world.now);
      other.agent.setRemoteCredentials(offered, world.now);
      other.tellCredentials(peer, delayMs);
    });
    world.later(2 * delayMs + 1, () => this.#isRestarting = false);
  }
}

/** After 90 s of all that can happen there is a path within 15 s, and data passes both ways. */
export function tryChaos(seedCount: number): void {
  forSeeds(seedCount, (seed) => {
    const random = new Random(`chaos ${seed}`);
    const nats = ["198.51.100.1", "198.51.100.2"].map((publicAddress) =>
      new Nat({ publicAddress, ...natKinds["restricted cone"] })
    );
    const [natOfA, natOfZ] = nats;
    const isNatted = seed % 3 !== 0;
    const peers = createTwoPeers({
      seed,
      loss: 0.02,
      signalingDelayMs,
      a: {
        addresses: ["10.0.0.1"],
        hasRelay: seed % 5 === 0,
        ...(natOfA === undefined ? {} : { nat: natOfA }),
        stunServers: [stunServer],
      },
      z: {
        addresses: seed % 4 === 0 ? ["10.0.0.2", "10.0.0.3"] : ["10.0.0.2"],
        ...(isNatted && natOfZ !== undefined ? { nat: natOfZ } : {}),
        stunServers: [stunServer],
      },
    });
    const { world, a, z } = peers;
    world.connect(a, z);
    world.runFor(1_000);
    const chaos = new Chaos(peers, nats, random);
    while (world.now < chaosMs) {
      world.runFor(random.below(6_000));
      chaos.act();
    }
    chaos.heal();
    world.runFor(5_000);
    ok(world.runUntil(() => areLinked(peers), 10_000), "there is no path");
    let isThrough = false;
    const limit = world.now + 10_000;
    while (!isThrough && world.now < limit) {
      const counts = [a, z].map(({ received }) => received.length);
      for (const peer of [a, z]) peer.sendData("hello");
      world.runFor(300);
      isThrough = [a, z].every(({ received }, at) => received.length > (counts[at] ?? 0));
    }
    ok(isThrough, "no data passes");
  });
}
