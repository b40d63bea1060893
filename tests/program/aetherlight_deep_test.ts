/** The long runs of nodes that meet at a signaling server. */
import assert from "node:assert/strict";
import { AetherlightStage, eventCount } from "./aetherlight_stage.ts";
import { digestThen, echo, exchange, randomPayload, serve, sha256 } from "./local_service.ts";

Deno.test("carries 50 MB each way exactly", async () => {
  const [up, down] = [randomPayload(50_000_000), randomPayload(50_000_000)];
  await using service = await serve(digestThen(down));
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("near", "far");
  const { url: at } = await stage.server();
  const far = await stage.ingress({ name: "far", at, target });
  const near = await stage.egress({ name: "near", url: far.url, target });
  const reply = await exchange({ port: near.port, payload: up });
  assert.equal(reply.subarray(0, 64).toString(), sha256(up));
  assert.equal(sha256(reply.subarray(64)), sha256(down));
});

Deno.test("serves 1,000 connections over one link", async () => {
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("near", "far");
  const { url: at } = await stage.server();
  const far = await stage.ingress({ name: "far", at, target });
  const near = await stage.egress({ name: "near", url: far.url, target });
  for (let round = 0; round < 10; round++) {
    const payloads = Array.from({ length: 100 }, () => randomPayload(10_000));
    const replies = await Promise.all(
      payloads.map((payload) => exchange({ port: near.port, payload })),
    );
    assert.deepEqual(replies.map(sha256), payloads.map(sha256));
  }
  assert.equal(eventCount(near.node, "link-up"), 1);
});

Deno.test("links come again and again: 20 egress nodes, one after the other", async () => {
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("near", "far");
  const { url: at } = await stage.server();
  const far = await stage.ingress({ name: "far", at, target });
  for (let count = 1; count <= 20; count++) {
    const near = await stage.egress({ name: "near", url: far.url, target });
    const payload = randomPayload(100_000);
    const reply = await exchange({ port: near.port, payload });
    assert.equal(sha256(reply), sha256(payload));
    assert.equal((await near.node.stop()).code, 0);
    await far.node.event("link-down", count);
  }
  assert.equal(eventCount(far.node, "signal-refused"), 0);
});
