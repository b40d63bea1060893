import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import packageConfig from "../../deno.json" with { type: "json" };
import { BadInput } from "../../src/bad_input.ts";
import { signalCommand } from "../../src/cli/signal_command.ts";
import { createNodeKey } from "../signal/node_key.ts";
import { SignalProcess } from "../signal/signal_process.ts";
import { openSession, TestIngress } from "../signaling/aetherlight_stage.ts";

const anyPort = ["--listen-addr", "127.0.0.1:0"];
const inMemory = [...anyPort, "--kv", ":memory:"];

async function withDirectory(test: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir();
  try {
    await test(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

async function statusOf(url: string): Promise<number> {
  const response = await fetch(url);
  await response.body?.cancel();
  return response.status;
}

Deno.test("listens, says where, and ends with 0 at SIGTERM and at SIGINT", async () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const server = new SignalProcess({ args: inMemory });
    const url = await server.url;
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
    assert.equal(await statusOf(`${url}/healthz`), 200);
    server.kill(signal);
    assert.deepEqual(await server.ended(), { code: 0, stderr: `listening on ${url}\n` });
  }
});

/** A connection with a request that does not go on. */
async function startRequest(url: string, text: string): Promise<Deno.Conn> {
  const { hostname, port } = new URL(url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(new TextEncoder().encode(text));
  return connection;
}

Deno.test("waits for a request that is not over, but not after a second signal", async () => {
  const server = new SignalProcess({ args: inMemory });
  const url = await server.url;
  const { path } = await createNodeKey();
  const head =
    `PUT ${path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n`;
  const connection = await startRequest(url, head);
  // The server asks for the body: it has begun with the request.
  await connection.read(new Uint8Array(100));
  server.kill("SIGTERM");
  for (let isListening = true; isListening;) {
    isListening = await startRequest(url, "").then((one) => (one.close(), true), () => false);
  }
  server.kill("SIGTERM");
  assert.equal((await server.ended()).code, 143);
  connection.close();
});

Deno.test("listens again after it had no descriptor left", async () => {
  const server = new SignalProcess({ args: inMemory, descriptorCount: 128 });
  const url = await server.url;
  const connections: Deno.Conn[] = [];
  for (let isListening = true; isListening;) {
    isListening = await startRequest(url, "").then(
      (one) => connections.push(one) < 1_000,
      () => false,
    );
  }
  await server.printed("is tried again");
  for (const connection of connections) connection.close();
  let status = 0;
  while (status !== 200) status = await statusOf(`${url}/healthz`).catch(() => 0);
  server.kill("SIGTERM");
  assert.equal((await server.ended()).code, 0);
});

Deno.test("listens on an IPv6 address, and takes its settings from the environment", async () => {
  const env = { AETHERPORT_LISTEN_ADDR: "[::1]:0", AETHERPORT_KV: ":memory:" };
  const server = new SignalProcess({ args: [], env });
  const url = await server.url;
  assert.match(url, /^http:\/\/\[::1\]:\d+$/);
  assert.equal(await statusOf(`${url}/healthz`), 200);
  server.kill("SIGTERM");
  assert.equal((await server.ended()).code, 0);
});

Deno.test("what cannot be listened on is bad input, or named when it is taken", async () => {
  for (const text of ["8080", "127.0.0.1:x", "127.0.0.1:65536", "::1:8080", "a:b:c", ""]) {
    const parsed = signalCommand().parseAsync(["--listen-addr", text], { from: "user" });
    await assert.rejects(
      parsed,
      (error) => error instanceof BadInput && error.message.includes(text),
    );
  }
  for (const text of ["light.example", "ftp://light.example"]) {
    const parsed = signalCommand().parseAsync(["--base-url", text], { from: "user" });
    await assert.rejects(parsed, BadInput);
  }
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = `127.0.0.1:${listener.addr.port}`;
  const server = new SignalProcess({ args: ["-l", address, "--kv", ":memory:"] });
  await assert.rejects(server.url);
  const { code, stderr } = await server.ended();
  assert.equal(code, 1);
  assert(stderr.includes(`cannot listen on ${address}`), stderr);
  listener.close();
});

Deno.test("a store that cannot be opened is named", async () => {
  const path = "/nonexistent/directory/store";
  const server = new SignalProcess({ args: [...anyPort, "--kv", path] });
  await assert.rejects(server.url);
  const { code, stderr } = await server.ended();
  assert.equal(code, 1);
  assert(stderr.includes(path), stderr);
});

Deno.test("keeps its store in the state directory, which only its user can read", async () => {
  await withDirectory(async (path) => {
    const service = join(path, "service");
    const cases: { env: Record<string, string>; directory: string }[] = [
      { env: { STATE_DIRECTORY: `${service}:/other` }, directory: service },
      { env: { XDG_STATE_HOME: path }, directory: join(path, "aetherport") },
      { env: { XDG_STATE_HOME: "", HOME: path }, directory: join(path, ".local/state/aetherport") },
    ];
    for (const { env, directory } of cases) {
      const server = new SignalProcess({
        args: anyPort,
        env: {
          DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
          ...env,
        },
      });
      await server.url;
      server.kill("SIGTERM");
      assert.equal((await server.ended()).code, 0);
      const { mode } = await Deno.stat(directory);
      assert.equal((mode ?? 0) & 0o777, 0o700);
      assert((await Deno.stat(join(directory, "aetherlight.sqlite3"))).isFile);
    }
  });
});

Deno.test("a store that another process holds is opened once it lets go", async () => {
  await withDirectory(async (path) => {
    const file = join(path, "store");
    const holder = new DatabaseSync(file);
    holder.exec("BEGIN IMMEDIATE");
    const server = new SignalProcess({ args: [...anyPort, "--kv", file] });
    await server.printed("locked by another process");
    holder.exec("ROLLBACK");
    holder.close();
    assert.equal(await statusOf(`${await server.url}/healthz`), 200);
    server.kill("SIGTERM");
    assert.equal((await server.ended()).code, 0);
  });
});

Deno.test("of two servers on one file, an ingress at one gets what is posted at the other", async () => {
  await withDirectory(async (path) => {
    const args = [...anyPort, "--kv", join(path, "store")];
    const servers = [new SignalProcess({ args }), new SignalProcess({ args })];
    const [one = "", other = ""] = await Promise.all(servers.map((server) => server.url));
    const key = await createNodeKey();
    const ingress = new TestIngress(one, key);
    await ingress.start();
    const { session, replies } = await openSession(other + key.path);
    for (const text of ["offer", "candidate"]) {
      await session.post(text);
      assert.equal((await ingress.messages.next()).text, text);
      await ingress.waiter.reply(session.id, `reply to ${text}`);
      assert.equal(await replies.next(), `reply to ${text}`);
    }
    const later = new TestIngress(other, key, { standBy: () => 60_000 });
    await later.start();
    await ingress.until("standing-by");
    await Promise.all([session.close(), ingress.waiter.close(), later.waiter.close()]);
    for (const server of servers) server.kill("SIGTERM");
    await Promise.all(servers.map((server) => server.ended()));
  });
});

Deno.test("an ingress waits again at a server that was killed and started again", async () => {
  await withDirectory(async (path) => {
    const kv = ["--kv", join(path, "store")];
    const killed = new SignalProcess({ args: [...anyPort, ...kv] });
    const url = await killed.url;
    const key = await createNodeKey();
    const ingress = new TestIngress(url, key);
    await ingress.start();
    killed.kill("SIGKILL");
    await killed.ended();
    await ingress.until("backing-off");
    const server = new SignalProcess({ args: ["-l", new URL(url).host, ...kv] });
    await server.url;
    await ingress.until("waiting");
    const { session } = await openSession(ingress.waiter.url);
    await session.post("offer");
    assert.equal((await ingress.messages.next()).text, "offer");
    await Promise.all([session.close(), ingress.waiter.close()]);
    server.kill("SIGTERM");
    await server.ended();
  });
});

/** A configuration without Deno KV, as that of a runtime that knows none. */
async function withoutKv(path: string): Promise<readonly string[]> {
  const config = join(path, "deno.json");
  const { imports, compilerOptions } = packageConfig;
  await Deno.writeTextFile(config, JSON.stringify({ imports, compilerOptions }));
  return ["--no-lock", "--config", config];
}

Deno.test("starts itself again where the runtime has no Deno KV, and passes signals on", async () => {
  await withDirectory(async (path) => {
    const runtimeArgs = await withoutKv(path);
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const server = new SignalProcess({ args: inMemory, runtimeArgs });
      const url = await server.url;
      assert.equal(await statusOf(`${url}/healthz`), 200);
      server.kill(signal);
      assert.deepEqual(await server.ended(), { code: 0, stderr: `listening on ${url}\n` });
    }
    const failing = new SignalProcess({
      args: [...anyPort, "--kv", "/nonexistent/directory/store"],
      runtimeArgs,
    });
    await assert.rejects(failing.url);
    assert.equal((await failing.ended()).code, 1);
  });
});

Deno.test("the process started again ends when the first is killed", async () => {
  await withDirectory(async (path) => {
    const server = new SignalProcess({ args: inMemory, runtimeArgs: await withoutKv(path) });
    await server.url;
    server.kill("SIGKILL");
    // Both hold stderr, which ends with the last of them.
    await server.ended();
  });
});

Deno.test("does not start itself again and again", async () => {
  await withDirectory(async (path) => {
    const server = new SignalProcess({
      args: inMemory,
      runtimeArgs: await withoutKv(path),
      env: { AETHERPORT_RESTARTED_WITH_KV: "1" },
    });
    await assert.rejects(server.url);
    const { code, stderr } = await server.ended();
    assert.equal(code, 1);
    assert(stderr.includes("no Deno KV"), stderr);
  });
});

Deno.test("no other command loads the server", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL("../../src/cli/signal_command.ts", import.meta.url).href],
  }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout));
  const isStatic = (dependency: { code?: unknown; isDynamic?: boolean }) => !dependency.isDynamic;
  const command = modules.find(({ specifier }: { specifier: string }) =>
    specifier.endsWith("/signal_command.ts")
  );
  const loaded = command.dependencies.filter(isStatic)
    .map(({ specifier }: { specifier: string }) => specifier);
  assert(loaded.length > 3);
  assert(loaded.every((specifier: string) => !/hono|\/signal\//.test(specifier)));
});
