/** Both claim the same role (reliability row I8). */
import { equal, ok } from "node:assert/strict";
import type { IceRole } from "../../src/ice/role.ts";
import { forSeeds } from "../sim/seeds.ts";
import { areLinked, createTwoPeers } from "./two_peers.ts";

for (const role of ["controlling", "controlled"] as const) {
  Deno.test(`two agents that are both ${role} settle it`, () => {
    let keptByA = 0;
    forSeeds(100, (seed) => {
      const peers = createTwoPeers({ seed, loss: seed % 2 * 0.1, a: { role }, z: { role } });
      const { world, a, z } = peers;
      world.connect(a, z);
      ok(world.runUntil(() => areLinked(peers) && a.agent.role !== z.agent.role, 30_000));
      world.runFor(10_000);
      equal(new Set<IceRole>([a.agent.role, z.agent.role]).size, 2);
      ok(areLinked(peers));
      if (a.agent.role === role) keptByA++;
    });
    ok(keptByA > 10 && keptByA < 90, `A kept it ${keptByA} times`);
  });
}

Deno.test("agents with different roles keep them", () => {
  forSeeds(20, (seed) => {
    const { world, a, z } = createTwoPeers({ seed, loss: 0.1 });
    world.connect(a, z);
    world.runFor(20_000);
    equal(a.agent.role, "controlling");
    equal(z.agent.role, "controlled");
  });
});
