/** Descriptions and candidates in any order (reliability row I7). */
import { equal, ok } from "node:assert/strict";
import { forSeeds } from "../sim/seeds.ts";
import { Random } from "../sim/random.ts";
import { areLinked, createTwoPeers, type TwoPeers } from "./two_peers.ts";

/** What each side has to be told, as actions. */
function tellings({ world, a, z }: TwoPeers): (() => void)[] {
  return [[a, z] as const, [z, a] as const].flatMap(([from, to]) => [
    () => to.agent.setRemoteCredentials(from.agent.localCredentials, world.now),
    ...from.candidates().map((candidate) => () =>
      void to.agent.addRemoteCandidate(candidate, world.now)
    ),
    () => to.agent.endOfRemoteCandidates(world.now),
  ]);
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((first, at) =>
    permutations(items.filter((_, other) => other !== at)).map((rest) => [first, ...rest])
  );
}

Deno.test("every order of credentials, candidate and end of candidates links", () => {
  for (const order of permutations([0, 1, 2, 3, 4, 5])) {
    const peers = createTwoPeers({ seed: 1 });
    const { world } = peers;
    world.runFor(1);
    const actions = tellings(peers);
    equal(actions.length, 6);
    for (const [at, action] of order.entries()) world.later(at * 30, () => actions[action]?.());
    ok(world.runUntil(() => areLinked(peers), 3_000), order.join());
  }
});

Deno.test("duplicates, long gaps and shuffled order of many candidates link", () => {
  forSeeds(200, (seed) => {
    const addresses = (net: number) => [1, 2, 3].map((host) => `203.0.${net}.${host}`);
    const peers = createTwoPeers({
      seed,
      loss: 0.1,
      a: { addresses: addresses(1) },
      z: { addresses: addresses(2) },
    });
    const { world } = peers;
    world.runFor(1);
    const random = new Random(`trickle ${seed}`);
    const actions = tellings(peers);
    for (const action of [...actions, ...actions.filter(() => random.chance(0.5))]) {
      world.later(random.below(20_000), action);
    }
    ok(world.runUntil(() => areLinked(peers), 40_000));
  });
});

Deno.test("a side that is told no candidate learns them from checks", () => {
  const peers = createTwoPeers();
  const { world, a, z } = peers;
  world.runFor(1);
  a.tellCredentials(z, 0);
  z.tellCredentials(a, 0);
  for (const candidate of z.candidates()) a.agent.addRemoteCandidate(candidate, world.now);
  ok(world.runUntil(() => areLinked(peers), 3_000));
  equal(z.path?.remote.type, "prflx");
  for (const candidate of a.candidates()) z.agent.addRemoteCandidate(candidate, world.now);
  equal(z.path?.remote.type, "host");
  equal(z.agent.pairs().length, 1);
});

Deno.test("checks that come before the description are answered, and used when it comes", () => {
  const peers = createTwoPeers();
  const { world, a, z } = peers;
  world.runFor(1);
  z.tellCredentials(a, 0);
  for (const candidate of z.candidates()) a.agent.addRemoteCandidate(candidate, world.now);
  ok(world.runUntil(() => a.path !== undefined, 3_000));
  equal(z.path, undefined);
  a.tellCredentials(z, 1_000);
  ok(world.runUntil(() => z.path !== undefined, 1_000 + 100));
});

Deno.test("a candidate links that comes when all others have failed", () => {
  const peers = createTwoPeers();
  const { world, a, z } = peers;
  world.runFor(1);
  a.tellCredentials(z, 0);
  z.tellCredentials(a, 0);
  for (const peer of [a, z]) peer.agent.endOfRemoteCandidates(world.now);
  world.runFor(50_000);
  equal(a.agent.state, "failed");
  for (const candidate of z.candidates()) a.agent.addRemoteCandidate(candidate, world.now);
  ok(world.runUntil(() => areLinked(peers), 1_000));
  equal(a.agent.state, "connected");
});

Deno.test("nothing has failed for 39.5 s, however soon all is known", () => {
  const { world, a, z } = createTwoPeers({ z: { addresses: [] } });
  world.runFor(1);
  z.tellCredentials(a, 0);
  a.agent.endOfRemoteCandidates(world.now);
  const begun = world.now;
  ok(world.runUntil(() => a.agent.state === "failed", 120_000));
  const failed = a.events.findLast(({ event }) => event.type === "state");
  ok(world.now - begun >= 39_500 && world.now - begun < 41_000, `failed after ${world.now}`);
  equal(failed?.event.type === "state" && failed.event.reason, "the peer has told no address");
});

Deno.test("while candidates trickle in nothing has failed", () => {
  const { world, a, z } = createTwoPeers();
  world.runFor(1);
  z.hosts.forEach((host) => host.isCut = true);
  z.tellCredentials(a, 0);
  const tell = (address: string) =>
    a.agent.addRemoteCandidate({
      foundation: "1",
      component: 1,
      transport: "udp",
      priority: 1,
      address,
      port: 9,
      type: "host",
    }, world.now);
  for (const seconds of [10, 30, 50]) world.later(seconds * 1_000, () => tell(`10.9.9.${seconds}`));
  world.runFor(89_000);
  equal(a.agent.state, "checking");
  world.runFor(5_000);
  equal(a.agent.state, "failed");
});
