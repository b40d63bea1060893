import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import type { AccessPeer } from "../../src/access/access.ts";
import { AllowList } from "../../src/access/allow_list.ts";
import { BufferPool } from "../../src/buffer_pool.ts";
import { CommandRunner } from "../../src/forward/command_runner.ts";
import { parseExecCommand } from "../../src/forward/exec_command.ts";
import { openStreamForward } from "../../src/forward/open_forward.ts";
import { serveStreamChannel } from "../../src/forward/stream_ingress.ts";
import { withExpiredTimers } from "../fakes/expired_timers.ts";
import { linkPair } from "../fakes/link_pair.ts";
import { LogRecorder } from "../fakes/log_recorder.ts";
import { somePeer, vouchedPeer } from "../fakes/sample_specs.ts";
import {
  isSame,
  readExactly,
  readToEnd,
  resettableClient,
  testBytes,
  writeAll,
} from "../fakes/sockets.ts";

const ignore = Deno.build.os !== "linux";

/** A port that is forwarded to the command of the first spec, at a node that offers all. */
function forwarded(...specs: readonly [string, ...string[]]) {
  return forwardedFor(somePeer, ...specs);
}

function forwardedFor(peer: AccessPeer, ...specs: readonly [string, ...string[]]) {
  const pool = new BufferPool();
  const parsed = specs.map(parseExecCommand);
  const commands = new CommandRunner(parsed, ["MY_TURN_SECRET"]);
  const access = new AllowList(parsed.map(({ name }) => ({ kind: "exec", name })));
  const { a, z } = linkPair({ pace: "turn" });
  z.handler = {
    handleUp: () => {},
    handleChannel: (channel) => void serveStreamChannel(channel, { access, peer, pool, commands }),
    handleClosed: () => {},
  };
  a.handler = { handleUp: () => {}, handleChannel: () => {}, handleClosed: () => {} };
  a.goUp();
  z.goUp();
  const forward = openStreamForward({
    listen: { kind: "tcp", host: "127.0.0.1", port: 0 },
    target: { kind: "exec", name: parsed[0]?.name ?? "" },
  }, { links: { acquire: () => Promise.resolve(a) }, pool });
  const port = Number(forward.addresses[0]?.split(":")[1]);
  /** Closes all, once nothing is held any more. */
  const end = async () => {
    forward.close();
    while (a.channels.size + z.channels.size + pool.lentCount + commands.runningCount > 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    await a.close("done");
  };
  return { commands, port, connect: () => Deno.connect({ hostname: "127.0.0.1", port }), end };
}

/** Says something, half-closes, and returns what is answered. */
async function converse(
  connect: () => Promise<Deno.TcpConn>,
  bytes: Uint8Array = new Uint8Array(0),
): Promise<Uint8Array> {
  using client = await connect();
  const reading = readToEnd(client);
  await Promise.all([reading, writeAll(client, bytes).then(() => client.closeWrite())]);
  return await reading;
}

async function textOf(connect: () => Promise<Deno.TcpConn>): Promise<string> {
  return new TextDecoder().decode(await converse(connect));
}

function descriptorCount(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

Deno.test("10 MB go through a command and back, and its input ends with the client's", {
  ignore,
}, async () => {
  const { connect, end } = forwarded("echo=cat");
  const bytes = testBytes(10_000_000);
  ok(isSame(await converse(connect, bytes), bytes));
  await end();
});

Deno.test("a command knows its peer, and gets its words as they were configured", {
  ignore,
}, async () => {
  const { connect, end } = forwarded(
    `say=sh -c 'printf "%s|" "$AETHERPORT_PEER" "$@"' - "a b" '*'`,
  );
  equal(await textOf(connect), "AB:CD|a b|*|");
  await end();
});

Deno.test("a command is told no name that nobody vouches for", { ignore }, async () => {
  const vouched = vouchedPeer("anna", {});
  const { identity } = vouched;
  const pinned: AccessPeer = {
    name: "anna",
    identity: identity && { ...identity, vouchedBy: "key" },
  };
  for (const [peer, told] of [[vouched, "anna"], [pinned, "a".repeat(52)]] as const) {
    const { connect, end } = forwardedFor(peer, "who=printenv AETHERPORT_PEER");
    equal(await textOf(connect), `${told}\n`);
    await end();
  }
});

Deno.test(
  "a command has the node's environment without its settings, secrets and service manager",
  {
    ignore,
  },
  async () => {
    const withheld = [
      ...["AETHERPORT_SOCKS_AUTH", "AETHERPORT_ICE_SERVER", "MY_TURN_SECRET"],
      ...["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY", "LISTEN_FDS"],
    ];
    const variables = [...withheld, "TZ_OF_TEST"];
    for (const name of variables) Deno.env.set(name, "x");
    try {
      const { connect, end } = forwarded("a=env");
      const names = (await textOf(connect)).split("\n").map((line) => line.split("=")[0] ?? "");
      const told = ["AETHERPORT_PEER", "PATH", ...variables].filter((name) => names.includes(name));
      deepEqual(told, ["AETHERPORT_PEER", "PATH", "TZ_OF_TEST"]);
      await end();
    } finally {
      for (const name of variables) Deno.env.delete(name);
    }
  },
);

Deno.test("a command that fails resets the client, and says why to the other node", {
  ignore,
}, async () => {
  const log = await LogRecorder.start();
  const cases: [spec: string, reason: string][] = [
    ["a=sh -c 'exit 3'", "the command ended with status 3"],
    ["a=sh -c 'kill -KILL $$'", "the command was ended by SIGKILL"],
  ];
  for (const [at, [spec, reason]] of cases.entries()) {
    const { connect, end } = forwarded(spec);
    await rejects(converse(connect), Deno.errors.ConnectionReset);
    await log.next("stream-closed", 2 * at + 2);
    const closed = log.of("stream-closed").slice(2 * at);
    deepEqual(closed.map(({ properties }) => properties.how), [reason, reason]);
    await end();
  }
});

Deno.test("a command that ends without reading its input has ended well", { ignore }, async () => {
  const { connect, end } = forwarded("a=head -c 5");
  const answer = await converse(connect, testBytes(3_000_000));
  ok(isSame(answer, testBytes(5)));
  await end();
});

Deno.test("a command that never ends is told to, with what it has started, when its client goes", {
  ignore,
}, async () => {
  const { port, end } = forwarded("a=sh -c 'echo $$; sleep 1000; echo done'");
  const client = await resettableClient(port);
  const pid = await new Promise<string>((resolve) =>
    client.once("data", (bytes) => resolve(String(bytes).trim()))
  );
  ok(groupsThatRun().has(pid));
  client.resetAndDestroy();
  await end();
  await untilGone(pid);
});

/** Until no process of the group runs. */
async function untilGone(group: string): Promise<void> {
  while (groupsThatRun().has(group)) await new Promise((resolve) => setTimeout(resolve));
}

function groupsThatRun(): Set<string> {
  const groups = new Set<string>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      // Behind the program's name: state, parent, group (proc(5)).
      const [state = "", , group = ""] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (state !== "Z") groups.add(group);
    } catch {
      // It has ended meanwhile.
    }
  }
  return groups;
}

Deno.test("what a command leaves behind with its output ends with the stream", {
  ignore,
}, async () => {
  const { port, commands, end } = forwarded("a=sh -c 'sleep 1000 & echo $$'");
  const client = await resettableClient(port);
  const pid = await new Promise<string>((resolve) =>
    client.once("data", (bytes) => resolve(String(bytes).trim()))
  );
  await untilReaped(pid);
  ok(groupsThatRun().has(pid));
  equal(commands.runningCount, 1);
  client.resetAndDestroy();
  await end();
  await untilGone(pid);
});

/** Until a process has ended, and its parent knows. */
async function untilReaped(pid: string): Promise<void> {
  const isThere = () => [...Deno.readDirSync("/proc")].some(({ name }) => name === pid);
  while (isThere()) await new Promise((resolve) => setTimeout(resolve));
}

Deno.test("a command, or what it leaves behind, that does not end when it is told to is killed", {
  ignore,
}, async () => {
  const script = 'trap "" TERM; echo $$; while :; do sleep 0.1; done';
  for (const command of [script, `(${script}) &`]) {
    await withExpiredTimers(5_000, async () => {
      const { port, commands, end } = forwarded(`a=sh -c '${command}'`);
      const client = await resettableClient(port);
      const pid = await new Promise<string>((resolve) =>
        client.once("data", (bytes) => resolve(String(bytes).trim()))
      );
      if (command !== script) await untilReaped(pid);
      equal(commands.runningCount, 1);
      client.resetAndDestroy();
      await end();
      await untilGone(pid);
    });
  }
});

Deno.test("at the end of the node what runs is told to end, and what does not is killed", {
  ignore,
}, async () => {
  for (const trap of ["", "echo up; exit"]) {
    const { connect, commands, end } = forwarded(
      `a=sh -c 'trap "${trap}" TERM; echo up; while :; do sleep 0.01; done'`,
    );
    using client = await connect();
    await readExactly(client, 3);
    const closing = commands.close();
    if (trap === "") commands.kill();
    await closing;
    await rejects(readToEnd(client), Deno.errors.ConnectionReset);
    await end();
  }
});

Deno.test("64 commands run at once, and the next is refused until one has ended", {
  ignore,
}, async () => {
  const log = await LogRecorder.start();
  const before = descriptorCount();
  const { connect, commands, end } = forwarded("a=cat");
  const clients = await Promise.all(Array.from({ length: 64 }, connect));
  for (const client of clients) {
    await writeAll(client, new Uint8Array([1]));
    await readExactly(client, 1);
  }
  equal(commands.runningCount, 64);
  await rejects(converse(connect), Deno.errors.ConnectionReset);
  const { properties } = await log.next("refused");
  deepEqual([properties.code, properties.reason], ["exhausted", "64 commands run already"]);
  const [first] = clients;
  await first?.closeWrite();
  if (first !== undefined) equal((await readToEnd(first)).length, 0);
  while (commands.runningCount === 64) await new Promise((resolve) => setImmediate(resolve));
  equal((await converse(connect, new Uint8Array(9))).length, 9);
  for (const client of clients) client.close();
  await end();
  ok(descriptorCount() <= before + 8, `${before}, then ${descriptorCount()}`);
});

Deno.test("a program that is not there is refused, and the peer is not told its name", {
  ignore,
}, async () => {
  const log = await LogRecorder.start();
  const { connect, end } = forwarded("a=/nowhere/secret-program");
  await rejects(converse(connect), Deno.errors.ConnectionReset);
  const { properties } = await log.next("refused", 2);
  deepEqual([properties.code, properties.reason], [
    "unreachable",
    "the command cannot be started",
  ]);
  match(String(log.of("command-failed")[0]?.properties.problem), /secret-program/);
  await end();
});

Deno.test("stderr goes to the log, in lines that are bounded and that no terminal obeys", {
  ignore,
}, async () => {
  const log = await LogRecorder.start();
  const script = `printf "one\\n\\033[31mtwo\\n\\n" >&2; head -c 100000 /dev/zero | tr "\\0" x >&2`;
  const { connect, end } = forwarded(`a=sh -c '${script}'`);
  equal(await textOf(connect), "");
  await log.next("command-output", 3);
  const lines = log.of("command-output").map(({ properties }) => String(properties.line));
  deepEqual(lines, ["one", " [31mtwo", "x".repeat(1_000)]);
  await end();
});
