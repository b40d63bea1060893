/** The long runs of pasted mode. */
import assert from "node:assert/strict";
import { joinByPaste, NodeProcess } from "../../demo/node_process.ts";
import {
  digestThen,
  echo,
  exchange,
  freePort,
  randomPayload,
  serve,
  sha256,
} from "./local_service.ts";

const offline = ["--ice-server", "none"];

for (const host of ["127.0.0.1", "::1"]) {
  Deno.test(`carries 50 MB each way exactly over ${host}`, async () => {
    const [up, down] = [randomPayload(50_000_000), randomPayload(50_000_000)];
    await using service = await serve(digestThen(down), host);
    const bracketed = host === "::1" ? "[::1]" : host;
    const [port, target] = [freePort(), `${bracketed}:${service.port}`];
    const egress = new NodeProcess([...offline, "--forward", `${bracketed}:${port}:${target}`]);
    const ingress = new NodeProcess([...offline, "--allow", target]);
    await joinByPaste(egress, ingress);
    const reply = await exchange({ port, host, payload: up });
    await Promise.all([egress.stop(), ingress.stop()]);
    assert.equal(reply.subarray(0, 64).toString(), sha256(up));
    assert.equal(sha256(reply.subarray(64)), sha256(down));
  });
}

Deno.test("a node that is killed is noticed, and its connections end with an error", async () => {
  await using service = await serve(echo);
  const [port, target] = [freePort(), `127.0.0.1:${service.port}`];
  const egress = new NodeProcess([...offline, "--forward", `127.0.0.1:${port}:${target}`]);
  const ingress = new NodeProcess([...offline, "--allow", target]);
  await joinByPaste(egress, ingress);
  ingress.kill("SIGKILL");
  await assert.rejects(exchange({ port, payload: randomPayload(1_000_000) }), /ECONNRESET/);
  await egress.event("link-down");
  await Promise.all([egress.stop(), ingress.stop()]);
});
