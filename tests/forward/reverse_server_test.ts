import { deepEqual, equal, match } from "node:assert/strict";
import { BufferPool } from "../../src/buffer_pool.ts";
import { ReverseServer } from "../../src/forward/reverse_server.ts";
import { tcpProtocol } from "../../src/tunnel/tunnel_stream.ts";
import { channelPair } from "../fakes/channel_pair.ts";
import { linkPair } from "../fakes/link_pair.ts";
import { LogRecorder } from "../fakes/log_recorder.ts";
import { accessOf, certifiedPeer } from "../fakes/policies.ts";

/** A server that lets the loopback be listened on, and how it answers who asks for an address. */
async function listening() {
  await LogRecorder.start();
  const { access, records } = await accessOf(`
    [[rule]]
    name = "here"
    action = "allow"
    target.listen = "localhost"`);
  const server = new ReverseServer({ access, pool: new BufferPool() });
  const { a: link } = linkPair();
  link.goUp();
  // A link without channels would not drain, but end.
  link.openChannel({ label: "10.0.0.5:80", protocol: tcpProtocol });
  const ask = (label: string) => {
    const { a: asking, z: channel } = channelPair({ label });
    server.serve(channel, { link, peer: certifiedPeer("anna") });
    channel.handler?.handleText(JSON.stringify({ type: "listen", id: "ab".repeat(16) }));
    return { channel, asking };
  };
  const told = () => records.map(({ event, target, reason }) => [event, target, reason]);
  return { link, server, access, records, ask, told };
}

Deno.test("who asks for what is no address, or on a link that ends, is in the audit", async () => {
  const { link, server, ask, told } = await listening();
  ask("127.0.0.1");
  ask("127.0.0.1:0");
  link.drain("another is taken");
  ask("127.0.0.1:0");
  deepEqual(told(), [
    ["refused", "listen:127.0.0.1", "a port is missing (host:port)"],
    ["opened", "listen:127.0.0.1:0", undefined],
    ["refused", "listen:127.0.0.1:0", "this link is ending"],
  ]);
  server.close();
});

Deno.test("the 65th listener of a link is refused in the audit", async () => {
  const { server, ask, told } = await listening();
  for (let count = 0; count < 65; count++) ask("127.0.0.1:0");
  deepEqual(told().at(-1), [
    "refused",
    "listen:127.0.0.1:0",
    "a link may have 64 listeners at most",
  ]);
  server.close();
});

Deno.test("an address that cannot be bound is refused for that in the audit, and holds nothing", async () => {
  const { server, access, records, ask } = await listening();
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  ask(`127.0.0.1:${taken.addr.port}`);
  taken.close();
  equal(access.admittedCount, 0);
  equal(records.length, 1);
  equal(records[0]?.event, "refused");
  match(`${records[0]?.reason}`, /cannot listen on 127\.0\.0\.1:\d+: .*in use/);
  server.close();
  equal(records.length, 1);
});
