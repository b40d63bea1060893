/** Nodes that follow their config files, as real processes that meet at a signaling server. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import net from "node:net";
import type { LogLine, NodeProcess } from "../../demo/node_process.ts";
import { AetherlightStage, eventCount, type Ingress } from "./aetherlight_stage.ts";
import { echo, exchange, freePort, randomPayload, serve } from "./local_service.ts";
import { runProgram } from "./run_program.ts";

const isPosix = Deno.build.os !== "windows";

/** Says its name to whoever comes. */
function saying(name: string): (socket: net.Socket) => void {
  return (socket) => socket.resume().end(name);
}

/** What a service behind a forward says. */
async function ask(port: number): Promise<string> {
  return String(await exchange({ port, payload: Buffer.from("hello") }));
}

/** A connection to an echo that stays open. */
class Conversation implements Disposable {
  readonly #socket: net.Socket;
  readonly #pieces: AsyncIterator<Buffer>;

  constructor(port: number) {
    this.#socket = net.connect({ port, host: "127.0.0.1" });
    this.#socket.on("error", () => {});
    this.#pieces = this.#socket[Symbol.asyncIterator]();
  }

  /** Sends so many random bytes and has them back; throws where they are others, or it has ended. */
  async exchange(length = 700): Promise<void> {
    const sent = Buffer.from(randomPayload(length));
    this.#socket.write(sent);
    let received = Buffer.alloc(0);
    while (received.length < length) {
      const { done, value } = await this.#pieces.next();
      assert.equal(done ?? false, false, "the connection has ended");
      received = Buffer.concat([received, value]);
    }
    assert.ok(received.equals(sent));
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** Nobody listens there. */
async function assertClosed(port: number): Promise<void> {
  const socket = net.connect({ port, host: "127.0.0.1" });
  const problem = await new Promise<string>((resolve) => {
    socket.once("error", ({ message }) => resolve(message));
    socket.once("connect", () => resolve("connected"));
  });
  socket.destroy();
  assert.match(problem, /ECONNREFUSED/);
}

/** A node with a config file, which is changed while it runs. */
class ConfiguredNode {
  #reloadCount = 0;

  private constructor(readonly node: NodeProcess, readonly path: string) {}

  /** Returns when it listens everywhere, or waits. */
  static async start(
    stage: AetherlightStage,
    { name, config, event = "listening", count = 1 }: {
      readonly name: string;
      readonly config: string;
      readonly event?: "listening" | "waiting";
      /** How many forwards are to listen. */
      readonly count?: number;
    },
  ): Promise<ConfiguredNode> {
    const path = stage.path(`${name}.toml`);
    await Deno.writeTextFile(path, identityOf(name) + config);
    const node = stage.node("--config", path);
    await node.event(event, count);
    return new ConfiguredNode(node, path);
  }

  /** Puts another file in its place, as editors do. */
  async replace(text: string): Promise<void> {
    await Deno.writeTextFile(`${this.path}.new`, text);
    await Deno.rename(`${this.path}.new`, this.path);
  }

  /** Changes the file; returns when the node, which watches it, has taken it up. */
  async change(name: string, config: string): Promise<void> {
    await this.replace(identityOf(name) + config);
    await this.node.event("reloaded", ++this.#reloadCount);
  }

  /** Asks for the file, which may have been taken up already. */
  async reload(): Promise<void> {
    this.node.kill("SIGHUP");
    await this.node.event("reloaded", ++this.#reloadCount);
  }

  /** Adds forwards, and may ask for it at once: then it may be taken up twice. */
  async changeForwards(
    name: string,
    config: string,
    { isAsked }: { readonly isAsked: boolean },
  ): Promise<void> {
    await this.replace(identityOf(name) + config);
    if (isAsked) this.node.kill("SIGHUP");
    let line: LogLine;
    do {
      line = await this.node.event("reloaded", ++this.#reloadCount);
    } while (line.forwardsAdded === 0);
  }
}

function identityOf(name: string): string {
  return `key = "${name}-key.pem"\ncert = "${name}-cert.pem"\ncacert = ["cacert.pem"]\n`;
}

function peer({ url }: Ingress, ...forwards: readonly string[]): string {
  return `[[peer]]\nurl = ${JSON.stringify(url)}\nforward = ${JSON.stringify(forwards)}\n`;
}

Deno.test("one process forwards to several peers, each by its own link", async () => {
  await using one = await serve(saying("one"));
  await using two = await serve(saying("two"));
  await using stage = await AetherlightStage.open("near", "far", "beyond");
  const { url: at } = await stage.server();
  const [far, beyond] = await Promise.all([
    stage.ingress({ name: "far", at, target: `127.0.0.1:${one.port}` }),
    stage.ingress({ name: "beyond", at, target: `127.0.0.1:${two.port}` }),
  ]);
  const [toFar, toBeyond, wrong] = [freePort(), freePort(), freePort()];
  const config = peer(far, `${toFar}:127.0.0.1:${one.port}`) +
    peer(beyond, `${toBeyond}:127.0.0.1:${two.port}`, `${wrong}:127.0.0.1:${one.port}`);
  const near = await ConfiguredNode.start(stage, { name: "near", config, count: 3 });
  assert.deepEqual([await ask(toFar), await ask(toBeyond)], ["one", "two"]);
  // What one peer allows, the other does not.
  await assert.rejects(ask(wrong), /ECONNRESET/);
  assert.equal((await near.node.event("refused")).code, "denied");
});

Deno.test("100 connections of a forward go on while others come and go 50 times", async () => {
  await using service = await serve(echo);
  await using one = await serve(saying("one"));
  await using two = await serve(saying("two"));
  await using stage = await AetherlightStage.open("near", "far", "beyond");
  const { url: at } = await stage.server();
  const [far, beyond] = await Promise.all([
    stage.ingress({ name: "far", at, target: "127.0.0.1:*" }),
    stage.ingress({ name: "beyond", at, target: "127.0.0.1:*" }),
  ]);
  const [kept, moving, other, elsewhere] = [freePort(), freePort(), freePort(), freePort()];
  const keptSpec = `127.0.0.1:${kept}:127.0.0.1:${service.port}`;
  // An address that goes from one forward to another and back, and a peer that comes and goes.
  const even = peer(far, keptSpec, `${moving}:127.0.0.1:${one.port}`);
  const odd = peer(far, `${other}:127.0.0.1:${two.port}`, keptSpec) +
    peer(beyond, `${moving}:127.0.0.1:${two.port}`, `${elsewhere}:127.0.0.1:${one.port}`);
  const near = await ConfiguredNode.start(stage, { name: "near", config: even, count: 2 });
  const conversations = Array.from({ length: 100 }, () => new Conversation(kept));
  await Promise.all(conversations.map((conversation) => conversation.exchange()));
  for (let round = 1; round <= 50; round++) {
    const isOdd = round % 2 === 1;
    const talking = conversations.map((conversation) => conversation.exchange());
    const config = isOdd ? odd : even;
    const isAsked = isPosix && round % 10 !== 0;
    await near.changeForwards("near", config, { isAsked });
    await Promise.all(talking);
    const answers = isOdd
      ? await Promise.all([ask(other), ask(moving), ask(elsewhere)])
      : await Promise.all([ask(moving), assertClosed(other), assertClosed(elsewhere)]);
    assert.deepEqual(answers, isOdd ? ["two", "two", "one"] : ["one", undefined, undefined]);
  }
  await Promise.all(conversations.map((conversation) => conversation.exchange(20_000)));
  conversations.forEach((conversation) => conversation[Symbol.dispose]());
  const { node } = near;
  const { forwardsAdded, forwardsRemoved, forwardsKept, peersAdded, peersRemoved } = await node
    .event("reloaded", 1);
  assert.deepEqual([forwardsAdded, forwardsRemoved, forwardsKept, peersAdded, peersRemoved], [
    ...[3, 1, 1, 1, 0],
  ]);
  assert.equal(eventCount(node, "reload-failed") + eventCount(node, "forward-failed"), 0);
});

Deno.test("connections of a forward and a peer that were removed go on to their end", async () => {
  await using service = await serve(echo);
  await using stage = await AetherlightStage.open("near", "far", "beyond");
  const { url: at } = await stage.server();
  const target = `127.0.0.1:${service.port}`;
  const far = await stage.ingress({ name: "far", at, target });
  const beyond = await stage.ingress({ name: "beyond", at, target });
  const [first, second] = [freePort(), freePort()];
  const one = peer(far, `${first}:${target}`);
  const both = one + peer(beyond, `${second}:${target}`);
  const near = await ConfiguredNode.start(stage, { name: "near", config: both, count: 2 });
  {
    using conversation = new Conversation(second);
    await conversation.exchange();
    await near.change("near", one);
    await assertClosed(second);
    await conversation.exchange();
  }
  // The link has nothing more to do.
  assert.equal((await near.node.event("link-down")).peer, "beyond");
  using conversation = new Conversation(first);
  await conversation.exchange();
});

Deno.test("a bad file changes nothing, and the log says why", async () => {
  await using service = await serve(echo);
  await using stage = await AetherlightStage.open("near", "far");
  const { url: at } = await stage.server();
  const target = `127.0.0.1:${service.port}`;
  const far = await stage.ingress({ name: "far", at, target });
  const [port, next] = [freePort(), freePort()];
  const good = peer(far, `${port}:${target}`);
  const near = await ConfiguredNode.start(stage, { name: "near", config: good });
  using conversation = new Conversation(port);
  await conversation.exchange();
  const bad: [text: string, problem: RegExp][] = [
    ["", /nothing to do/],
    [`${good}hold = \n`, /near\.toml:4: not TOML/],
    [`new = 1\n${good}`, /near\.toml:1: new: unknown key/],
    [peer(far, `${next}:${target}`, "x"), /near\.toml:3: peer\[0\]\.forward\[1\]: /],
    // Without a key.
    [good, /needs --key and --cert/],
  ];
  for (const [position, [text, problem]] of bad.entries()) {
    await near.replace(text);
    assert.match((await near.node.event("reload-failed", position + 1)).message, problem);
    await conversation.exchange();
    await assertClosed(next);
  }
  await near.change("near", good);
  await Promise.all([conversation.exchange(), assertClosed(next)]);
});

Deno.test("rules, trust and the log follow the file; what cannot waits for a restart", async () => {
  await using service = await serve(echo);
  await using stage = await AetherlightStage.open("near", "far");
  const { url: at } = await stage.server();
  const target = `127.0.0.1:${service.port}`;
  const waiting = `aetherlight-base-url = ["${at}"]\n`;
  const allowing = `${waiting}allow = ["${target}"]\n`;
  const far = await ConfiguredNode.start(stage, {
    ...{ name: "far", config: allowing, event: "waiting" },
  });
  const near = await stage.egress({ name: "near", url: await far.node.nextText(), target });
  using conversation = new Conversation(near.port);
  await conversation.exchange();
  await far.change("far", `${waiting}allow = ["bench"]\nverbose = true\n`);
  await assert.rejects(ask(near.port), /ECONNRESET/);
  await far.node.event("refused");
  await conversation.exchange();
  assert.equal(eventCount(far.node, "restart-needed"), 0);

  await far.change("far", `${allowing}verbose = true\nhold = 5\n`);
  using another = new Conversation(near.port);
  await another.exchange();
  assert.equal((await far.node.event("restart-needed")).key, "hold");
  another[Symbol.dispose]();
  // Said to those only who ask for much.
  await far.node.event("stream-closed");

  await far.change("far", allowing);
  await conversation.exchange();
});

Deno.test({
  name: "commands follow the file",
  ignore: !isPosix,
  fn: async () => {
    await using stage = await AetherlightStage.open("near", "far");
    const { url: at } = await stage.server();
    const waiting = `aetherlight-base-url = ["${at}"]\nallow = ["bench"]\n`;
    const offering = (word: string) => `${waiting}allow-exec = ["say=echo ${word}"]\n`;
    const far = await ConfiguredNode.start(stage, {
      ...{ name: "far", config: offering("one"), event: "waiting" },
    });
    const url = await far.node.nextText();
    const call = async () => {
      const { stdout } = await runProgram([
        ...["-W", "exec:say", "--aetherlight-ingress-url", url, "--ice-server", "none"],
        ...stage.identityFlags("near"),
      ]);
      return stdout;
    };
    assert.equal(await call(), "one\n");
    await far.change("far", offering("two"));
    assert.equal(await call(), "two\n");
    await far.change("far", waiting);
    assert.equal(await call(), "");
    assert.equal(eventCount(far.node, "restart-needed"), 0);
  },
});

Deno.test("a listener ends when allow-listen no longer names it, and what came by it goes on", async () => {
  await using service = await serve(echo);
  await using stage = await AetherlightStage.open("near", "far");
  const { url: at } = await stage.server();
  const waiting = `aetherlight-base-url = ["${at}"]\nallow = ["bench"]\n`;
  const port = freePort();
  const far = await ConfiguredNode.start(stage, {
    ...{ name: "far", config: `${waiting}allow-listen = ["${port}"]\n`, event: "waiting" },
  });
  const near = stage.node(
    ...[...stage.identityFlags("near"), "--aetherlight-ingress-url", await far.node.nextText()],
    ...["--reverse", `${port}:127.0.0.1:${service.port}`],
  );
  await near.event("reverse-listening");
  using conversation = new Conversation(port);
  await conversation.exchange();
  await far.change("far", waiting);
  await assertClosed(port);
  await conversation.exchange();
  assert.match(String((await near.event("reverse-refused")).reason), /^no longer allowed: /);
});

Deno.test({
  name: "a forward whose address is taken is said, and works at SIGHUP once that is free",
  ignore: !isPosix,
  fn: whereAnAddressIsTaken,
});

async function whereAnAddressIsTaken(): Promise<void> {
  await using service = await serve(echo);
  await using stage = await AetherlightStage.open("near", "far");
  const { url: at } = await stage.server();
  const target = `127.0.0.1:${service.port}`;
  const far = await stage.ingress({ name: "far", at, target });
  const [port, taken] = [freePort(), freePort()];
  const one = peer(far, `${port}:${target}`);
  const near = await ConfiguredNode.start(stage, { name: "near", config: one });
  const both = peer(far, `127.0.0.1:${taken}:${target}`, `${port}:${target}`);
  {
    using _listener = Deno.listen({ hostname: "127.0.0.1", port: taken });
    await near.change("near", both);
    assert.match((await near.node.event("forward-failed")).message, new RegExp(`:${taken}`));
  }
  await near.reload();
  using conversation = new Conversation(taken);
  await conversation.exchange();
}

Deno.test({
  name:
    "what was added or removed by hand follows the file: peers that are gone, forwards that are not",
  ignore: !isPosix,
  fn: whereForwardsAreChangedByHand,
});

async function whereForwardsAreChangedByHand(): Promise<void> {
  await using service = await serve(echo);
  await using stage = await AetherlightStage.open("near", "far", "beyond");
  const { url: at } = await stage.server();
  const target = `127.0.0.1:${service.port}`;
  const far = await stage.ingress({ name: "far", at, target });
  const beyond = await stage.ingress({ name: "beyond", at, target });
  const [port, ...added] = [freePort(), freePort(), freePort()];
  const socket = stage.path("near.sock");
  const one = `verbose = true\ncontrol-socket = "${socket}"\n${
    peer(far, `127.0.0.1:${port}:${target}`)
  }`;
  const near = await ConfiguredNode.start(stage, { name: "near", config: one + peer(beyond) });
  await near.node.event("control");
  const forward = async (...args: readonly string[]) => {
    const { code, stderr } = await runProgram(["forward", ...args, "--control-socket", socket]);
    assert.equal(code, 0, stderr);
  };
  for (const [position, { url }] of [far, beyond].entries()) {
    await forward("add", `127.0.0.1:${added[position]}:${target}`, "--to", url);
  }
  await forward("remove", `127.0.0.1:${port}`);
  assert.match((await near.node.event("forward-removed")).message, new RegExp(`:${port} for`));
  await assertClosed(port);
  await near.reload();
  assert.equal((await near.node.event("reloaded", 1)).forwardsAdded, 1);
  await near.change("near", one);
  assert.match((await near.node.event("forward-dropped")).message, new RegExp(`:${added[1]}:`));
  await assertClosed(added[1] ?? 0);
  for (const open of [port, added[0] ?? 0]) {
    using conversation = new Conversation(open);
    await conversation.exchange();
  }
  assert.equal(eventCount(near.node, "forward-removed"), 2);
}

Deno.test({
  name: "at SIGHUP a changed password of a SOCKS listener is asked for, and the old one refused",
  ignore: !isPosix,
  fn: whereThePasswordChanges,
});

async function whereThePasswordChanges(): Promise<void> {
  await using stage = await AetherlightStage.open("near");
  const port = freePort();
  const setPassword = (password: string) =>
    Deno.writeTextFile(stage.path("socks.auth"), `me:${password}\n`, { mode: 0o600 });
  await setPassword("old");
  const config = `socks = ["127.0.0.1:${port}"]\nsocks-auth-file = "socks.auth"\n`;
  const near = await ConfiguredNode.start(stage, { name: "near", config });
  const areTaken = () => Promise.all(["old", "new"].map((password) => isTaken(port, password)));
  assert.deepEqual(await areTaken(), [true, false]);
  await setPassword("new");
  await near.reload();
  assert.deepEqual(await areTaken(), [false, true]);
  await Deno.copyFile(stage.path("socks.auth"), stage.path("other.auth"));
  await setPassword("old");
  await near.change("near", config.replace("socks.auth", "other.auth"));
  assert.deepEqual(await areTaken(), [false, true]);
  assert.equal(eventCount(near.node, "restart-needed"), 0);
}

/** Whether a SOCKS5 listener takes this password of "me" (RFC 1929). */
async function isTaken(port: number, password: string): Promise<boolean> {
  const text = (value: string) => [value.length, ...Buffer.from(value)];
  const payload = Buffer.from([5, 1, 2, 1, ...text("me"), ...text(password)]);
  const answer = await exchange({ port, payload });
  assert.deepEqual([...answer.subarray(0, 3)], [5, 2, 1]);
  return answer[3] === 0;
}

Deno.test("config example prints a file that config check takes", async () => {
  await using stage = await AetherlightStage.open("home");
  const path = stage.path("config.toml");
  const { code, stdout } = await runProgram(["config", "example"]);
  assert.equal(code, 0);
  await Deno.writeTextFile(path, stdout);
  const good = await runProgram(["config", "check", path]);
  assert.deepEqual(good, { code: 0, stdout: "", stderr: `${path}: no problems\n` });
  await Deno.writeTextFile(path, `${stdout}hold = 5\n[[peer]]\n`);
  const bad = await runProgram(["config", "check", path]);
  assert.deepEqual([bad.code, bad.stdout], [2, ""]);
  const lines = bad.stderr.trimEnd().split("\n");
  assert.equal(lines.length, 2, bad.stderr);
  for (const line of lines) assert.match(line, /^aetherport: .*config\.toml:\d+: peer\[\d\]/);
});

Deno.test("config check tells of files that the proxy would refuse, and makes none", async () => {
  await using stage = await AetherlightStage.open("near");
  const path = stage.path("config.toml");
  const check = async (config: string) => {
    await Deno.writeTextFile(path, config);
    const { code, stderr } = await runProgram(["config", "check", path]);
    return { code, lines: stderr.trimEnd().split("\n") };
  };
  const files = 'policy = "policy.toml"\naudit-log = "audit.jsonl"\n';
  await Deno.writeTextFile(stage.path("policy.toml"), "[[rule]]\naction = 'deny'\n");
  const names = () => [...Deno.readDirSync(stage.folder)].map(({ name }) => name);
  assert.deepEqual(await check(identityOf("near") + files), {
    ...{ code: 0, lines: [`${path}: no problems`] },
  });
  assert.equal(names().includes("audit.jsonl"), false);
  assert.equal(names().length, 6, names().join());

  await Deno.writeTextFile(stage.path("policy.toml"), "[[rule]]\naction = 1\n");
  const { code, lines } = await check(
    identityOf("far").replace("[", '["none.pem", ') + files.replace("audit.jsonl", "none/a.jsonl"),
  );
  assert.equal(code, 2);
  const problems = [
    /:1: key: .*far-key\.pem/,
    /:2: cert: .*far-cert\.pem/,
    /:3: cacert\[0\]: .*none\.pem/,
    /:4: policy: .*policy\.toml, line 2: rule 1, action/,
    /:5: audit-log: --audit-log .*no/,
  ];
  assert.equal(lines.length, problems.length, lines.join("\n"));
  for (const [position, problem] of problems.entries()) {
    assert.match(lines[position] ?? "", /^aetherport: .*config\.toml:/);
    assert.match(lines[position] ?? "", problem);
  }
  const foreign = identityOf("near").replace("near-cert", "cacert");
  assert.match((await check(`${foreign}allow = ["bench"]\n`)).lines.join("\n"), /:2: cert: /);
  const double = await check(`forward = ["8080:a:1", "127.0.0.1:8080:b:1"]\n`);
  assert.equal(double.code, 2);
  assert.match(double.lines.join(), /both listen at 127\.0\.0\.1:8080/);
});

Deno.test("the default file is read by the proxy and by config check, and none is none", async () => {
  const home = await Deno.makeTempDir();
  const env = { XDG_CONFIG_HOME: home };
  const none = await runProgram(["config", "check"], env);
  assert.equal(none.code, 2);
  assert.match(
    none.stderr,
    /there is no config file that you may read: looked for .*\/aetherport\/config\.toml/,
  );
  assert.match((await runProgram([], env)).stderr, /nothing to do/);
  await Deno.mkdir(`${home}/aetherport`, { recursive: true });
  await Deno.writeTextFile(`${home}/aetherport/config.toml`, "allow = ['x']\n");
  for (const args of [["config", "check"], [], ["proxy"]]) {
    const { code, stderr } = await runProgram(args, env);
    assert.equal(code, 2);
    assert.match(stderr, /config\.toml:1: allow\[0\]: --allow "x", column 2/);
  }
  const named = `${home}/named.toml`;
  await Deno.writeTextFile(named, "allow = ['y']\n");
  for (const args of [["--config", named], []]) {
    const variables = args.length === 0 ? { ...env, AETHERPORT_CONFIG: named } : env;
    assert.match((await runProgram(args, variables)).stderr, /named\.toml:1: allow\[0\]/);
  }
  // Other commands leave it alone.
  assert.equal((await runProgram(["cert", "--help"], env)).code, 0);
  await Deno.remove(home, { recursive: true });
});

Deno.test({
  name: "a default file that is not this user's to read is none, and a named one is an error",
  ignore: Deno.build.os !== "linux",
  fn: whereOthersFilesAre,
});

/** Takes root's right to read everything from the command. */
const unprivileged = Deno.uid() === 0
  ? ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
  : [];

async function whereOthersFilesAre(): Promise<void> {
  const home = await Deno.makeTempDir();
  const folder = `${home}/aetherport`;
  const path = `${folder}/config.toml`;
  const run = (...args: readonly string[]) =>
    runProgram(args, { XDG_CONFIG_HOME: home }, unprivileged);
  await Deno.mkdir(folder);
  await Deno.writeTextFile(path, "allow = ['x']\n");
  for (const [fileMode, folderMode] of [[0o600, 0], [0, 0o700]] as const) {
    await Deno.chmod(path, fileMode);
    await Deno.chmod(folder, folderMode);
    assert.match((await run()).stderr, /^aetherport: nothing to do/);
    assert.match((await run("config", "check")).stderr, /no config file that you may read/);
    const named = await run("--config", path);
    assert.equal(named.code, 2);
    assert.match(named.stderr, /cannot read the config file .*config\.toml": Permission denied/);
    await Deno.chmod(folder, 0o700);
  }
  await Deno.remove(folder, { recursive: true });
  await Deno.writeTextFile(folder, "no folder");
  assert.match((await run()).stderr, /^aetherport: nothing to do/);
  await Deno.remove(home, { recursive: true });
}
