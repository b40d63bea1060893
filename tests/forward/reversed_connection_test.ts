import { equal, match } from "node:assert/strict";
import { freeGrant } from "../../src/access/access.ts";
import { Budget } from "../../src/budget.ts";
import { BufferPool } from "../../src/buffer_pool.ts";
import { ListenGrant } from "../../src/forward/listen_grant.ts";
import { serveReversed } from "../../src/forward/reversed_connection.ts";
import { TunnelStream } from "../../src/tunnel/tunnel_stream.ts";
import { FakeConnection } from "../fakes/fake_connection.ts";
import { linkPair } from "../fakes/link_pair.ts";
import { lineOf, LogRecorder } from "../fakes/log_recorder.ts";

/** A link whose other end keeps what is opened, and connections that go over it. */
function stage(limit: number) {
  const { a, z } = linkPair();
  const asked: TunnelStream[] = [];
  z.handler = {
    handleUp: () => {},
    handleClosed: () => {},
    handleChannel: (channel) => asked.push(new TunnelStream(channel, { role: "acceptor" })),
  };
  z.goUp();
  a.goUp();
  const waiters = new Budget(limit);
  const grant = new ListenGrant(freeGrant);
  const options = { link: a, id: "ab".repeat(16), grant, peer: "far", address: "localhost:8080" };
  const serve = () => {
    const connection = new FakeConnection();
    const done = serveReversed(connection, { ...options, pool: new BufferPool(), waiters });
    return { connection, done };
  };
  return { serve, asked, waiters };
}

Deno.test("connections that nobody has taken are bounded, and those that were do not count", async () => {
  const log = await LogRecorder.start();
  const { serve, asked, waiters } = stage(2);
  const served = [serve(), serve()];
  const further = serve();
  await further.done;
  equal(further.connection.ended, "reset");
  match(lineOf(await log.next("no-stream")), /too many connections wait/);
  await new Promise((resolve) => setImmediate(resolve));
  asked[0]?.accept();
  asked[1]?.refuse("unreachable", "the target refused the connection");
  await served[1]?.done;
  equal(served[1]?.connection.ended, "reset");
  match(lineOf(await log.next("refused")), /refused by that node: the target refused/);
  equal(waiters.taken, 0);
  asked[0]?.reset("enough");
  await served[0]?.done;
  equal(served[0]?.connection.ended, "reset");
});
