/** Unix sockets on either side of a forward, by the programs that people use them with. */
import assert from "node:assert/strict";
import { joinByPaste, NodeProcess } from "../../demo/node_process.ts";
import { testBytes } from "../fakes/sockets.ts";
import { SocketFolder, UnixService } from "../fakes/unix_sockets.ts";
import { isInstalled } from "../peers/peer_process.ts";
import { digestThen, echo, freePort, serve, sha256 } from "./local_service.ts";

const subject = "a Unix socket";
const hasCurl = await isInstalled("curl", ["--version"], subject);
const hasNc = await isInstalled("nc", ["-h"], subject);
const hasRedis = await isInstalled("redis-server", ["--version"], subject) &&
  await isInstalled("redis-cli", ["--version"], subject);
const ignore = Deno.build.os === "windows";

/** Two nodes, and the forwards between them. */
class UnixStage implements AsyncDisposable {
  readonly near: NodeProcess;
  readonly #far: NodeProcess;

  private constructor(near: NodeProcess, far: NodeProcess) {
    this.near = near;
    this.#far = far;
  }

  static async open(
    forwards: readonly (readonly [listen: string, target: string])[],
  ): Promise<UnixStage> {
    const near = new NodeProcess([
      ...["--ice-server", "none"],
      ...forwards.flatMap(([listen, target]) => ["--forward", `${listen}:${target}`]),
    ]);
    const far = new NodeProcess([
      ...["--ice-server", "none"],
      ...forwards.flatMap(([, target]) => ["--allow", target]),
    ]);
    await joinByPaste(near, far);
    return new UnixStage(near, far);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.near.stop(), this.#far.stop()]);
  }
}

/** What a program says that is given some input; it has to end well. */
async function run(
  [program = "", ...args]: readonly string[],
  input: Uint8Array = new Uint8Array(0),
): Promise<Uint8Array> {
  const child = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const writing = writer.write(input.slice()).then(() => writer.close());
  const { code, stdout, stderr } = await child.output();
  assert.equal(code, 0, `${program}: ${new TextDecoder().decode(stderr)}`);
  await writing;
  return stdout;
}

Deno.test("curl and nc reach ports and sockets by ports and sockets", {
  ignore: ignore || !hasCurl || !hasNc,
}, async () => {
  using folder = new SocketFolder();
  const body = testBytes(10_000_000);
  const handler = () => new Response(body.slice());
  const quietly = { handler, onListen: () => {} };
  await using web = Deno.serve({ ...quietly, hostname: "127.0.0.1", port: 0 });
  await using unixWeb = Deno.serve({ ...quietly, path: folder.path("web") });
  await using talk = await serve(digestThen(body));
  const targets = [`127.0.0.1:${web.addr.port}`, String(unixWeb.addr.path)];
  const ports = [freePort(), freePort()];
  const paths = [folder.path("one"), folder.path("other")];
  const talkForward = [folder.path("talk"), `127.0.0.1:${talk.port}`] as const;
  await using _stage = await UnixStage.open([
    ...targets.map((target, at) => [`127.0.0.1:${ports[at]}`, target] as const),
    ...targets.map((target, at) => [paths[at] ?? "", target] as const),
    talkForward,
  ]);
  const curl = ["curl", "-sS", "--fail"];
  const commands = [
    ...ports.map((port) => [...curl, `http://127.0.0.1:${port}/`]),
    ...paths.map((path) => [...curl, "--unix-socket", path, "http://service/"]),
  ];
  for (const command of commands) {
    assert.equal(sha256(await run(command)), sha256(body), command.join(" "));
  }
  // The target answers after the end of what nc sends, and nc ends with the target.
  const answer = await run(["nc", "-N", "-U", talkForward[0]], body);
  assert.equal(new TextDecoder().decode(answer.subarray(0, 64)), sha256(body));
  assert.equal(sha256(answer.subarray(64)), sha256(body));
});

Deno.test("redis-cli reaches a redis-server, both by sockets", {
  ignore: ignore || !hasRedis,
}, async () => {
  using folder = new SocketFolder();
  const [target, listen] = [folder.path("redis"), folder.path("forward")];
  const server = new Deno.Command("redis-server", {
    args: ["--port", "0", "--unixsocket", target, "--save", "", "--dir", folder.path(".")],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const output = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; !/ready to accept connections/i.test(text);) {
    const { value, done } = await output.read();
    if (done) throw new Error(`redis-server ended: ${text}`);
    text += value;
  }
  try {
    await using _stage = await UnixStage.open([[listen, target]]);
    const redis = ["redis-cli", "-s", listen];
    const value = "x".repeat(1_000_000);
    await run([...redis, "-x", "SET", "key"], new TextEncoder().encode(value));
    const got = new TextDecoder().decode(await run([...redis, "GET", "key"]));
    assert.equal(got.trim() === value, true);
  } finally {
    server.kill("SIGTERM");
    await Promise.all([server.status, output.cancel()]);
  }
});

Deno.test(
  "a node removes its socket when it ends, replaces one of a node that was killed, and no other",
  {
    ignore,
  },
  async () => {
    using folder = new SocketFolder();
    using _service = UnixService.echo(folder.path("live"));
    await using service = await serve(echo);
    const forward = (
      name: string,
    ) => ["--forward", `${folder.path(name)}:127.0.0.1:${service.port}`];
    const start = (name: string) => new NodeProcess(["--ice-server", "none", ...forward(name)]);

    const killed = start("s");
    await killed.event("listening");
    assert.equal((Deno.lstatSync(folder.path("s")).mode ?? 0) & 0o777, 0o600);
    killed.kill("SIGKILL");
    await killed.stop();
    assert.deepEqual(folder.names, ["live", "s"]);

    const next = start("s");
    await next.event("listening");
    for (const name of ["s", "live"]) {
      const late = start(name);
      const { message } = await late.event("failed");
      assert.match(
        message,
        new RegExp(`cannot listen on .*${name}: another program listens there`),
      );
      assert.equal((await late.status).code, 1);
      await late.stop();
    }
    await next.stop();
    assert.deepEqual(folder.names, ["live"]);
  },
);

Deno.test("a node that cannot listen on all that it was told to leaves no socket", {
  ignore,
}, async () => {
  using folder = new SocketFolder();
  await using taken = await serve(echo);
  const node = new NodeProcess([
    ...["--forward", `${folder.path("s")}:127.0.0.1:1`],
    ...["--forward", `127.0.0.1:${taken.port}:127.0.0.1:1`],
  ]);
  assert.equal((await node.status).code, 1);
  await node.stop();
  assert.deepEqual(folder.names, []);
});
