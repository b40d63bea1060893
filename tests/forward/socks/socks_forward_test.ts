import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { type Socket } from "node:net";
import { SocksClient } from "socks";
import { parseStreamTarget, type StreamTarget } from "../../../src/access/target.ts";
import { BadInput } from "../../../src/bad_input.ts";
import { parseProxyCredentials } from "../../../src/forward/socks/proxy_credentials.ts";
import { parseSocksListen, socksSpec } from "../../../src/forward/socks/socks_spec.ts";
import { TunnelStream } from "../../../src/tunnel/tunnel_stream.ts";
import type { RefusalCode } from "../../../src/tunnel/control_message.ts";
import type { Channel } from "../../../src/link/link.ts";
import { withExpiredTimers } from "../../fakes/expired_timers.ts";
import { LogRecorder } from "../../fakes/log_recorder.ts";
import {
  closedPort,
  closeWithReset,
  isSame,
  readExactly,
  readToEnd,
  resettableClient,
  Service,
  testBytes,
  writeAll,
} from "../../fakes/sockets.ts";
import { bytesOf, nameRequest, portBytes, ProxyStage } from "./proxy_stage.ts";

const isLinux = Deno.build.os === "linux";
const succeeded = "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00";

/** The independent client's own connection through the proxy. */
async function connectBySocks(
  port: number,
  destination: { readonly host: string; readonly port: number },
  login: { readonly userId?: string; readonly password?: string } = {},
): Promise<Socket> {
  const { socket } = await SocksClient.createConnection({
    proxy: { host: "127.0.0.1", port, type: 5, ...login },
    command: "connect",
    destination,
  });
  return socket;
}

async function echoBySocks(socket: Socket, bytes: Uint8Array): Promise<void> {
  socket.end(bytes);
  const received: Buffer[] = [];
  for await (const piece of socket) received.push(piece as Buffer);
  ok(isSame(Buffer.concat(received), bytes));
}

/** All that the proxy answers to some bytes, until it ends. */
async function answerTo(stage: ProxyStage, ...texts: readonly string[]): Promise<string> {
  const client = await stage.connect();
  for (const text of texts) await writeAll(client, bytesOf(text));
  return Buffer.from(await readToEnd(client)).toString("latin1");
}

/** An ingress that refuses all with this code. */
function refusing(code: RefusalCode): (channel: Channel) => void {
  return (channel) => new TunnelStream(channel, { role: "acceptor" }).refuse(code, `it is ${code}`);
}

for (
  const [kind, host, label] of [
    ["an IPv4 address", "127.0.0.1", "127.0.0.1"],
    ["an IPv6 address", "::1", "[::1]"],
    ["a name, which is not resolved here", "only.there.invalid", "only.there.invalid"],
  ] as const
) {
  Deno.test(`K2: the socks client reaches ${kind}`, async () => {
    using service = Service.echo(host === "::1" ? "::1" : "127.0.0.1");
    const { port } = service;
    await using stage = new ProxyStage({
      allowed: ["127.0.0.1:*"],
      names: { [`only.there.invalid:${port}`]: `127.0.0.1:${port}` },
    });
    await echoBySocks(await connectBySocks(stage.port, { host, port }), testBytes(200_000));
    deepEqual(stage.labels, [`${label}:${port}`]);
  });
}

Deno.test("a host named exec or unix is a host, by SOCKS5 and by HTTP CONNECT", async () => {
  await LogRecorder.start();
  const judged: StreamTarget[] = [];
  const serve = (channel: Channel) => {
    judged.push(parseStreamTarget(channel.label));
    refusing("denied")(channel);
  };
  for (const host of ["exec", "unix"]) {
    await using stage = new ProxyStage({ serve });
    await answerTo(stage, "\x05\x01\x00", nameRequest(host, 80));
    await answerTo(stage, `CONNECT ${host}:80 HTTP/1.1\r\n\r\n`);
    deepEqual(judged.splice(0), Array(2).fill({ kind: "tcp", host, port: 80 }));
  }
});

Deno.test("K1: a dialogue may be split at each byte, and what follows it early is kept", async () => {
  using service = Service.echo();
  await using stage = new ProxyStage({ allowed: ["127.0.0.1:*"], credentials: "me:secret" });
  const dialogue = "\x05\x02\x00\x02\x01\x02me\x06secret" +
    `${nameRequest("127.0.0.1", service.port)}early`;
  const expected = `\x05\x02\x01\x00${succeeded}early`;
  for (let cut = 1; cut < dialogue.length; cut++) {
    const client = await stage.connect();
    await writeAll(client, bytesOf(dialogue.slice(0, cut)));
    // What the proxy has answered so far shows that it has read the first part.
    const answered = cut >= 15 ? 4 : cut >= 4 ? 2 : 0;
    await readExactly(client, answered);
    await writeAll(client, bytesOf(dialogue.slice(cut)));
    await client.closeWrite();
    const rest = Buffer.from(await readToEnd(client)).toString("latin1");
    equal(rest, expected.slice(answered), `cut at ${cut}`);
    client.close();
  }
});

Deno.test("K2: replies tell what became of the request", async () => {
  const codes: [code: RefusalCode, reply: number][] = [
    ["denied", 2],
    ["malformed", 1],
    ["unresolved", 4],
    ["unreachable", 5],
    ["timeout", 6],
    ["exhausted", 1],
  ];
  await LogRecorder.start();
  for (const [code, reply] of codes) {
    await using stage = new ProxyStage({ serve: refusing(code) });
    const answer = await answerTo(stage, "\x05\x01\x00", nameRequest("nas.local", 80));
    deepEqual([...bytesOf(answer)].slice(0, 4), [5, 0, 5, reply], code);
    equal(answer.length, 12);
  }
  await using dark = new ProxyStage({ isLinkUp: false });
  equal((await answerTo(dark, "\x05\x01\x00", nameRequest("a", 1))).charCodeAt(3), 3);
});

Deno.test("K2: what the ingress does not allow, or finds nothing at, is told to the socks client", async () => {
  const log = await LogRecorder.start();
  const port = closedPort();
  await using stage = new ProxyStage({ allowed: [`127.0.0.1:${port}`] });
  await rejects(connectBySocks(stage.port, { host: "10.0.0.5", port: 80 }), /NotAllowed/);
  await rejects(connectBySocks(stage.port, { host: "127.0.0.1", port }), /ConnectionRefused/);
  const denied = await log.next("refused", 2);
  equal(denied.properties.target, "10.0.0.5:80");
});

Deno.test("K2: BIND, unknown commands and unknown types of address are refused", async () => {
  await using stage = new ProxyStage();
  const rest = "\x01\x7f\x00\x00\x01\x00\x50";
  for (
    const [request, reply] of [
      [`\x05\x02\x00${rest}`, 7],
      [`\x05\x09\x00${rest}`, 7],
      ["\x05\x01\x00\x05\x00", 8],
      ["\x05\x01\x00\x03\x02..\x00\x50", 1],
    ] as const
  ) {
    const answer = await answerTo(stage, "\x05\x01\x00", request);
    deepEqual([...bytesOf(answer)].slice(0, 4), [5, 0, 5, reply], JSON.stringify(request));
  }
  deepEqual(stage.labels, []);
});

Deno.test("K1: who speaks another protocol gets no answer", async () => {
  await using stage = new ProxyStage();
  for (
    const text of ["\x04\x01\x00\x50\x7f\x00\x00\x01\x00", "\x16\x03\x01", "\x00", "ssh", "get"]
  ) {
    const client = await stage.connect();
    await writeAll(client, bytesOf(text));
    const answer = await readToEnd(client).catch((error) => {
      // What was not read makes a reset of the end.
      ok(error instanceof Deno.errors.ConnectionReset);
      return new Uint8Array();
    });
    equal(answer.length, 0);
  }
});

Deno.test("K1: methods that are not taken are told so", async () => {
  await using open = new ProxyStage();
  await using closed = new ProxyStage({ credentials: "me:secret" });
  equal(await answerTo(open, "\x05\x00"), "\x05\xff");
  equal(await answerTo(open, "\x05\x02\x01\x02"), "\x05\xff");
  equal(await answerTo(closed, "\x05\x02\x00\x01"), "\x05\xff");
});

Deno.test("K1: only who knows a user and its password is served", async () => {
  const log = await LogRecorder.start();
  using service = Service.echo();
  const destination = { host: "127.0.0.1", port: service.port };
  await using stage = new ProxyStage({
    allowed: ["127.0.0.1:*"],
    credentials: "me:secret\n\nyou:pass:word\n",
  });
  for (const [userId, password] of [["me", "secret"], ["you", "pass:word"]] as const) {
    const socket = await connectBySocks(stage.port, destination, { userId, password });
    await echoBySocks(socket, testBytes(1_000));
  }
  for (
    const [userId, password] of [["me", "Secret"], ["mes", "ecret"], ["you", "secret"]] as const
  ) {
    await rejects(connectBySocks(stage.port, destination, { userId, password }), /authentication/i);
  }
  const malformed = await answerTo(stage, "\x05\x01\x02", "\x01\x00\x00");
  equal(malformed, "\x05\x02\x01\x01");
  const record = await log.next("socks-unauthorized", 4);
  ok(!JSON.stringify(record).includes("ecret"));
  equal(stage.labels.length, 2);
});

Deno.test("HTTP: CONNECT is answered with 200, and what follows it early is kept", async () => {
  using service = Service.echo();
  await using stage = new ProxyStage({ allowed: ["127.0.0.1:*"] });
  const client = await stage.connect();
  await writeAll(client, bytesOf(`CONNECT 127.0.0.1:${service.port} HTTP/1.1\r\n\r\nearly`));
  await client.closeWrite();
  equal(
    Buffer.from(await readToEnd(client)).toString(),
    "HTTP/1.1 200 Connection established\r\n\r\nearly",
  );
});

Deno.test("HTTP: failures have a status, and their reason in one line", async () => {
  await LogRecorder.start();
  const codes: [code: RefusalCode, status: number][] = [
    ["denied", 403],
    ["unresolved", 502],
    ["unreachable", 502],
    ["timeout", 504],
  ];
  const ask = (stage: ProxyStage) => answerTo(stage, "CONNECT nas.local:80 HTTP/1.1\r\n\r\n");
  for (const [code, status] of codes) {
    await using stage = new ProxyStage({ serve: refusing(code) });
    const answer = await ask(stage);
    match(
      answer,
      new RegExp(`^HTTP/1.1 ${status} .*\\r\\n\\r\\nrefused by .* it is ${code}\n$`, "s"),
    );
  }
  await using dark = new ProxyStage({ isLinkUp: false });
  match(await ask(dark), /^HTTP\/1.1 504 .*\r\n\r\nno link .*\n$/s);
  match(await answerTo(dark, "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), /^HTTP\/1.1 405 /);
  match(await answerTo(dark, `CONNECT ${"x".repeat(9_000)}`), /^HTTP\/1.1 431 /);
});

Deno.test("HTTP: only who knows a user and its password is served", async () => {
  await LogRecorder.start();
  using service = Service.echo();
  await using stage = new ProxyStage({ allowed: ["127.0.0.1:*"], credentials: "me:secret" });
  const ask = (header: string) => `CONNECT 127.0.0.1:${service.port} HTTP/1.1\r\n${header}\r\n`;
  const basic = (text: string) => `Proxy-Authorization: Basic ${btoa(text)}\r\n`;
  for (const header of ["", basic("me:Secret"), basic("me"), basic(":secret"), "X: y\r\n"]) {
    match(await answerTo(stage, ask(header)), /^HTTP\/1.1 407 .*Proxy-Authenticate: Basic/s);
  }
  const client = await stage.connect();
  await writeAll(client, bytesOf(ask(basic("me:secret"))));
  await client.closeWrite();
  match(Buffer.from(await readToEnd(client)).toString(), /^HTTP\/1.1 200 /);
});

Deno.test("half-close is kept, either way", async () => {
  await using stage = new ProxyStage({ allowed: ["127.0.0.1:*"] });
  using lastWord = new Service(async (connection) => {
    const said = await readToEnd(connection);
    await writeAll(connection, said);
    await connection.closeWrite();
  });
  using firstWord = new Service(async (connection) => {
    await writeAll(connection, bytesOf("done"));
    await connection.closeWrite();
    equal((await readToEnd(connection)).length, 3);
    connection.close();
  });
  await echoBySocks(
    await connectBySocks(stage.port, { host: "127.0.0.1", port: lastWord.port }),
    testBytes(50_000),
  );
  const client = await stage.connect();
  await writeAll(client, bytesOf(`\x05\x01\x00${nameRequest("127.0.0.1", firstWord.port)}`));
  equal(Buffer.from(await readToEnd(client)).toString("latin1"), `\x05\x00${succeeded}done`);
  await writeAll(client, bytesOf("bye"));
  await client.closeWrite();
});

Deno.test("a reset of the target is a reset for the client", { ignore: !isLinux }, async () => {
  await using stage = new ProxyStage({ allowed: ["127.0.0.1:*"] });
  using service = new Service(async (connection) => {
    await readExactly(connection, 1);
    closeWithReset(connection);
  });
  const client = await stage.connect();
  await writeAll(client, bytesOf(`\x05\x01\x00${nameRequest("127.0.0.1", service.port)}`));
  await readExactly(client, 12);
  await writeAll(client, bytesOf("x"));
  await rejects(readToEnd(client), Deno.errors.ConnectionReset);
});

Deno.test("a client that resets while its target is dialled takes its stream with it", async () => {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const { promise: asked, resolve: handleAsked } = Promise.withResolvers<void>();
  await using stage = new ProxyStage({
    serve: (channel) => {
      const stream = new TunnelStream(channel, { role: "acceptor" });
      stream.handler = {
        ...{ handleOpened: () => {}, handlePayload: () => {}, handleEnd: () => {} },
        ...{ handleWritable: () => {}, handleReleased: () => {} },
        handleBatchEnd: () => {},
        handleClosed: ({ how }) => how === "reset" ? resolve() : undefined,
      };
      handleAsked();
    },
  });
  const socket = await resettableClient(stage.port);
  socket.write(bytesOf(`\x05\x01\x00${nameRequest("nas.local", 80)}`));
  await asked;
  socket.resetAndDestroy();
  await closed;
});

Deno.test("K3: a client that does not say where to is closed after 10 s", async () => {
  await LogRecorder.start();
  await using stage = new ProxyStage();
  for (const text of ["\x05\x01\x00\x05\x01", "CONNECT a:1 HTTP/1.1\r\nX: ", "\x05"]) {
    await withExpiredTimers(10_000, async () => {
      const client = await stage.connect();
      await writeAll(client, bytesOf(text)).catch(() => {});
      await readToEnd(client).catch(() => {});
    });
  }
});

Deno.test(
  "K3: of clients that do not say where to 1,024 are kept, others are reset, and those that have said it go on",
  {
    ignore: !isLinux,
  },
  async () => {
    using service = Service.echo();
    await using stage = new ProxyStage({ allowed: ["127.0.0.1:*"] });
    const destination = { host: "127.0.0.1", port: service.port };
    const served = await connectBySocks(stage.port, destination);
    const ask = async () => {
      const client = await stage.connect();
      await writeAll(client, bytesOf("\x05\x01\x00"));
      await readExactly(client, 2);
      return client;
    };
    const [first] = await Promise.all(Array.from({ length: 1_024 }, ask));
    await rejects(ask(), Deno.errors.ConnectionReset);
    first?.close();
    // The proxy hears of that a moment later.
    while (await ask().catch(() => undefined) === undefined);
    await echoBySocks(served, testBytes(1_000));
  },
);

Deno.test("a listener that was closed lets what is under way go on", async () => {
  using service = Service.echo();
  await using stage = new ProxyStage({ allowed: ["127.0.0.1:*"] });
  const socket = await connectBySocks(stage.port, { host: "127.0.0.1", port: service.port });
  stage.forward.close();
  await echoBySocks(socket, testBytes(10_000));
  await once(socket, "close");
});

Deno.test("a listener that strangers reach asks for a password", () => {
  const credentials = parseProxyCredentials("me:secret", "the test");
  for (const text of ["1080", "127.0.0.1:1080", "127.9.9.9:1", "[::1]:0", "localhost:1080"]) {
    socksSpec(parseSocksListen(text), undefined);
  }
  for (const text of ["0.0.0.0:1080", "[::]:1080", "192.0.2.1:1080", "nas.local:1080"]) {
    const listen = parseSocksListen(text);
    throws(() => socksSpec(listen, undefined), /--socks-auth-file.*AETHERPORT_SOCKS_AUTH/);
    equal(socksSpec(listen, credentials).socks.credentials, credentials);
  }
});

Deno.test("what is no listener, or holds no credentials, is bad input that shows no password", () => {
  for (const text of ["", "a", "65536", "a:b", "1:2:3", "[::1", ":80"]) {
    throws(
      () => parseSocksListen(text),
      (error: Error) =>
        error instanceof BadInput && /--socks .*column \d+.*Example/.test(error.message),
    );
  }
  for (const text of ["", "\n", "secret", ":secret", "me:", `${"u".repeat(256)}:secret`]) {
    throws(
      () => parseProxyCredentials(text, "x"),
      (error: Error) => error instanceof BadInput && !error.message.includes("secret"),
    );
  }
});

Deno.test("IPv6 clients are served on the same port", async () => {
  using service = Service.echo();
  await using stage = new ProxyStage({ allowed: ["127.0.0.1:*"] });
  const client = await stage.connect("::1");
  const port = portBytes(service.port);
  await writeAll(client, bytesOf(`\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01${port}x`));
  await client.closeWrite();
  equal(Buffer.from(await readToEnd(client)).toString("latin1"), `\x05\x00${succeeded}x`);
});
