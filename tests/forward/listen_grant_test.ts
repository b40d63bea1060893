/** What a rule says of a listener holds for the connections that come to it. */
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { AllowList } from "../../src/access/allow_list.ts";
import { BufferPool } from "../../src/buffer_pool.ts";
import { parseReverseSpecs } from "../../src/forward/reverse_spec.ts";
import { Node } from "../../src/node/node.ts";
import { settle } from "../fakes/access_clock.ts";
import { linkPair } from "../fakes/link_pair.ts";
import { LogRecorder } from "../fakes/log_recorder.ts";
import { accessOf, policyOf } from "../fakes/policies.ts";
import { readExactly, readToEnd, Service, testBytes, writeAll } from "../fakes/sockets.ts";

const observer = { handleUp: () => {}, handleClosed: () => {} };
const turn = () => new Promise((resolve) => setImmediate(resolve));

const allowing = (limit = "") => `
  [[rule]]
  name = "here"
  action = "allow"
  target.listen = "localhost"
  ${limit}`;

/** A node that listens by this policy for another, which echoes what comes. */
async function listening(policy: string) {
  const log = await LogRecorder.start();
  const service = Service.echo();
  const { access, clock, records } = await accessOf(policy);
  const pool = new BufferPool();
  const here = new Node({ access, pool });
  const asking = new Node({ access: new AllowList([]), pool });
  const [spec] = parseReverseSpecs(`0:127.0.0.1:${service.port}`);
  const routed = { spec: spec!, route: undefined };
  asking.addReverse(routed);
  const { a, z } = linkPair({ pace: "turn" });
  asking.adopt(a, observer);
  here.adopt(z, observer);
  z.goUp();
  a.goUp();
  const { properties } = await log.next("reverse-listening");
  const port = Number(/:(\d+)/.exec(String(properties.addresses))?.[1]);
  const connect = () => Deno.connect({ hostname: "127.0.0.1", port });
  const giveUp = () => asking.removeReverse(routed);
  /** Lets time pass for as long as it takes. */
  const pass = async <Value>(awaited: Promise<Value>): Promise<Value> => {
    let isOver = false;
    const over = awaited.finally(() => isOver = true);
    over.catch(() => {});
    for (; !isOver; await turn()) await clock.advance(20);
    return await over;
  };
  const close = async () => {
    service[Symbol.dispose]();
    await Promise.all([here.close("done"), asking.close("done")]);
    while (access.admittedCount > 0) await turn();
    equal(clock.timerCount, 0);
  };
  return { log, access, clock, records, connect, giveUp, pass, [Symbol.asyncDispose]: close };
}

/** What goes there and comes back. */
async function exchange(client: Deno.TcpConn, length: number): Promise<void> {
  const bytes = testBytes(length);
  const [, reply] = await Promise.all([writeAll(client, bytes), readExactly(client, length)]);
  deepEqual(reply, bytes);
}

Deno.test("connections that came share the rate of the listener's rule, and its audit counts them", async () => {
  await using stage = await listening(allowing("limit.bytes-per-second = 100_000"));
  const clients = [await stage.connect(), await stage.connect()];
  await stage.pass(Promise.all(clients.map((client) => exchange(client, 50_000))));
  const elapsed = stage.clock.monotonic();
  ok(elapsed >= 900, `100,000 bytes either way within ${elapsed} ms`);
  stage.giveUp();
  for (const client of clients) client.close();
  while (stage.access.admittedCount > 0) await turn();
  const told = stage.records.map(({ event, reason, up, down }) => [event, reason, up, down]);
  deepEqual(told, [
    ["opened", undefined, undefined, undefined],
    ["closed", "finished", 100_000, 100_000],
  ]);
});

Deno.test("a listener whose bytes are used up ends with all that came to it", async () => {
  await using stage = await listening(allowing("limit.bytes = 1_000"));
  const [one, other] = [await stage.connect(), await stage.connect()];
  await exchange(one, 400);
  await exchange(other, 50);
  await writeAll(one, testBytes(1_000));
  for (const client of [one, other]) {
    await rejects(readToEnd(client));
    client.close();
  }
  match(`${(await stage.log.next("reverse-refused")).properties.reason}`, /1000 bytes in all/);
});

Deno.test("a policy that denies ends what came, and tells the other node why", async () => {
  for (const isGivenUp of [false, true]) {
    await using stage = await listening(allowing());
    const client = await stage.connect();
    await exchange(client, 10);
    if (isGivenUp) {
      stage.giveUp();
      await stage.log.next("reverse-closed");
      await exchange(client, 20);
      equal(stage.access.admittedCount, 1);
    }
    stage.access.replace(await policyOf('[[rule]]\nname = "closed"\naction = "deny"'));
    await rejects(readToEnd(client));
    client.close();
    await stage.log.next("stream-closed", 2);
    for (const { properties } of stage.log.of("stream-closed")) {
      match(`${properties.how}`, /no longer allowed: rule "closed" denies it/);
    }
    while (stage.access.admittedCount > 0) await turn();
    match(`${stage.records.at(-1)?.reason}`, /rule "closed" denies it/);
  }
});

Deno.test("a listener has as many connections at once as its rule allows", async () => {
  await using stage = await listening(allowing("limit.connections = 1"));
  const first = await stage.connect();
  await exchange(first, 10);
  await rejects(async () => {
    using further = await stage.connect();
    await readToEnd(further);
  });
  match(`${(await stage.log.next("no-stream")).properties.problem}`, /at most 1 connections/);
  first.close();
  await stage.log.next("stream-closed", 2);
  const next = await stage.connect();
  await exchange(next, 10);
  next.close();
});

Deno.test("a listener is idle when nothing moves on any connection that came", async () => {
  await using stage = await listening(allowing('limit.idle = "10s"'));
  const [busy, quiet] = [await stage.connect(), await stage.connect()];
  for (let count = 0; count < 5; count++) {
    await exchange(busy, 10);
    await stage.clock.advance(9_000);
  }
  await exchange(quiet, 10);
  await stage.clock.advance(10_000);
  for (const client of [busy, quiet]) {
    await rejects(readToEnd(client));
    client.close();
  }
  await settle();
  match(`${stage.records.at(-1)?.reason}`, /nothing moved for 10 s/);
});
