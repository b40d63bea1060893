/** SOCKS5 and HTTP CONNECT through two real processes. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { SocksClient } from "socks";
import { joinByPaste, NodeProcess } from "../../demo/node_process.ts";
import { digestThen, randomPayload, serve, sha256 } from "./local_service.ts";

const offline = ["--ice-server", "none"];

/** Two nodes that are joined, and the port that the first listens on for SOCKS5. */
async function joinNodes(stack: AsyncDisposableStack, allowed: string, env = {}) {
  const egress = new NodeProcess([...offline, "--socks", "127.0.0.1:0"], { env });
  stack.defer(() => egress.stop().then(() => {}));
  const ingress = new NodeProcess([...offline, "--allow", allowed]);
  stack.defer(() => ingress.stop().then(() => {}));
  const { addresses } = await egress.event("listening");
  await joinByPaste(egress, ingress);
  return { egress, port: Number(String(addresses).split(":")[1]) };
}

Deno.test("--socks carries both directions exactly, with half-close, to what is allowed", async () => {
  await using stack = new AsyncDisposableStack();
  const [up, down] = [randomPayload(2_000_000), randomPayload(2_000_000)];
  const service = stack.use(await serve(digestThen(down)));
  const env = { AETHERPORT_SOCKS_AUTH: "me:secret" };
  const { egress, port } = await joinNodes(stack, `localhost:${service.port}`, env);
  const connect = (destination: { host: string; port: number }, password = "secret") =>
    SocksClient.createConnection({
      proxy: { host: "127.0.0.1", port, type: 5, userId: "me", password },
      command: "connect",
      destination,
    });
  const { socket } = await connect({ host: "localhost", port: service.port });
  socket.end(up);
  const received: Buffer[] = [];
  for await (const bytes of socket) received.push(bytes as Buffer);
  const reply = Buffer.concat(received);
  assert.equal(reply.subarray(0, 64).toString(), sha256(up));
  assert.equal(sha256(reply.subarray(64)), sha256(down));
  await assert.rejects(connect({ host: "10.0.0.5", port: 80 }), /NotAllowed/);
  await assert.rejects(connect({ host: "localhost", port: 80 }, "wrong"), /authentication/i);
  assert.ok(!JSON.stringify(egress.log).includes("secret"));
});
