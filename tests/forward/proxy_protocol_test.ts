import { deepEqual, equal, match } from "node:assert/strict";
import type { AccessPeer } from "../../src/access/access.ts";
import { AllowList } from "../../src/access/allow_list.ts";
import { BufferPool } from "../../src/buffer_pool.ts";
import { peerNameType } from "../../src/forward/proxy_header.ts";
import { greetTarget, parseProxyRule } from "../../src/forward/proxy_protocol.ts";
import { serveStreamChannel } from "../../src/forward/stream_ingress.ts";
import { TunnelStream } from "../../src/tunnel/tunnel_stream.ts";
import { channelPair } from "../fakes/channel_pair.ts";
import { withExpiredTimers } from "../fakes/expired_timers.ts";
import { FakeConnection } from "../fakes/fake_connection.ts";
import { lineOf, LogRecorder } from "../fakes/log_recorder.ts";
import { readProxyHeader } from "../fakes/proxy_header_parser.ts";
import { somePeer } from "../fakes/sample_specs.ts";
import { readToEnd, Service } from "../fakes/sockets.ts";

const client = "198.51.100.7:50123";
const payload = new TextEncoder().encode("payload");

/** What a target is sent where the opener does so. */
async function receivedFor(
  open: (stream: TunnelStream) => void,
  { rule = "v1", peer = somePeer, host = "127.0.0.1" }: {
    readonly rule?: string;
    readonly peer?: AccessPeer;
    readonly host?: string;
  } = {},
): Promise<Uint8Array> {
  await LogRecorder.start();
  const { promise, resolve } = Promise.withResolvers<Uint8Array>();
  using service = new Service(async (connection) => {
    resolve(await readToEnd(connection));
    connection.close();
  }, host);
  const shown = host.includes(":") ? `[${host}]` : host;
  const { a, z } = channelPair({ pace: "turn", label: `${shown}:${service.port}` });
  const served = serveStreamChannel(z, {
    access: new AllowList([{ kind: "tcp", host, port: "*" }]),
    ...{ peer, pool: new BufferPool() },
    proxyRules: [parseProxyRule(`${rule}=localhost:${service.port}`)],
  });
  const stream = new TunnelStream(a, { role: "opener" });
  open(stream);
  stream.end();
  const received = await promise;
  stream.confirmEnd();
  stream.reset("enough");
  await served;
  return received;
}

const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** A peer whose certificate has a name. */
function peerNamed(name: string, vouchedBy: "chain" | "key"): AccessPeer {
  const identity = {
    ...{ name, labels: [], keyId: "", vouchedBy, fingerprint: "", notAfter: 0 },
    publicKey: new Uint8Array(0),
  };
  return { name, identity: identity as unknown as AccessPeer["identity"] };
}

Deno.test("the header is the first that the target hears, in front of the payload", async () => {
  const received = await receivedFor((stream) => {
    stream.introduce(client);
    stream.send(payload, 0, payload.length);
  });
  match(textOf(received), /^PROXY TCP4 198\.51\.100\.7 127\.0\.0\.1 50123 \d+\r\npayload$/);
});

Deno.test("an IPv6 target gets a header of IPv6", async () => {
  const received = await receivedFor((stream) => stream.introduce(client), { host: "::1" });
  match(textOf(received), /^PROXY TCP6 ::ffff:198\.51\.100\.7 ::1 50123 \d+\r\n$/);
});

Deno.test("a client that is not told, or has no address, is unknown", async () => {
  const silent = (stream: TunnelStream) => stream.introduce(undefined);
  equal(textOf(await receivedFor(silent)), "PROXY UNKNOWN\r\n");
  equal(textOf(await receivedFor((stream) => stream.introduce("1.2.3.4"))), "PROXY UNKNOWN\r\n");
  const old = (stream: TunnelStream) => stream.send(payload, 0, payload.length);
  equal(textOf(await receivedFor(old)), "PROXY UNKNOWN\r\npayload");
  equal(readProxyHeader(await receivedFor(silent, { rule: "v2" })).family, "UNKNOWN");
});

Deno.test("the other node's name is told where an authority vouches for it, in version 2", async () => {
  for (const vouchedBy of ["chain", "key"] as const) {
    const peer = peerNamed("laptop", vouchedBy);
    const received = await receivedFor((stream) => stream.introduce(client), { rule: "v2", peer });
    const { values, source } = readProxyHeader(received);
    equal(source, "198.51.100.7 50123");
    deepEqual([...values], vouchedBy === "chain" ? [[peerNameType, "laptop"]] : []);
  }
});

const target = { kind: "tcp", host: "127.0.0.1", port: 80 } as const;
const rules = [parseProxyRule("v1=localhost:80"), parseProxyRule("v2=/run/web.sock")];

Deno.test("a node that knows nothing of clients is not waited for longer than 2 s", async () => {
  const connection = new FakeConnection();
  const never = new Promise<undefined>(() => {});
  await withExpiredTimers(2_000, async () => {
    await greetTarget(connection, { rules, target, peer: somePeer, client: never });
  });
  equal(textOf(connection.written), "PROXY UNKNOWN\r\n");
});

Deno.test("targets that no --proxy-protocol names get no header", async () => {
  const others = [
    { ...target, port: 81 },
    { ...target, host: "10.0.0.5" },
    { kind: "unix", path: "/run/other.sock" },
    { kind: "exec", name: "run" },
  ] as const;
  for (const target of others) {
    const connection = new FakeConnection();
    const never = new Promise<undefined>(() => {});
    await greetTarget(connection, { rules, target, peer: somePeer, client: never });
    equal(connection.writes.length, 0);
  }
});

Deno.test("a socket's path gets a header with any destination", async () => {
  const connection = Object.assign(new FakeConnection(), { remote: "/run/web.sock" });
  const target = { kind: "unix", path: "/run/web.sock" } as const;
  const told = Promise.resolve(client);
  await greetTarget(connection, { rules, target, peer: somePeer, client: told });
  equal(readProxyHeader(connection.written).destination, "0.0.0.0 0");
});

Deno.test("a target that takes no header is reset, and the stream is refused", async () => {
  const log = await LogRecorder.start();
  const connection = new FakeConnection();
  connection.write = () => Promise.reject(new Error("broken pipe"));
  const told = Promise.resolve(client);
  const error = await greetTarget(connection, { rules, target, peer: somePeer, client: told })
    .catch((error: Error) => error);
  match(String(error), /took no PROXY header: broken pipe/);
  equal(connection.ended, "reset");
  equal(log.records.map(lineOf).length, 0);
});
