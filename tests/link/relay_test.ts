/** Relays at coturn, and at servers that are none, over real sockets on loopback. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { IceServer } from "../../src/link/ice_server.ts";
import type { RelayOptions } from "../../src/link/relay.ts";
import { inTurns, resolveServer } from "../../src/link/relay_addresses.ts";
import { RelayWriteQueue } from "../../src/link/relay_write_queue.ts";
import type { DatagramSocket } from "../../src/socket/datagram.ts";
import { portableDatagramSockets } from "../../src/socket/portable_datagram.ts";
import { FakeTurnServer, type FakeTurnServerOptions, user } from "../ice/turn/fake_turn_server.ts";
import { Coturn, isCoturnInstalled } from "../peers/coturn.ts";
import { isInstalled } from "../peers/peer_process.ts";
import { Client, serverAt, until, wait, withCoturn } from "./relay_stage.ts";

const hasCoturn = await isCoturnInstalled("TURN over UDP, TCP and TLS");
const hasOpenssl = await isInstalled("openssl", ["version"], "TURN over TLS");

function untilPrinted(coturn: Coturn, pattern: RegExp, count: number): Promise<void> {
  return until(() => (coturn.printed.match(pattern)?.length ?? 0) === count);
}

const pieceLength = 1_000;
const pieceCount = 1_049;

/** Numbers the pieces, which begin as DTLS does, and fills them with what nobody else has. */
function payload(salt: number): Uint8Array {
  const bytes = new Uint8Array(pieceLength * pieceCount);
  for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 31 + (at >> 8) + salt) & 0xff;
  const view = new DataView(bytes.buffer);
  for (let piece = 0; piece < pieceCount; piece++) {
    view.setUint32(piece * pieceLength, 0x17 << 24 | piece);
  }
  return bytes;
}

/** Sends it all, again and again where something is lost, until the other has it. */
async function transfer(from: Client, to: Client, salt: number): Promise<void> {
  const [{ relayed: source }, { relayed: destination }] = await Promise.all([
    from.allocated(),
    to.allocated(),
  ]);
  const bytes = payload(salt);
  const received = new Map<number, Uint8Array>();
  to.handleDatagram = (sender, piece) => {
    deepEqual(sender, source);
    received.set(new DataView(piece.buffer).getUint32(0) & 0xffffff, piece);
  };
  const batchCount = 20;
  for (let round = 0; received.size < pieceCount; round++) {
    ok(round < 200, `only ${received.size} of ${pieceCount} pieces have come`);
    for (let piece = 0; piece < pieceCount; piece += batchCount) {
      const end = Math.min(pieceCount, piece + batchCount);
      if (isComplete(received, piece, end)) continue;
      from.relay.send(bytes, piece * pieceLength, end * pieceLength, pieceLength, destination);
      await wait(1);
    }
  }
  for (let piece = 0; piece < pieceCount; piece++) {
    deepEqual(received.get(piece), bytes.slice(piece * pieceLength, (piece + 1) * pieceLength));
  }
}

function isComplete(received: Map<number, unknown>, start: number, end: number): boolean {
  for (let piece = start; piece < end; piece++) if (!received.has(piece)) return false;
  return true;
}

/** Two relays at a server exchange a megabyte in each direction. */
async function exchange(
  coturn: Coturn,
  servers: readonly [IceServer, IceServer],
  options: Partial<RelayOptions> = {},
): Promise<void> {
  const [one, other] = servers.map((server) => new Client(server, options));
  if (one === undefined || other === undefined) return;
  const addresses = await Promise.all([one.allocated(), other.allocated()]);
  one.relay.permit(addresses[1].relayed);
  other.relay.permit(addresses[0].relayed);
  await Promise.all([transfer(one, other, 1), transfer(other, one, 2)]);
  ok(one.drainedCount > 0);
  await Promise.all([one.relay.close(), other.relay.close()]);
  await untilPrinted(coturn, /CHANNEL_BIND processed, success/g, 2);
  await untilPrinted(coturn, /refreshed, .*lifetime=0/g, 2);
  deepEqual([one.failureCount, other.failureCount], [0, 0]);
}

for (const transport of ["udp", "tcp"] as const) {
  Deno.test(
    `two relays over ${transport} exchange a megabyte`,
    { ignore: !hasCoturn },
    () =>
      withCoturn({ args: ["--verbose"] }, async (coturn) => {
        const server = serverAt(coturn.port, { transport });
        await exchange(coturn, [server, server]);
      }),
  );
}

Deno.test(
  "portable sockets and a stream meet at the server",
  { ignore: !hasCoturn },
  () =>
    withCoturn({ args: ["--verbose"] }, async (coturn) => {
      const servers = [serverAt(coturn.port), serverAt(coturn.port, { transport: "tcp" })] as const;
      await exchange(coturn, servers, { sockets: portableDatagramSockets });
    }),
);

/** A certificate for `localhost` alone, and the authority that signed it. */
async function makeCertificate(folder: string): Promise<{ certPath: string; keyPath: string }> {
  const openssl = async (...args: string[]) => {
    const { success, stderr } = await new Deno.Command("openssl", { args, cwd: folder }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  await Deno.writeTextFile(
    `${folder}/leaf.cnf`,
    "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n",
  );
  await openssl(
    "req",
    "-x509",
    ...newKey,
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
    "-subj",
    "/CN=CA",
  );
  await openssl("req", ...newKey, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=leaf");
  await openssl(
    ...["x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key"],
    ...["-CAcreateserial", "-days", "2", "-extfile", "leaf.cnf", "-out", "leaf.pem"],
  );
  return { certPath: `${folder}/leaf.pem`, keyPath: `${folder}/leaf.key` };
}

Deno.test("over TLS a megabyte goes, to a server whose name and authority are right", {
  ignore: !hasCoturn || !hasOpenssl,
}, async () => {
  const folder = await Deno.makeTempDir();
  try {
    const certificate = await makeCertificate(folder);
    const caCerts = [await Deno.readTextFile(`${folder}/ca.pem`)];
    await withCoturn({ certificate, args: ["--verbose"] }, async (coturn) => {
      const named = serverAt(0, { scheme: "turns", address: `localhost:${coturn.tlsPort}` });
      await exchange(coturn, [named, named], { caCerts });
      const stranger = await new Client(named).failed();
      match(stranger, /^TURN server localhost:\d+ over TLS: .*UnknownIssuer/);
      const unnamed = { ...named, address: `127.0.0.1:${coturn.tlsPort}` };
      match(await new Client(unnamed, { caCerts }).failed(), /not valid for name "127\.0\.0\.1"/);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test(
  "nonces may go stale every second",
  { ignore: !hasCoturn },
  () =>
    withCoturn({ staleNonceSeconds: 1, args: ["--verbose"] }, async (coturn) => {
      const [one, other] = [0, 0].map(() => new Client(serverAt(coturn.port)));
      if (one === undefined || other === undefined) return;
      const destination = (await other.allocated()).relayed;
      const source = (await one.allocated()).relayed;
      await wait(2_200);
      other.relay.permit(source);
      await until(() => /CREATE_PERMISSION processed, success/.test(coturn.printed));
      let receivedCount = 0;
      other.handleDatagram = () => receivedCount++;
      for (let count = 0; receivedCount < 20; count++) {
        ok(count < 500);
        equal(one.relay.send(new Uint8Array(300).fill(99), 0, 300, 100, destination), "sent");
        await wait(10);
      }
      match(coturn.printed, /error 438/);
      await Promise.all([one.relay.close(), other.relay.close()]);
      await untilPrinted(coturn, /refreshed, .*lifetime=0/g, 2);
    }),
);

Deno.test("a wrong secret, a user with too many, an address that is denied: it is said", {
  ignore: !hasCoturn,
}, () =>
  withCoturn({ isLoopbackDenied: true, args: ["--user-quota=1"] }, async (coturn) => {
    for (const transport of ["udp", "tcp"] as const) {
      const wrong = serverAt(coturn.port, { transport, password: "wrong" });
      const reason = await new Client(wrong).failed();
      match(reason, /^TURN server 127\.0\.0\.1:\d+ over (UDP|TCP): the server refuses the user/);
      equal(reason.includes("wrong"), false);
    }
    const client = new Client(serverAt(coturn.port));
    await client.allocated();
    match(await new Client(serverAt(coturn.port)).failed(), /raise its user quota/);
    client.relay.permit({ address: "127.0.0.1", port: 9 });
    await until(() => client.refused.length > 0);
    deepEqual(client.refused, ["127.0.0.1"]);
    const outcome = client.relay.send(new Uint8Array(9), 0, 9, 9, {
      address: "127.0.0.1",
      port: 9,
    });
    equal(outcome, "unreachable");
    await client.relay.close();
  }));

Deno.test("a server that is gone is noticed over TCP", { ignore: !hasCoturn }, async () => {
  const coturn = await Coturn.start();
  const client = new Client(serverAt(coturn.port, { transport: "tcp" }));
  await client.allocated();
  await coturn.stop();
  await until(() => client.failureCount === 1);
  equal(
    client.relay.send(new Uint8Array(1), 0, 1, 1, { address: "192.0.2.1", port: 1 }),
    "unreachable",
  );
  await client.relay.close();
});

Deno.test(
  "a relay that is closed at once leaves nothing",
  { ignore: !hasCoturn },
  () =>
    withCoturn({}, async (coturn) => {
      for (const transport of ["udp", "tcp"] as const) {
        for (const duration of [0, 1, 5, 20]) {
          const client = new Client(serverAt(coturn.port, { transport }));
          await wait(duration);
          await client.relay.close();
          await client.relay.close();
          equal(client.failureCount, 0);
        }
      }
    }),
);

Deno.test("dead servers fail in their time, side by side, and hold up none that lives", async () => {
  const silent = await portableDatagramSockets.bind({
    address: "127.0.0.1",
    handler: { handleDatagrams() {}, handleDrained() {}, handleFailed() {} },
  });
  const mute = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const closedPort = (closed.addr as Deno.NetAddr).port;
  closed.close();
  const mutePort = (mute.addr as Deno.NetAddr).port;
  const fake = await serveFake({});
  const began = performance.now();
  const living = new Client(serverAt(fake.local.port, user));
  const timeout = 600;
  const dead = [
    serverAt(silent.local.port),
    serverAt(mutePort, { transport: "tcp" }),
    serverAt(mutePort, { scheme: "turns" }),
  ].map((server) => new Client(server, { timeout }));
  const refused = new Client(serverAt(closedPort, { transport: "tcp" }), { timeout });
  const nowhere = serverAt(0, { address: "there-is-none.invalid" });
  const unnamed = new Client(nowhere, { timeout });
  await living.allocated();
  ok(performance.now() - began < 300);
  for (const client of dead) {
    match(await client.failed(), /: no answer within 0\.6 s$/);
    ok(client.failedAfter > timeout - 20 && client.failedAfter < timeout + 300);
  }
  match(await refused.failed(), /refused/);
  match(await unnamed.failed(), /^TURN server there-is-none\.invalid over UDP: /);
  await Promise.all([living, refused, unnamed, ...dead].map(({ relay }) => relay.close()));
  await Promise.all([silent.close(), fake.close()]);
  mute.close();
});

Deno.test("what is no TURN server is told by its first words", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const { port } = listener.addr as Deno.NetAddr;
  const client = new Client(serverAt(port, { transport: "tcp" }));
  const connection = await accepted;
  await connection.write(new TextEncoder().encode("SSH-2.0-OpenSSH_9.2p1\r\n"));
  match(await client.failed(), /what the server sends is not TURN$/);
  await client.relay.close();
  connection.close();
  listener.close();
});

/** A fake server on a socket. */
async function serveFake(options: FakeTurnServerOptions): Promise<DatagramSocket> {
  const servers = new Map<number, FakeTurnServer>();
  const out = new Uint8Array(2_048);
  const socket = await portableDatagramSockets.bind({
    address: "127.0.0.1",
    handler: {
      handleDatagrams(bytes, start, end, _, source) {
        const server = servers.get(source.port) ?? new FakeTurnServer(options);
        servers.set(source.port, server);
        server.handleDatagram(bytes.slice(start, end), performance.now());
        for (;;) {
          const transmit = server.pollTransmit(out, performance.now());
          if (transmit === undefined) break;
          socket.send(out, 0, transmit.length, transmit.length, source);
        }
      },
      handleDrained() {},
      handleFailed() {},
    },
  });
  return socket;
}

Deno.test("another server is asked where one names it, two times at most", async () => {
  const last = await serveFake({});
  let hopCount = 0;
  const refuse = () => {
    hopCount++;
    return { code: 300, attributes: { alternateServer: hopCount < 2 ? first.local : last.local } };
  };
  const first: DatagramSocket = await serveFake({ refuse });
  const client = new Client(serverAt(first.local.port, user));
  await client.allocated();
  equal(hopCount, 2);
  await client.relay.close();
  hopCount = -Infinity;
  const lost = new Client(serverAt(first.local.port, user));
  match(await lost.failed(), /: sent on to 127\.0\.0\.1:\d+: .* to yet another/);
  await Promise.all([first.close(), last.close()]);
});

Deno.test("where the server has an allocation from our port, another port is taken", async () => {
  let refusedCount = 0;
  const busy = await serveFake({
    refuse: () => refusedCount++ < 2 ? { code: 437 } : undefined,
  });
  const client = new Client(serverAt(busy.local.port, user));
  await client.allocated();
  await client.relay.close();
  refusedCount = -Infinity;
  match(await new Client(serverAt(busy.local.port, user)).failed(), /another allocation.*437/);
  await busy.close();
});

Deno.test("datagrams from elsewhere are not the server's", async () => {
  const fake = await serveFake({});
  const client = new Client(serverAt(fake.local.port, user));
  const { base } = await client.allocated();
  let receivedCount = 0;
  client.handleDatagram = () => receivedCount++;
  const peer = { address: "192.0.2.9", port: 9 };
  client.relay.permit(peer);
  const forged = new FakeTurnServer().indication(peer, Uint8Array.of(1));
  const attacker = await serveFake({});
  const destination = { address: "127.0.0.1", port: base.port };
  attacker.send(forged, 0, forged.length, forged.length, destination);
  await wait(50);
  equal(receivedCount, 0);
  fake.send(forged, 0, forged.length, forged.length, destination);
  await until(() => receivedCount === 1);
  await client.relay.close();
  await Promise.all([fake.close(), attacker.close()]);
});

Deno.test("addresses are tried by turns of family", async () => {
  deepEqual(inTurns([]), []);
  deepEqual(inTurns(["::1", "::2", "::3", "1.1.1.1", "2.2.2.2"]), [
    ...["::1", "1.1.1.1", "::2", "2.2.2.2", "::3"],
  ]);
  deepEqual(inTurns(["1.1.1.1", "::1", "::2", "::3"]), ["1.1.1.1", "::1", "::2", "::3"]);
  deepEqual(await resolveServer("192.0.2.1"), ["192.0.2.1"]);
  deepEqual(await resolveServer("2001:DB8::1"), ["2001:db8::1"]);
  deepEqual(await resolveServer("localhost"), ["127.0.0.1", "::1"]);
});

Deno.test("what a slow stream cannot take is dropped, but requests have room for longer", async () => {
  const written: number[] = [];
  let release = () => {};
  const queue = new RelayWriteQueue(async (bytes) => {
    await new Promise<void>((resolve) => release = resolve);
    written.push(Math.min(1_000, bytes.length));
    return Math.min(1_000, bytes.length);
  }, () => {});
  const piece = new Uint8Array(1_200);
  ok(queue.push(piece, 0, 1_200, false));
  await wait(1);
  let takenCount = 0;
  while (queue.push(piece, 0, 1_200, false)) takenCount++;
  ok(takenCount > 90 && takenCount < 110);
  ok(queue.push(piece, 0, 1_200, true));
  equal(queue.push(piece, 0, 1_200, false), false);
  const total = 1_200 * (takenCount + 2);
  while (written.reduce((sum, length) => sum + length, 0) < total) {
    release();
    await wait(0);
  }
  deepEqual(written.slice(0, 3), [1_000, 200, 1_000]);
});

Deno.test("what is pushed in one turn is written at once, and nothing after a failure", async () => {
  const written: number[] = [];
  const failures: unknown[] = [];
  const queue = new RelayWriteQueue((bytes) => {
    written.push(bytes.length);
    return written.length === 2 ? Promise.reject(new Error("gone")) : Promise.resolve(bytes.length);
  }, (error) => failures.push(error));
  for (let count = 0; count < 10; count++) queue.push(new Uint8Array(100), 0, 100, false);
  await wait(1);
  deepEqual(written, [1_000]);
  queue.push(new Uint8Array(100), 0, 100, false);
  await wait(1);
  queue.push(new Uint8Array(100), 0, 100, false);
  await wait(1);
  equal(written.length, 2);
  equal(failures.length, 1);
});
