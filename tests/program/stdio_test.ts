/** `--stdio` as ssh's ProxyCommand and by itself: what it prints, and how it ends. */
import assert from "node:assert/strict";
import { programCommand } from "../../demo/node_process.ts";
import { testBytes } from "../fakes/sockets.ts";
import { isInstalled } from "../peers/peer_process.ts";
import { isOpenSshInstalled, SshServer } from "../peers/ssh_server.ts";
import { AetherlightStage, eventCount, type Ingress } from "./aetherlight_stage.ts";
import { digestThen, serve, sha256 } from "./local_service.ts";

const hasOpenSsh = await isOpenSshInstalled("--stdio as a ProxyCommand");
const hasGit = await isInstalled("git", ["--version"], "git over --stdio");
const ignore = Deno.build.os === "windows";

/** A node that waits, and calls to it. */
class StdioStage implements AsyncDisposable {
  readonly ingress: Ingress;
  readonly #stage: AetherlightStage;

  private constructor(stage: AetherlightStage, ingress: Ingress) {
    this.#stage = stage;
    this.ingress = ingress;
  }

  static async open(...flags: readonly string[]): Promise<StdioStage> {
    const stage = await AetherlightStage.open("near", "far");
    const { url: at } = await stage.server();
    const identity = stage.identityFlags("far");
    const node = stage.node(...identity, "--aetherlight-base-url", at, "-v", ...flags);
    const url = await node.nextText();
    await node.event("waiting");
    return new StdioStage(stage, { node, url });
  }

  get folder(): string {
    return this.#stage.folder;
  }

  /** The program and its arguments, such that it calls the ingress. */
  command(target: string, ...more: readonly string[]): string[] {
    return [
      ...[...programCommand, "-q", "--ice-server", "none", "-W", target],
      ...[...this.#stage.identityFlags("near"), "--aetherlight-ingress-url", this.ingress.url],
      ...more,
    ];
  }

  /** Runs it. */
  call(target: string, ...more: readonly string[]): Call {
    return new Call(this.command(target, ...more));
  }

  /** As one string for a shell. */
  proxyCommand(): string {
    return this.command("%h:%p").join(" ");
  }

  /** Once the ingress has no link any more, each of which has ended in order. */
  async drained(linkCount: number): Promise<void> {
    await this.ingress.node.event("link-down", linkCount);
    assert.equal(eventCount(this.ingress.node, "link-down"), linkCount);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stage[Symbol.asyncDispose]();
  }
}

/** One process with `--stdio`. */
class Call {
  readonly process: Deno.ChildProcess;
  readonly input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;

  constructor([program = "", ...args]: readonly string[]) {
    this.process = new Deno.Command(program, {
      args,
      env: { NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.input = this.process.stdin.getWriter();
  }

  /** Says something, and ends. */
  async say(bytes: Uint8Array): Promise<void> {
    await this.input.write(bytes.slice());
    await this.input.close();
  }

  /** How it ended, and what it printed. */
  async end() {
    const [stdout, stderr, { code }] = await Promise.all([
      new Response(this.process.stdout).bytes(),
      new Response(this.process.stderr).text(),
      this.process.status,
    ]);
    return { code, stdout, stderr };
  }
}

/** Runs a program to its end. */
async function run(program: string, args: readonly string[], env: Record<string, string> = {}) {
  const child = new Deno.Command(program, {
    args: [...args],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { code, stdout, stderr } = await child.output();
  assert.equal(code, 0, `${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return stdout;
}

Deno.test("10 MB go each way, stdout is what the target sent, and the end is in order", {
  ignore,
}, async () => {
  const [request, answer] = [testBytes(10_000_000, 1), testBytes(10_000_000, 2)];
  await using service = await serve(digestThen(answer));
  await using stage = await StdioStage.open("--allow", `127.0.0.1:${service.port}`);
  const call = stage.call(`127.0.0.1:${service.port}`);
  const [, { code, stdout, stderr }] = await Promise.all([call.say(request), call.end()]);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(new TextDecoder().decode(stdout.subarray(0, 64)), sha256(request));
  assert.equal(sha256(stdout.subarray(64)), sha256(answer));
  await stage.drained(1);
  const [closed] = stage.ingress.node.log.filter(({ event }) => event === "stream-closed");
  assert.equal(closed?.how, "finished");
});

Deno.test("the end of stdout is seen while stdin goes on, and what is said after it arrives", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  const heard = Promise.withResolvers<string>();
  await using service = await serve((socket) => {
    socket.end("bye");
    let text = "";
    socket.on("data", (bytes) => text += bytes);
    socket.on("end", () => heard.resolve(text));
  });
  await using stage = await StdioStage.open("--allow", `127.0.0.1:${service.port}`);
  const call = stage.call(`127.0.0.1:${service.port}`);
  const ending = call.process.status;
  assert.equal(await new Response(call.process.stdout).text(), "bye");
  await call.say(new TextEncoder().encode("said after the end"));
  assert.equal(await heard.promise, "said after the end");
  assert.equal((await ending).code, 0);
  assert.equal(await new Response(call.process.stderr).text(), "");
});

Deno.test("what is refused or reset ends with 1 and a reason, and prints nothing", {
  ignore,
}, async () => {
  await using resetting = await serve((socket) =>
    socket.once("data", () => socket.resetAndDestroy())
  );
  await using stage = await StdioStage.open(
    ...["--allow", `127.0.0.1:${resetting.port}`, "--allow-exec", "fail=sh -c 'exit 3'"],
  );
  const cases: [target: string, reason: RegExp][] = [
    ["127.0.0.1:1", /127\.0\.0\.1:1: refused by the other node: no --allow names it/],
    [`127.0.0.1:${resetting.port}`, /was broken off: /],
    ["exec:fail", /exec:fail was broken off: the command ended with status 3/],
    ["exec:other", /exec:other: refused by the other node: no --allow-exec offers it/],
  ];
  await Promise.all(cases.map(async ([target, reason]) => {
    const call = stage.call(target);
    await call.input.write(new Uint8Array(1));
    const { code, stdout, stderr } = await call.end();
    assert.deepEqual([code, stdout.length], [1, 0]);
    assert.match(stderr, reason);
    assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
    await call.input.abort().catch(() => {});
  }));
});

Deno.test("without a link it ends with 1", { ignore }, async () => {
  await using stage = await StdioStage.open("--allow", "*:*");
  await stage.ingress.node.stop();
  const call = stage.call("127.0.0.1:1", "--exit-on-failure");
  const { code, stdout, stderr } = await call.end();
  assert.deepEqual([code, stdout.length], [1, 0]);
  assert.match(stderr, /error: /);
  await call.input.abort().catch(() => {});
});

Deno.test("a stdout that nobody reads any more, and a signal, end the stream and the link", {
  ignore,
}, async () => {
  await using stage = await StdioStage.open("--allow-exec", "yes=yes", "--allow-exec", "cat=cat");
  const unread = stage.call("exec:yes");
  const reader = unread.process.stdout.getReader();
  await reader.read();
  await reader.cancel();
  assert.equal((await unread.process.status).code, 1);
  assert.match(await new Response(unread.process.stderr).text(), /was broken off: .*pipe/i);

  const hungUp = stage.call("exec:cat");
  await hungUp.input.write(new Uint8Array(3));
  const output = hungUp.process.stdout.getReader();
  assert.equal((await output.read()).value?.length, 3);
  hungUp.process.kill("SIGHUP");
  assert.equal((await hungUp.process.status).code, 1);
  await stage.drained(2);
  await Promise.all([output.cancel(), hungUp.process.stderr.cancel(), unread.input.abort()])
    .catch(() => {});
  await hungUp.input.abort().catch(() => {});
});

Deno.test("ssh, scp and git go through it as through any ProxyCommand", {
  ignore: ignore || !hasOpenSsh || !hasGit,
}, async (test) => {
  const sshFolder = await Deno.makeTempDir({ prefix: "aetherport-ssh-" });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => Deno.remove(sshFolder, { recursive: true }));
  await using server = await SshServer.start(sshFolder);
  await using stage = await StdioStage.open("--allow", `127.0.0.1:${server.port}`);
  const flags = server.flags(stage.proxyCommand());
  const file = `${sshFolder}/file`;
  const bytes = testBytes(10_000_000);
  await Deno.writeFile(file, bytes);

  await test.step("ssh runs a command, whose input, outputs and exit code are its own", async () => {
    const ssh = new Call(["ssh", ...flags, "127.0.0.1", "sha256sum; echo oops >&2; exit 7"]);
    const [, { code, stdout, stderr }] = await Promise.all([ssh.say(bytes), ssh.end()]);
    assert.deepEqual([code, stderr], [7, "oops\n"]);
    assert.equal(new TextDecoder().decode(stdout), `${sha256(bytes)}  -\n`);
    await stage.drained(1);
  });

  await test.step("scp copies there and back", async () => {
    await run("scp", ["-q", ...flags, file, `127.0.0.1:${sshFolder}/there`]);
    await run("scp", ["-q", ...flags, `127.0.0.1:${sshFolder}/there`, `${sshFolder}/back`]);
    assert.equal(sha256(await Deno.readFile(`${sshFolder}/back`)), sha256(bytes));
  });

  await test.step("git clones", async () => {
    const names = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
    const repository = `${sshFolder}/repository`;
    await run("git", ["init", "-q", repository]);
    await Deno.copyFile(file, `${repository}/file`);
    await run("git", ["-C", repository, "add", "file"]);
    await run("git", ["-C", repository, ...names, "commit", "-qm", "one"]);
    const quoted = flags.map((flag) => `'${flag}'`).join(" ");
    const clone = ["clone", "-q", `ssh://127.0.0.1${repository}`, `${sshFolder}/clone`];
    // Whoever owns the repository is not what is tested.
    const env = { GIT_SSH_COMMAND: `ssh ${quoted}`, GIT_SSH_VARIANT: "ssh" };
    await run("git", ["-c", "safe.directory=*", ...clone], env);
    assert.equal(sha256(await Deno.readFile(`${sshFolder}/clone/file`)), sha256(bytes));
  });

  await stage.drained(4);
});
