/** Nodes that are told SIGHUP, and those whose terminal is closed. */
import assert from "node:assert/strict";
import { joinByPaste, NodeProcess, programCommand } from "../../demo/node_process.ts";
import { isInstalled } from "../peers/peer_process.ts";
import { AetherlightStage } from "./aetherlight_stage.ts";
import { runProgram } from "./run_program.ts";

// That of util-linux: others have no --command.
const hasScript = await isInstalled(
  "script",
  ["--quiet", "--return", "--command", "true", "/dev/null"],
  "the end of a terminal",
);

/** A node that has a terminal of its own, whose log is read here. */
class TerminalNode implements AsyncDisposable {
  readonly #terminal: Deno.ChildProcess;
  readonly #log: ReadableStreamDefaultReader<string>;
  #text = "";
  #pid = 0;
  #isEnded = false;

  private constructor(terminal: Deno.ChildProcess, log: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#terminal = terminal;
    this.#log = log.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Runs it; its log goes to a named pipe, which is made in the folder. */
  static async start(folder: string, args: readonly string[]): Promise<TerminalNode> {
    const pipe = `${folder}/${crypto.randomUUID()}.pipe`;
    await new Deno.Command("mkfifo", { args: [pipe] }).output();
    const words = [...programCommand, ...args].map((word) => `'${word}'`);
    // The first line is the process id, which the program takes over.
    const command = `exec 2>${pipe}; echo pid $$ >&2; exec ${words.join(" ")}`;
    const terminal = new Deno.Command("script", {
      args: ["--quiet", "--return", "--command", command, "/dev/null"],
      stdin: "piped",
      stdout: "null",
    }).spawn();
    const node = new TerminalNode(terminal, (await Deno.open(pipe)).readable);
    await node.logged(/^pid \d+\n/);
    node.#pid = parseInt(node.#text.slice("pid ".length));
    return node;
  }

  /** Returns when the log matches. Throws it where the process ends before. */
  async logged(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.#text)) assert.ok(await this.#read(), this.#text);
  }

  /** Asks for files to be read again. */
  hangUp(): void {
    Deno.kill(this.#pid, "SIGHUP");
  }

  /** Closes the terminal; returns when the process has ended in order, and read nothing before. */
  async close(): Promise<void> {
    this.#text = "";
    this.#terminal.kill("SIGKILL");
    await this.#terminal.status;
    while (await this.#read()) assert.doesNotMatch(this.#text, /"(policy-)?reloaded"/);
    assert.match(this.#text, /"ending"/);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#terminal.stdin.close();
    await this.#log.cancel();
    // Where it goes on against what was expected.
    if (!this.#isEnded) Deno.kill(this.#pid, "SIGKILL");
  }

  /** False at the end, which is that of the process. */
  async #read(): Promise<boolean> {
    const { done, value = "" } = await this.#log.read();
    this.#text += value;
    this.#isEnded = done;
    return !done;
  }
}

Deno.test({
  name: "a node ends with its terminal, and reads its files anew at any other SIGHUP",
  ignore: Deno.build.os !== "linux" || !hasScript,
  fn: whereTerminalsEnd,
});

async function whereTerminalsEnd(): Promise<void> {
  await using stage = await AetherlightStage.open("near");
  const { url } = await stage.server();
  const example = await runProgram(["policy", "example"]);
  await Deno.writeTextFile(stage.path("policy.toml"), example.stdout);
  await Deno.writeTextFile(stage.path("c.toml"), 'policy = "policy.toml"\n');
  const audit = ["--audit-log", stage.path("audit.jsonl")];
  const rows: readonly (readonly [flags: readonly string[], event?: RegExp])[] = [
    [["--allow", "bench"]],
    [["--policy", stage.path("policy.toml"), ...audit], /"policy-reloaded"/],
    [
      ["--config", stage.path("c.toml"), ...audit],
      /"policy-reloaded"[^]*"reloaded"|"reloaded"[^]*"policy-r/,
    ],
  ];
  for (const [flags, event] of rows) {
    await using node = await TerminalNode.start(stage.folder, [
      ...[...stage.identityFlags("near"), "--aetherlight-base-url", url, "--ice-server", "none"],
      ...["--log-format", "json", "--verbose", ...flags],
    ]);
    // Logged last.
    await node.logged(/"control"/);
    if (event !== undefined) {
      node.hangUp();
      await node.logged(event);
    }
    await node.close();
  }
}

Deno.test({
  name: "a node that has no files to read anew ends at SIGHUP as at SIGTERM, but for nohup",
  ignore: Deno.build.os !== "linux",
  fn: whereNothingIsRead,
});

async function whereNothingIsRead(): Promise<void> {
  const folder = await Deno.makeTempDir();
  const names = () => new Set([...Deno.readDirSync(folder)].map(({ name }) => name));
  const near = new NodeProcess([
    ...["--ice-server", "none", "--verbose", "--forward", `${folder}/near:127.0.0.1:9`],
    ...["--control-socket", `${folder}/control`],
  ]);
  const ignoring = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", ...programCommand];
  const far = new NodeProcess(
    [
      ...["--ice-server", "none", "--verbose", "--allow", "127.0.0.1:9"],
      ...["--control-socket", `${folder}/far`],
    ],
    { command: ignoring },
  );
  try {
    await joinByPaste(near, far);
    await Promise.all([near.event("control"), far.event("control")]);
    assert.deepEqual(names(), new Set(["control", "far", "near"]));
    near.kill("SIGHUP");
    assert.equal((await near.status).code, 0);
    assert.deepEqual(names(), new Set(["far"]));
    assert.match(String((await far.event("link-down")).reason), /other node closed/);
    far.kill("SIGHUP");
    const answer = await runProgram(["status", "--control-socket", `${folder}/far`]);
    assert.equal(answer.code, 0, answer.stderr);
  } finally {
    await Promise.all([near.stop(), far.stop()]);
  }
  await Deno.remove(folder, { recursive: true });
}
