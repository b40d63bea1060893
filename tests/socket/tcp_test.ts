import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { portableTcpSockets } from "../../src/socket/choose_tcp_sockets.ts";
import { nativeSystem } from "../../src/socket/native_system.ts";
import { NativeTcpSockets } from "../../src/socket/native_tcp.ts";
import type { Connection } from "../../src/socket/connection.ts";
import type { TcpSockets } from "../../src/socket/tcp.ts";
import {
  closeQuietly,
  isSame,
  readExactly,
  readToEnd,
  resettableClient,
  testBytes,
  writeAll,
} from "../fakes/sockets.ts";

const isLinux = Deno.build.os === "linux";
const never = new AbortController().signal;

const system = Deno.build.os === "linux" ? nativeSystem() : undefined;
if (system === undefined) console.log("SKIPPED: no native TCP here, only portable is tested");

const implementations: readonly { readonly name: string; readonly tcp: TcpSockets }[] = [
  { name: "portable", tcp: portableTcpSockets },
  ...(system === undefined ? [] : [{ name: "native", tcp: new NativeTcpSockets(system) }]),
];

for (const { name, tcp } of implementations) testTcp(name, tcp);

function testTcp(name: string, tcp: TcpSockets): void {
  /** A listener, and its connections in the order they were accepted. */
  function listen(host = "127.0.0.1") {
    const accepted: Connection[] = [];
    const waiting: ((connection: Connection) => void)[] = [];
    const listener = tcp.listen({
      host,
      port: 0,
      onConnection: (connection) => {
        const wake = waiting.shift();
        if (wake === undefined) accepted.push(connection);
        else wake(connection);
      },
    });
    const next = () => {
      const connection = accepted.shift();
      return connection === undefined
        ? new Promise<Connection>((resolve) => waiting.push(resolve))
        : Promise.resolve(connection);
    };
    return {
      listener,
      next,
      connect: () => Deno.connect({ hostname: host, port: listener.port }),
    };
  }

  /** Two ends of one connection. */
  async function connected() {
    const { listener, next, connect } = listen();
    const client = await connect();
    const server = await next();
    listener.close();
    return { client, server };
  }

  Deno.test(`${name} TCP: tells the address and port that it is bound to`, () => {
    for (const [host, written] of [["127.0.0.1", "127.0.0.1"], ["::1", "[::1]"]] as const) {
      const { listener } = listen(host);
      ok(listener.port > 0);
      equal(listener.address, `${written}:${listener.port}`);
      listener.close();
      listener.close();
    }
  });

  Deno.test(`${name} TCP: parts of a buffer are written at once, as far as there is room`, async () => {
    const { client, server } = await connected();
    if (server.writeAtOnce === undefined) {
      equal(name, "portable");
      client.close();
      return server.close();
    }
    const bytes = testBytes(100_000);
    const count = 150;
    const bounds = Array.from({ length: count }, (_, part) => [part * 500, part * 500 + 300]);
    const whole = bounds.flatMap(([start, end]) => [...bytes.subarray(start, end)]);
    const few = server.writeAtOnce({ bytes: bytes.subarray(7), bounds: [0, 10, 20, 25] });
    equal(few, 15);
    let written = server.writeAtOnce({ bytes, bounds: bounds.flat() });
    equal(written % 300, 0, "of many parts the first");
    await server.write(Uint8Array.from(whole.slice(written)));
    const expected = [...bytes.subarray(7, 17), ...bytes.subarray(27, 32), ...whole];
    ok(isSame(await readExactly(client, expected.length), Uint8Array.from(expected)));
    for (let taken = 1; taken > 0; written = taken) {
      taken = server.writeAtOnce({ bytes, bounds: [0, bytes.length] });
    }
    equal(written, 0, "none while the other end does not read");
    client.close();
    server.reset();
    equal(server.writeAtOnce({ bytes, bounds: [0, 10] }), 0, "none once closed");
  });

  Deno.test(`${name} TCP: refuses an address that is taken`, () => {
    const { listener } = listen();
    throws(
      () => tcp.listen({ host: "127.0.0.1", port: listener.port, onConnection: () => {} }),
      Deno.errors.AddrInUse,
    );
    listener.close();
  });

  Deno.test(`${name} TCP: connections outlive their listener`, async () => {
    const { client, server } = await connected();
    await writeAll(client, new Uint8Array([1, 2, 3]));
    equal(await server.read(new Uint8Array(8)), 3);
    client.close();
    server.close();
  });

  Deno.test(`${name} TCP: tells who the other end is`, async () => {
    const { client, server } = await connected();
    equal(server.remote, `127.0.0.1:${(client.localAddr as Deno.NetAddr).port}`);
    client.close();
    server.close();
  });

  Deno.test(`${name} TCP: writes everything, however slowly it is read`, async () => {
    const { client, server } = await connected();
    const bytes = testBytes(4_000_000);
    const writing = server.write(bytes).then(() => server.endWrite());
    ok(isSame(await readToEnd(client), bytes));
    await writing;
    client.close();
    server.close();
  });

  Deno.test(`${name} TCP: a half-close ends one way and leaves the other open`, async () => {
    const { client, server } = await connected();
    await server.endWrite();
    equal((await readToEnd(client)).length, 0);
    await writeAll(client, new Uint8Array(1_000));
    await client.closeWrite();
    equal(await readAll(server), 1_000);
    client.close();
    server.close();
  });

  Deno.test(`${name} TCP: a half-close after the other end has gone is no error`, async () => {
    const { client, server } = await connected();
    client.close();
    equal(await server.read(new Uint8Array(8)), null);
    await server.endWrite();
    server.close();
  });

  Deno.test(
    `${name} TCP: a reset of an accepted connection is an error at the other end, and no end`,
    {
      ignore: !isLinux,
    },
    async () => {
      const { client, server } = await connected();
      await writeAll(client, new Uint8Array(1_000));
      server.reset();
      await rejects(readToEnd(client), Deno.errors.ConnectionReset);
      client.close();
    },
  );

  Deno.test(
    `${name} TCP: a reset of a dialled connection is an error at the other end, and no end`,
    {
      ignore: !isLinux,
    },
    async () => {
      const { listener, next } = listen();
      const { port } = listener;
      const dialled = await tcp.dial({ address: "127.0.0.1", port, signal: never });
      const server = await next();
      dialled.reset();
      await rejects(server.read(new Uint8Array(8)), Deno.errors.ConnectionReset);
      server.close();
      listener.close();
    },
  );

  Deno.test(`${name} TCP: a reset of the other end is an error`, async () => {
    const { listener, next } = listen();
    const client = await resettableClient(listener.port);
    const server = await next();
    client.resetAndDestroy();
    await rejects(server.read(new Uint8Array(8)), Deno.errors.ConnectionReset);
    server.close();
    listener.close();
  });

  Deno.test(`${name} TCP: closing and resetting rejects what is pending, and may be repeated`, async () => {
    for (const end of ["close", "reset"] as const) {
      const { client, server } = await connected();
      const reading = rejects(server.read(new Uint8Array(8)));
      server[end]();
      server.reset();
      server.close();
      await reading;
      client.close();
    }
  });

  Deno.test(`${name} TCP: dials an address`, async () => {
    const { listener, next } = listen("::1");
    const connection = await tcp.dial({ address: "::1", port: listener.port, signal: never });
    const server = await next();
    await connection.write(new Uint8Array([1]));
    equal(await server.read(new Uint8Array(8)), 1);
    equal(connection.remote, listener.address);
    for (const one of [connection, server, listener]) one.close();
  });

  Deno.test(`${name} TCP: a dial that is given up rejects`, async () => {
    const { listener } = listen();
    const signal = AbortSignal.abort();
    await rejects(tcp.dial({ address: "127.0.0.1", port: listener.port, signal }));
    listener.close();
  });

  Deno.test(`${name} TCP: serves the next after 500 clients that connect and reset`, async () => {
    const { listener, next, connect } = listen();
    const resetting = Array.from({ length: 500 }, async () => {
      (await resettableClient(listener.port)).resetAndDestroy();
    });
    await Promise.all(resetting);
    const client = await connect();
    await writeAll(client, new Uint8Array([42]));
    const buffer = new Uint8Array(1);
    while (true) {
      const connection = await next();
      const count = await connection.read(buffer).catch(() => null);
      connection.close();
      if (count === 1) break;
    }
    deepEqual([...buffer], [42]);
    client.close();
    listener.close();
  });

  Deno.test(
    `${name} TCP: serves again after running out of descriptors`,
    { ignore: !isLinux },
    async () => {
      const script = new URL("../fakes/exhausted_listener.ts", import.meta.url).pathname;
      const child = new Deno.Command("sh", {
        args: ["-c", `ulimit -n 64; exec "$0" run -A "$1" "$2"`, Deno.execPath(), script, name],
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const [out, err] = [lines(child.stdout), lines(child.stderr)];
      const port = Number((await out.next()).value);
      const connect = () => Deno.connect({ hostname: "127.0.0.1", port });
      const clients = await Promise.all(Array.from({ length: 100 }, connect));
      match(String((await err.next()).value), /cannot accept a connection on 127\.0\.0\.1/);
      clients.forEach(closeQuietly);

      const client = await connect();
      await writeAll(client, new Uint8Array(1));
      equal(new TextDecoder().decode(await readExactly(client, 6)), "served");
      client.close();
      child.kill("SIGKILL");
      await child.status;
      await Promise.all([out.return(undefined), err.return(undefined)]);
    },
  );
}

async function readAll(connection: Connection): Promise<number> {
  let length = 0;
  const buffer = new Uint8Array(65_536);
  for (let count; (count = await connection.read(buffer)) !== null;) length += count;
  return length;
}

async function* lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const [last = "", ...whole] = (rest + text).split("\n").reverse();
    rest = last;
    yield* whole.reverse();
  }
}
