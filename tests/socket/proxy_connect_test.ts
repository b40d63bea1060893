import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import type net from "node:net";
import { type Proxy, proxyFor } from "../../src/socket/proxy.ts";
import { connectThroughProxy } from "../../src/socket/proxy_connect.ts";
import { HttpProxy } from "../fakes/http_proxy.ts";
import { echo, serve } from "../program/local_service.ts";

const destination = { host: "turn.only-the-proxy-knows.test", port: 443 };

function proxyAt(url: string): Proxy {
  const proxy = proxyFor(
    { scheme: "https", host: destination.host },
    (name) => name === "HTTPS_PROXY" ? url : undefined,
  );
  if (proxy === undefined) throw new Error("there is no proxy");
  return proxy;
}

function connect(url: string, signal = new AbortController().signal): Promise<Deno.TcpConn> {
  return connectThroughProxy({ proxy: proxyAt(url), destination, signal });
}

async function assertEchoes(connection: Deno.TcpConn): Promise<void> {
  await connection.write(new TextEncoder().encode("hello"));
  const buffer = new Uint8Array(100);
  const length = await connection.read(buffer);
  connection.close();
  equal(new TextDecoder().decode(buffer.subarray(0, length ?? 0)), "hello");
}

/** Why a proxy that says this at once does not do; its password is not in it. */
async function problemWith(
  handle: (socket: net.Socket) => void,
  scheme = "http",
): Promise<string> {
  await using proxy = await serve(handle);
  const url = `${scheme}://me:s3cret@127.0.0.1:${proxy.port}`;
  const problem = await connect(url).then(() => "none", (error: Error) => error.message);
  ok(!problem.includes("s3cret"));
  match(
    problem,
    new RegExp(`^the proxy ${scheme}://127\\.0\\.0\\.1:${proxy.port} \\(HTTPS_PROXY\\)`),
  );
  return problem.replace(/^.*\(HTTPS_PROXY\) /, "");
}

function saying(...bytes: (string | number[])[]): (socket: net.Socket) => void {
  return (socket) => {
    for (const each of bytes) {
      socket.write(typeof each === "string" ? each : Uint8Array.from(each));
    }
    socket.resume().end();
  };
}

Deno.test("CONNECT names the destination and brings the credentials", async () => {
  await using service = await serve(echo);
  const destinations = { [`${destination.host}:443`]: service.port };
  await using proxy = await HttpProxy.start({ destinations, credentials: "me:p/w" });
  await assertEchoes(await connect(proxy.url("me:p%2Fw")));
  await rejects(connect(proxy.url()), /wants another user and password \(HTTP 407\)$/);
  deepEqual(new Set(proxy.asked), new Set([`CONNECT ${destination.host}:443 HTTP/1.1`]));
});

Deno.test("a proxy that refuses CONNECT, or is none, is named with what it did", async () => {
  const host = destination.host;
  equal(
    await problemWith(saying("HTTP/1.1 502 x\r\n\r\n")),
    `does not connect to ${host}:443 (HTTP 502)`,
  );
  equal(
    await problemWith(saying("HTTP/1.1 407 x\r\n\r\nno")),
    "wants another user and password (HTTP 407)",
  );
  equal(await problemWith(saying("SSH-2.0-x\r\n")), "does not answer as an HTTP proxy");
  equal(await problemWith(saying("HTTP/1.1 200")), "has closed the connection");
  equal(
    await problemWith(saying("HTTP/1.1 200 " + "x".repeat(20_000))),
    "does not answer as an HTTP proxy",
  );
  equal(
    await problemWith(saying("HTTP/1.1 200 OK\r\n\r\nx")),
    "says more than that it has connected",
  );
});

Deno.test("a proxy that is not there, or is reached over TLS, is named", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  await rejects(
    connect(`http://me:s3cret@127.0.0.1:${port}`),
    new RegExp(
      `^Error: the proxy http://127\\.0\\.0\\.1:${port} \\(HTTPS_PROXY\\) cannot be reached: `,
    ),
  );
  await rejects(connect("https://127.0.0.1:9"), /is reached over TLS/);
});

Deno.test("a proxy that does not answer is left when the caller gives up", async () => {
  for (const scheme of ["http", "socks5"]) {
    const aborting = new AbortController();
    const asked = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    await using proxy = await serve((socket) => {
      socket.on("data", () => asked.resolve());
      socket.on("close", () => closed.resolve());
      socket.on("end", () => socket.end());
    });
    const connecting = connect(`${scheme}://127.0.0.1:${proxy.port}`, aborting.signal);
    await asked.promise;
    aborting.abort(new Error("given up"));
    await rejects(connecting, /^Error: given up$/);
    await closed.promise;
  }
});

/** Answers each message of a SOCKS5 client with the next of these, then echoes. */
function socks5(answers: readonly number[][], heard: number[][]): (socket: net.Socket) => void {
  return (socket) => {
    let count = 0;
    socket.on("data", (bytes) => {
      const answer = answers[count++];
      if (answer === undefined) return void socket.write(bytes);
      heard.push([...bytes]);
      socket.write(Uint8Array.from(answer));
    });
    socket.on("end", () => socket.end());
  };
}

const bound = [0, 0, 0, 0, 0, 0];

Deno.test("SOCKS5 is asked for the name, with credentials where there are some", async () => {
  const name = [...new TextEncoder().encode(destination.host)];
  const request = [5, 1, 0, 3, name.length, ...name, 1, 187];
  const heard: number[][] = [];
  await using open = await serve(socks5([[5, 0], [5, 0, 0, 1, ...bound]], heard));
  await assertEchoes(await connect(`socks5://127.0.0.1:${open.port}`));
  deepEqual(heard.splice(0), [[5, 1, 0], request]);
  // The address that it is bound to may be a name, or IPv6.
  for (const address of [[3, 2, 65, 66, 0, 0], [4, ...bound, ...bound, ...bound]]) {
    await using shut = await serve(socks5([[5, 2], [1, 0], [5, 0, 0, ...address]], heard));
    await assertEchoes(await connect(`socks5h://me:p%40@127.0.0.1:${shut.port}`));
    deepEqual(heard.splice(0), [[5, 2, 0, 2], [1, 2, 109, 101, 2, 112, 64], request]);
  }
});

Deno.test("a SOCKS5 proxy that refuses, or is none, is named with its reason", async () => {
  const problem = (...answers: number[][]) => problemWith(socks5(answers, []), "socks5");
  const prefix = `does not connect to ${destination.host}, port 443: `;
  equal(
    await problem([5, 2], [1, 0], [5, 5, 0, 1, ...bound]),
    `${prefix}the connection was refused`,
  );
  equal(await problem([5, 2], [1, 0], [5, 99, 0, 1, ...bound]), `${prefix}reason 99`);
  equal(await problem([5, 2], [1, 1]), "wants another user and password");
  equal(await problem([5, 255]), "wants another kind of proof");
  equal(await problem([72, 84]), "does not answer as a SOCKS5 proxy");
  equal(await problemWith(saying([5]), "socks5"), "has closed the connection");
});
