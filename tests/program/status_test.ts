/** `aetherport status` and `aetherport forward`, asking real nodes. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { joinByPaste, NodeProcess } from "../../demo/node_process.ts";
import type { ForwardStatus, LinkStatus, NodeStatus } from "../../src/control/control_answer.ts";
import { askStatus } from "../../src/control/control_client.ts";
import { AetherlightStage } from "./aetherlight_stage.ts";
import { echo, exchange, freePort, type LocalService, serve } from "./local_service.ts";
import { type Result, runProgram } from "./run_program.ts";

const isPosix = Deno.build.os !== "windows";
const isRoot = isPosix && Deno.uid() === 0;
const nobody = 65_534;
const text = (value: string) => new TextEncoder().encode(value);

/** A runtime directory of its own, and the nodes that run in it. */
class Stage implements AsyncDisposable {
  readonly folder: string;
  readonly #nodes: NodeProcess[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(): Promise<Stage> {
    return new Stage(await Deno.makeTempDir({ prefix: "status-" }));
  }

  get env(): Record<string, string> {
    return { XDG_RUNTIME_DIR: this.folder };
  }

  get directory(): string {
    return `${this.folder}/aetherport`;
  }

  node(...args: readonly string[]): NodeProcess {
    const node = new NodeProcess(["--ice-server", "none", "--verbose", ...args], {
      env: this.env,
    });
    this.#nodes.push(node);
    return node;
  }

  /** A node that has its control socket. */
  async ready(...args: readonly string[]): Promise<NodeProcess> {
    const node = this.node(...args);
    await node.event("control");
    return node;
  }

  /** An egress and an ingress of a service, joined by pasting. */
  async joined(service: LocalService): Promise<Joined> {
    const port = freePort();
    const target = `127.0.0.1:${service.port}`;
    const [egress, ingress] = await Promise.all([
      this.ready("--forward", `127.0.0.1:${port}:${target}`),
      this.ready("--allow", "127.0.0.1:*"),
    ]);
    await joinByPaste(egress, ingress);
    return { egress, ingress, port, target };
  }

  run(...args: readonly string[]): Promise<Result> {
    return runProgram(args, this.env);
  }

  /** What `status --json` prints of a node. */
  async statusOf({ pid }: NodeProcess): Promise<NodeStatus> {
    const { code, stdout, stderr } = await this.run("status", "--json", "--pid", `${pid}`);
    assert.equal(code, 0, stderr);
    const { version, nodes } = JSON.parse(stdout);
    assert.deepEqual([version, nodes.length, nodes[0].pid], [1, 1, pid]);
    return nodes[0];
  }

  /** Asks a node until it is so, without a process for each time. */
  async until(
    { pid }: NodeProcess,
    isSo: (status: NodeStatus) => boolean,
  ): Promise<NodeStatus> {
    while (true) {
      const status = await askStatus(`${this.directory}/${pid}.sock`);
      if (status !== undefined && isSo(status)) return status;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.stop()));
    await Deno.remove(this.folder, { recursive: true });
  }
}

interface Joined {
  readonly egress: NodeProcess;
  readonly ingress: NodeProcess;
  readonly port: number;
  readonly target: string;
}

/** The one link of a node. */
function linkOf({ links: [link, other] }: NodeStatus): LinkStatus {
  assert.ok(link !== undefined && other === undefined);
  return link;
}

/** The one forward of a node. */
function forwardOf({ forwards: [forward, other] }: NodeStatus): ForwardStatus {
  assert.ok(forward !== undefined && other === undefined);
  return forward;
}

/** Opens a connection and hears its echo; it stays open. */
async function converse(port: number): Promise<net.Socket> {
  const socket = net.connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {});
  socket.write("hello");
  await once(socket, "data");
  return socket;
}

function socketsIn(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name);
}

/** A test where there are Unix sockets. */
function test(name: string, run: (stage: Stage) => Promise<void>, ignore = !isPosix): void {
  Deno.test(name, { ignore }, async () => {
    await using stage = await Stage.open();
    await run(stage);
  });
}

test("both ends of a pasted link are shown, as text and as JSON", async (stage) => {
  await using service = await serve(echo);
  const { egress, ingress, port, target } = await stage.joined(service);
  await exchange({ port, payload: new Uint8Array(50_000) });
  const [here, there] = [await stage.statusOf(egress), await stage.statusOf(ingress)];
  for (const link of [linkOf(here), linkOf(there)]) {
    assert.deepEqual([link.state, link.path?.kind, link.keyId], ["up", "direct", null]);
    assert.match(link.fingerprint, new RegExp(`^${link.peer}(:[0-9A-F]{2}){28}$`));
    assert.ok(link.sentBytes >= 50_000 && link.receivedBytes >= 50_000);
    assert.ok(link.roundTripMs !== null && link.roundTripMs > 0);
    assert.ok(Date.parse(link.since ?? "") <= Date.now());
  }
  assert.equal(linkOf(here).path?.local, linkOf(there).path?.remote);
  assert.deepEqual(forwardOf(here), {
    ...{ spec: `127.0.0.1:${port}:${target}`, kind: "tcp", target, route: null },
    ...{ addresses: [`127.0.0.1:${port}`], connections: { open: 0, total: 1 } },
  });
  assert.deepEqual([here.ingresses, here.certificates], [[], []]);
  assert.deepEqual(linkOf(there).served, { open: 0, total: 1 });

  const { code, stdout, stderr } = await stage.run("status", "--pid", `${egress.pid}`);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, new RegExp(`^aetherport \\d\\S+, pid ${egress.pid}, up for `));
  assert.match(stdout, /\n +1 {2}[0-9A-F:]{11} {2}up +direct +[\d.]+ ms {2}\d+ s\n/);
  assert.match(stdout, /\n +1 +[\d.]+ kB +[\d.]+ kB +[\d.]+ \w+\/s +[\d.]+ \w+\/s +0 of 0\n/);
  assert.match(stdout, new RegExp(`\\n127.0.0.1:${port} +${target} +0 +1\\n$`));
  assert.ok(stdout.split("\n").every((line) => line.length <= 80));
});

test("counts go up with connections and down with their ends", async (stage) => {
  await using service = await serve(echo);
  const { egress, ingress, port } = await stage.joined(service);
  const sockets = await Promise.all([1, 2, 3].map(() => converse(port)));
  const counts = async () => [
    forwardOf(await stage.statusOf(egress)).connections,
    linkOf(await stage.statusOf(ingress)).served,
  ];
  assert.deepEqual(await counts(), [{ open: 3, total: 3 }, { open: 3, total: 3 }]);
  sockets.pop()?.end();
  await stage.until(egress, (status) => forwardOf(status).connections.open === 2);
  await stage.until(ingress, (status) => linkOf(status).served.open === 2);
  for (const socket of sockets) socket.resetAndDestroy();
  await stage.until(egress, (status) => forwardOf(status).connections.open === 0);
  await stage.until(ingress, (status) => linkOf(status).served.open === 0);
  assert.deepEqual(await counts(), [{ open: 0, total: 3 }, { open: 0, total: 3 }]);
});

test("rates are there while data flows, each in its direction, and gone after", async (stage) => {
  await using service = await serve((socket) => socket.resume());
  const { egress, ingress, port } = await stage.joined(service);
  const socket = net.connect({ port, host: "127.0.0.1" });
  const block = new Uint8Array(16_384);
  const timer = setInterval(() => socket.writableLength < 1_000_000 && socket.write(block), 5);
  try {
    const [here, there] = await Promise.all([
      stage.until(egress, (status) => linkOf(status).sentBytesPerSecond > 100_000),
      stage.until(ingress, (status) => linkOf(status).receivedBytesPerSecond > 100_000),
    ]);
    assert.ok(linkOf(here).receivedBytesPerSecond < linkOf(here).sentBytesPerSecond);
    assert.ok(linkOf(there).sentBytesPerSecond < linkOf(there).receivedBytesPerSecond);
  } finally {
    clearInterval(timer);
    socket.destroy();
  }
  await stage.until(egress, (status) => linkOf(status).sentBytesPerSecond === 0);
});

test("a node that is gone is silent, and the link ends with its end", async (stage) => {
  await using service = await serve(echo);
  const { egress, ingress } = await stage.joined(service);
  ingress.kill("SIGSTOP");
  const silent = await stage.until(egress, (status) => linkOf(status).state === "silent");
  assert.ok(linkOf(silent).silentMs >= 3_000);
  ingress.kill("SIGCONT");
  await stage.until(egress, (status) => linkOf(status).state === "up");
  await ingress.stop();
  assert.deepEqual((await stage.until(egress, ({ links }) => links.length === 0)).links, []);
});

test("forwards are added, used, listed and removed while the node runs", async (stage) => {
  await using service = await serve(echo);
  const { egress, port, target } = await stage.joined(service);
  const forward = (...args: readonly string[]) =>
    stage.run("forward", ...args, "--pid", `${egress.pid}`);
  const added = await forward("add", `127.0.0.1:0:${target}`);
  assert.deepEqual([added.code, added.stderr], [0, ""]);
  const [, address = "", newPort] =
    /^listening on (127.0.0.1:(\d+)) for \S+\n$/.exec(added.stdout) ?? [];
  const lasting = await converse(Number(newPort));

  const listed = await forward("list");
  assert.equal(listed.code, 0);
  const [titles, ...rows] = listed.stdout.trimEnd().split("\n").map((row) => row.split(/ +/));
  assert.deepEqual(titles, ["FORWARD", "TARGET", "OPEN", "TOTAL"]);
  assert.deepEqual(rows, [[`127.0.0.1:${port}`, target, "0", "0"], [address, target, "1", "1"]]);
  const { version, forwards } = JSON.parse((await forward("list", "--json")).stdout);
  assert.deepEqual([version, forwards.length, forwards[1].addresses], [1, 2, [address]]);

  const taken = await forward("add", `${address}:${target}`);
  assert.deepEqual([taken.code, taken.stdout], [1, ""]);
  assert.match(taken.stderr, /^aetherport: cannot listen on 127.0.0.1:\d+: [^\n]*in use[^\n]*\n$/);
  const unknown = await forward("add", "1:a:2", "--to", `http://127.0.0.1:1/ingresses/${keyId}`);
  assert.deepEqual([unknown.code, unknown.stdout], [1, ""]);
  assert.match(unknown.stderr, /^aetherport: this node does not call the ingress [^\n]*\n$/);

  const removed = await forward("remove", address);
  assert.deepEqual([removed.code, removed.stdout], [
    ...[0, `no longer listening on ${address} for ${target}\n`],
  ]);
  await assert.rejects(exchange({ port: Number(newPort), payload: text("x") }), /ECONNREFUSED/);
  lasting.write("still here");
  assert.equal(String((await once(lasting, "data"))[0]), "still here");
  lasting.destroy();
  const again = await forward("remove", address);
  assert.deepEqual([again.code, again.stdout], [1, ""]);
  assert.match(again.stderr, /^aetherport: there is no forward [^\n]*\n$/);
  assert.equal((await forward("remove", `127.0.0.1:${port}:${target}`)).code, 0);
  assert.equal((await forward("list")).stdout, "no forwards\n");
});

/** Of nobody. */
const keyId = "a".repeat(52);

test("two nodes are both shown, and a change has to say which is meant", async (stage) => {
  const nodes = await Promise.all([
    stage.ready("--allow", "127.0.0.1:80"),
    stage.ready("--allow", "127.0.0.1:80"),
  ]);
  const pids = nodes.map(({ pid }) => pid).sort((one, other) => one - other);
  const { code, stdout } = await stage.run("status");
  assert.equal(code, 0);
  const shown = [...stdout.matchAll(/^aetherport \S+, pid (\d+), /gm)].map(([, pid]) =>
    Number(pid)
  );
  assert.deepEqual(shown, pids);
  const all = JSON.parse((await stage.run("status", "--json")).stdout);
  assert.deepEqual(all.nodes.map(({ pid }: NodeStatus) => pid), pids);
  const ambiguous = await stage.run("forward", "list");
  assert.deepEqual([ambiguous.code, ambiguous.stdout], [1, ""]);
  assert.match(ambiguous.stderr, new RegExp(`--pid, of ${pids.join(", ")}\n$`));
  const other = await stage.run("status", "--pid", "1");
  assert.equal(other.code, 1);
  assert.match(other.stderr, /^aetherport: no node with pid 1 is running [^\n]*\n$/);
});

test("no other node is changed in the place of one that cannot be asked", async (stage) => {
  const node = await stage.ready("--allow", "127.0.0.1:80");
  const path = `${stage.directory}/${node.pid + 1}.sock`;
  // It says what no node says.
  const mute = net.createServer((socket) => socket.resume().end("?\n"));
  mute.listen(path);
  await once(mute, "listening");
  const spec = `127.0.0.1:${freePort()}:a:80`;
  const doubtful = await stage.run("forward", "add", spec);
  assert.deepEqual([doubtful.code, doubtful.stdout], [1, ""]);
  assert.match(
    doubtful.stderr,
    new RegExp(`^aetherport: the node at ${path} cannot be asked: .* --pid, of ${node.pid}\n$`),
  );
  assert.deepEqual((await stage.statusOf(node)).forwards, []);
  const meant = await stage.run("forward", "add", spec, "--pid", `${node.pid}`);
  assert.equal(meant.code, 0, meant.stderr);
  mute.close();
  await once(mute, "close");
});

test("where no node runs it is one line, and 1; also behind what a killed one left", async (stage) => {
  for (const args of [["status"], ["status", "--json"], ["forward", "list"]]) {
    const { code, stdout, stderr } = await stage.run(...args);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /^aetherport: no node is running [^\n]*\n$/);
  }
  const node = await stage.ready("--allow", "127.0.0.1:80");
  node.kill("SIGKILL");
  await node.status;
  assert.deepEqual(socketsIn(stage.directory), [`${node.pid}.sock`]);
  const { code, stderr } = await stage.run("status");
  assert.equal(code, 1);
  assert.match(stderr, /^aetherport: no node is running [^\n]*\n$/);
});

test("a chosen socket: a stale one is replaced, a live one never", async (stage) => {
  const path = `${stage.folder}/chosen.sock`;
  const flags = ["--allow", "127.0.0.1:80", "--control-socket", path];
  const killed = await stage.ready(...flags);
  killed.kill("SIGKILL");
  await killed.status;
  const first = await stage.ready(...flags);
  const second = stage.node(...flags);
  assert.match((await second.event("no-control")).message, /a running node listens there/);
  await second.stop();
  const { stdout } = await stage.run("status", "--control-socket", path);
  assert.match(stdout, new RegExp(`pid ${first.pid},`));
  assert.equal((await stage.run("status")).code, 1);
  await first.stop();
  assert.deepEqual(socketsIn(stage.folder), []);
});

test("--control-socket none has no socket, and makes no directory", async (stage) => {
  const port = freePort();
  const flags = ["--forward", `127.0.0.1:${port}:a:80`, "--control-socket", "none"];
  const node = stage.node(...flags);
  await node.nextText();
  await node.stop();
  assert.deepEqual(socketsIn(stage.folder), []);
  assert.deepEqual(node.log.filter(({ event }) => event === "control"), []);
});

test("nothing is left at exit: SIGTERM, SIGINT, both at once, and a failure", async (stage) => {
  const ends: readonly ((node: NodeProcess) => unknown)[] = [
    (node) => node.kill("SIGTERM"),
    (node) => node.kill("SIGINT"),
    (node) => [node.kill("SIGTERM"), node.kill("SIGINT"), node.kill("SIGTERM")],
    (node) => node.endInput(),
  ];
  const codes = await Promise.all(ends.map(async (end) => {
    const node = await stage.ready("--allow", "127.0.0.1:80");
    await end(node);
    return (await node.status).code;
  }));
  assert.deepEqual([codes[0], codes[1], codes[3]], [0, 0, 1]);
  assert.deepEqual(socketsIn(stage.directory), []);
});

test(
  "another user's directory is refused: the node runs on, and is not to be found",
  async (stage) => {
    await Deno.mkdir(stage.directory, { mode: 0o700 });
    await Deno.chown(stage.directory, nobody, nobody);
    const port = freePort();
    const node = stage.node("--forward", `127.0.0.1:${port}:a:80`);
    assert.match((await node.event("no-control")).message, /belongs to another user/);
    assert.match(await node.nextText(), /^aetherport-offer:/);
    const { code, stderr } = await stage.run("status");
    assert.equal(code, 1);
    assert.match(stderr, /^aetherport: \S+ belongs to another user\n$/);
  },
  !isRoot,
);

test("other users can enter neither directory nor socket", async (stage) => {
  const node = await stage.ready("--allow", "127.0.0.1:80");
  const modes = [stage.directory, `${stage.directory}/${node.pid}.sock`].map((path) =>
    (Deno.lstatSync(path).mode ?? 0) & 0o777
  );
  assert.deepEqual(modes, [0o700, 0o600]);
});

test("both ends of a link through a signaling server: names, URLs, certificates", async (stage) => {
  await using light = await AetherlightStage.open("laptop");
  await light.generate("home", { flags: ["--duration", "10d"] });
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  const { url: at } = await light.server();
  const sockets = { home: `${stage.folder}/h.sock`, laptop: `${stage.folder}/l.sock` };
  const identity = (name: "home" | "laptop") => [
    ...light.identityFlags(name),
    ...["--control-socket", sockets[name]],
  ];
  const { url } = await light.ingress({ name: "home", at, target, identity: identity("home") });
  const { node, port } = await light.egress({
    ...{ name: "laptop", url, target, identity: identity("laptop") },
  });
  await node.event("link-up");
  assert.equal(String(await exchange({ port, payload: text("hello") })), "hello");

  const status = async (name: "home" | "laptop") => {
    const flags = ["--control-socket", sockets[name]];
    const json = await stage.run("status", "--json", ...flags);
    assert.equal(json.code, 0, json.stderr);
    const { stdout } = await stage.run("status", ...flags);
    return { status: JSON.parse(json.stdout).nodes[0] as NodeStatus, shown: stdout };
  };
  const [home, laptop] = [await status("home"), await status("laptop")];
  assert.deepEqual([linkOf(home.status).peer, linkOf(laptop.status).peer], ["laptop", "home"]);
  assert.equal(linkOf(home.status).keyId, (await light.show("laptop")).keyId);
  assert.deepEqual([linkOf(home.status).route, linkOf(laptop.status).route], [null, url]);
  assert.deepEqual(home.status.ingresses, [{ url, state: "waiting", reason: null }]);
  assert.deepEqual(laptop.status.ingresses, []);
  assert.equal(forwardOf(laptop.status).route, url);
  const [certificate] = home.status.certificates;
  assert.deepEqual([certificate?.name, certificate?.daysLeft], ["home", 9]);
  assert.match(home.shown, /\nwarning: certificate of home ends in 9 days, on \d{4}-\d\d-\d\d\n$/);
  assert.match(home.shown, new RegExp(`\\nwaits at ${url}\\n`));
  assert.match(laptop.shown, /\ncertificate of laptop ends in 36\d days/);
  assert.match(laptop.shown, new RegExp(`\\n {2}by ${url}\\n`));

  // Without --to it goes to the one ingress that is called.
  const added = await stage.run(
    ...["forward", "add", `127.0.0.1:0:${target}`, "--control-socket", sockets.laptop],
  );
  const [, newPort] = /^listening on 127.0.0.1:(\d+) /.exec(added.stdout) ?? [];
  assert.equal(String(await exchange({ port: Number(newPort), payload: text("new") })), "new");
});

for (
  const args of [
    ["status", "--pid", "x"],
    ["status", "--pid", "1", "--control-socket", "/a"],
    ["status", "--control-socket", "none"],
    ["status", "--control-socket", `/${"x".repeat(200)}`],
    ["status", "now"],
    ["--allow", "a:1", "--control-socket", `/${"x".repeat(200)}`],
    ["forward"],
    ["forward", "change"],
    ["forward", "add"],
    ["forward", "add", "80:"],
    ["forward", "add", "1:a:2", "3:b:4"],
    ["forward", "add", "1:a:2", "--to", "nonsense"],
    ["forward", "remove", "nas"],
    ["forward", "list", "all"],
  ]
) {
  const name = args.map((arg) => arg.slice(0, 20)).join(" ");
  Deno.test(`[${name}] is bad usage: one line on stderr, exit code 2`, async () => {
    const { code, stdout, stderr } = await runProgram(args);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, /^aetherport: [^\n]*\n$/);
  });
}

Deno.test("the help names every flag's variable", async () => {
  for (const args of [["status"], ["forward", "add"], ["forward", "list"]]) {
    const { code, stdout, stderr } = await runProgram([...args, "--help"]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /AETHERPORT_PID\b/);
    assert.match(stdout, /AETHERPORT_CONTROL_SOCKET\b/);
  }
});
