import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { AllowList, parseAllowRule } from "../../src/access/allow_list.ts";
import { BufferPool } from "../../src/buffer_pool.ts";
import { openStreamForward } from "../../src/forward/open_forward.ts";
import { serveStreamChannel } from "../../src/forward/stream_ingress.ts";
import { makeWay, UnixForward } from "../../src/forward/unix_forward.ts";
import { linkPair } from "../fakes/link_pair.ts";
import { LogRecorder } from "../fakes/log_recorder.ts";
import { forwardSpec, somePeer } from "../fakes/sample_specs.ts";
import { isSame, readToEnd, Service, testBytes, writeAll } from "../fakes/sockets.ts";
import { leaveStaleSocket, SocketFolder, UnixService } from "../fakes/unix_sockets.ts";

const ignore = Deno.build.os === "windows";

type Client = Deno.TcpConn | Deno.UnixConn;

/** A forward over a link that is up, to a node that allows the target. */
function joined(spec: string, allowed: string) {
  const pool = new BufferPool();
  const { a, z } = linkPair({ pace: "turn" });
  const access = new AllowList([parseAllowRule(allowed)]);
  z.handler = {
    handleUp: () => {},
    handleChannel: (channel) => void serveStreamChannel(channel, { access, peer: somePeer, pool }),
    handleClosed: () => {},
  };
  a.handler = { handleUp: () => {}, handleChannel: () => {}, handleClosed: () => {} };
  a.goUp();
  z.goUp();
  const links = { acquire: () => Promise.resolve(a) };
  const forward = openStreamForward(forwardSpec(spec), { links, pool });
  const [address = ""] = forward.addresses;
  const connect = (): Promise<Client> =>
    address.startsWith("/")
      ? Deno.connect({ transport: "unix", path: address })
      : Deno.connect({ hostname: "127.0.0.1", port: Number(address.split(":")[1]) });
  /** Closes all, once nothing is held any more. */
  const end = async () => {
    forward.close();
    while (a.channels.size + z.channels.size + pool.lentCount > 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    await a.close("done");
  };
  return { connect, end };
}

async function echoThrough(connect: () => Promise<Client>, bytes: Uint8Array): Promise<void> {
  using client = await connect() as Deno.TcpConn;
  const reading = readToEnd(client);
  await writeAll(client, bytes);
  await client.closeWrite();
  ok(isSame(await reading, bytes));
}

Deno.test(
  "10 MB go there and back between ports and sockets, whichever is where; nothing is left",
  {
    ignore,
  },
  async () => {
    using folder = new SocketFolder();
    using port = Service.echo();
    using _socket = UnixService.echo(folder.path("target"));
    const targets = [`127.0.0.1:${port.port}`, folder.path("target")];
    for (const listen of ["127.0.0.1:0", folder.path("listen")]) {
      for (const target of targets) {
        const { connect, end } = joined(`${listen}:${target}`, target);
        await echoThrough(connect, testBytes(10_000_000));
        await end();
      }
    }
    deepEqual(folder.names, ["target"]);
  },
);

Deno.test("100 connections at once over Unix sockets, and their descriptors are given back", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  const descriptorCount = () => [...Deno.readDirSync("/proc/self/fd")].length;
  const before = descriptorCount();
  using folder = new SocketFolder();
  using _service = UnixService.echo(folder.path("target"));
  const { connect, end } = joined(
    `${folder.path("listen")}:${folder.path("target")}`,
    folder.path("target"),
  );
  const all = Array.from(
    { length: 100 },
    (_, seed) => echoThrough(connect, testBytes(9_000, seed)),
  );
  await Promise.all(all);
  await end();
  ok(descriptorCount() <= before + 8, `${before}, then ${descriptorCount()}`);
});

Deno.test("what a target says after its client's end, and a client after its target's, arrives", {
  ignore,
}, async () => {
  using folder = new SocketFolder();
  const heard = Promise.withResolvers<number>();
  using _service = new UnixService(folder.path("target"), async (connection) => {
    await writeAll(connection as unknown as Deno.TcpConn, new Uint8Array(10));
    await connection.closeWrite();
    heard.resolve((await readToEnd(connection as unknown as Deno.TcpConn)).length);
    connection.close();
  });
  const { connect, end } = joined(
    `${folder.path("listen")}:${folder.path("target")}`,
    folder.path("target"),
  );
  using client = await connect() as Deno.TcpConn;
  equal((await readToEnd(client)).length, 10);
  await writeAll(client, new Uint8Array(1_000));
  await client.closeWrite();
  equal(await heard.promise, 1_000);
  await end();
});

Deno.test(
  "a path that is not allowed, or where nobody listens, is refused",
  { ignore },
  async () => {
    const log = await LogRecorder.start();
    using folder = new SocketFolder();
    await leaveStaleSocket(folder.path("stale"));
    Deno.writeTextFileSync(folder.path("file"), "");
    const cases: [target: string, allowed: string, code: string, reason: RegExp][] = [
      [folder.path("x"), "/y", "denied", /no --allow names it/],
      [folder.path("x"), folder.path("x"), "unreachable", /no such socket/],
      [folder.path("stale"), folder.path("stale"), "unreachable", /refused the connection/],
      [folder.path("file"), folder.path("file"), "unreachable", /refused the connection/],
    ];
    for (const [at, [target, allowed, code, reason]] of cases.entries()) {
      const { connect, end } = joined(`${folder.path("listen")}:${target}`, allowed);
      using client = await connect() as Deno.TcpConn;
      equal((await readToEnd(client)).length, 0);
      const { properties } = await log.next("refused", 2 * at + 2);
      equal(properties.code, code);
      match(String(properties.reason), reason);
      await end();
    }
  },
);

Deno.test("its socket is its owner's alone, and is removed at the end", { ignore }, () => {
  using folder = new SocketFolder();
  const umask = Deno.umask(0);
  const forward = new UnixForward(folder.path("s"), () => {});
  equal(Deno.umask(umask), 0);
  equal((Deno.lstatSync(folder.path("s")).mode ?? 0) & 0o777, 0o600);
  deepEqual(forward.addresses, [folder.path("s")]);
  forward.close();
  forward.close();
  deepEqual(folder.names, []);
});

Deno.test("at the end what has taken the place of its socket is kept", {
  ignore,
}, async () => {
  using folder = new SocketFolder();
  const forward = new UnixForward(folder.path("s"), () => {});
  Deno.removeSync(folder.path("s"));
  Deno.writeTextFileSync(folder.path("s"), "another's");
  forward.close();
  await new Promise((resolve) => setTimeout(resolve));
  equal(Deno.readTextFileSync(folder.path("s")), "another's");
});

Deno.test("a path can be listened on again as soon as that has ended", { ignore }, async () => {
  using folder = new SocketFolder();
  new UnixForward(folder.path("s"), () => {}).close();
  const accepted = Promise.withResolvers<void>();
  const again = new UnixForward(folder.path("s"), (connection) => {
    connection.close();
    accepted.resolve();
  });
  await new Promise((resolve) => setTimeout(resolve));
  (await Deno.connect({ transport: "unix", path: folder.path("s") })).close();
  await accepted.promise;
  again.close();
});

Deno.test("a socket that was left behind is replaced", { ignore }, async () => {
  using folder = new SocketFolder();
  const path = folder.path("s");
  await leaveStaleSocket(path);
  throws(() => new UnixForward(path, () => {}), /cannot listen on \/.*there is a file already/);
  await makeWay({ kind: "unix", path });
  new UnixForward(path, () => {}).close();
});

Deno.test("a path as long as may be given can be listened on", { ignore }, () => {
  using folder = new SocketFolder();
  const path = folder.path("x".repeat(103 - folder.path("").length));
  new UnixForward(path, () => {}).close();
  deepEqual(folder.names, []);
});

Deno.test("a socket that is in use, and a file that is no socket, are not replaced", {
  ignore,
}, async () => {
  using folder = new SocketFolder();
  using _service = UnixService.echo(folder.path("live"));
  Deno.writeTextFileSync(folder.path("file"), "precious");
  Deno.symlinkSync(folder.path("live"), folder.path("link"));
  for (
    const [name, problem] of [
      ["live", /cannot listen on .*live: another program listens there/],
      ["file", /cannot listen on .*file: there is a file that is no socket/],
      ["link", /cannot listen on .*link: there is a file that is no socket/],
    ] as const
  ) await rejects(makeWay({ kind: "unix", path: folder.path(name) }), problem);
  equal(Deno.readTextFileSync(folder.path("file")), "precious");
  deepEqual(folder.names, ["file", "link", "live"]);
});

Deno.test("there is nothing to make way for where nothing is, nor for ports", async () => {
  await makeWay({ kind: "unix", path: "/nowhere/s" });
  await makeWay({ kind: "tcp", host: "127.0.0.1", port: 1 });
  throws(() => new UnixForward("/nowhere/s", () => {}), /cannot listen on \/nowhere\/s: /);
});
