/** Nodes behind NATs of the kernel's own, as real processes in network namespaces. */
import assert from "node:assert/strict";
import { isCoturnInstalled } from "../peers/coturn.ts";
import { isInstalled } from "../peers/peer_process.ts";
import { NatStage } from "./nat_stage.ts";
import { canMakeNetworks, internetAddress, outsideAddressOf } from "./networks.ts";

const subject = "a link through NATs";
const isPossible = await isCoturnInstalled(subject) &&
  await isInstalled("openssl", ["version"], subject) && await canMakeNetworks(subject);
const options = { ignore: !isPossible };

Deno.test(
  "through two NATs nodes are joined directly, though there is a relay",
  options,
  async () => {
    await using stage = await NatStage.open({
      nats: { mapping: "endpoint-independent" },
      servers: ["STUN", "TURN over UDP"],
    });
    const { near, far } = await stage.routes("direct");
    assert.equal(near.remote, outsideAddressOf("far"));
    assert.equal(far.remote, outsideAddressOf("near"));
    await stage.assertCarries();
  },
);

Deno.test("through two symmetric NATs a relay joins the nodes", options, async () => {
  await using stage = await NatStage.open({
    nats: { mapping: "symmetric" },
    servers: ["STUN", "TURN over UDP"],
  });
  await stage.routes("relayed");
  await stage.assertCarries();
  assert.ok(!stage.hasBeenDirect);
});

for (const server of ["TURN over TCP", "TURN over TLS"] as const) {
  Deno.test(`where no UDP gets out, ${server} joins the nodes`, options, async () => {
    await using stage = await NatStage.open({
      nats: { mapping: "endpoint-independent", isUdpBlocked: true },
      servers: ["STUN", server],
    });
    const relayed = { local: internetAddress, remote: internetAddress };
    assert.deepEqual(await stage.routes("relayed"), { near: relayed, far: relayed });
    await stage.assertCarries();
    assert.ok(!stage.hasBeenDirect);
  });
}
