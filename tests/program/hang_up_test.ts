/** Nodes whose terminal is closed. */
import assert from "node:assert/strict";
import { programCommand } from "../../demo/node_process.ts";
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

  /** Closes the terminal; returns when the process has ended by that, and read nothing before. */
  async close(): Promise<void> {
    this.#text = "";
    this.#terminal.kill("SIGKILL");
    await this.#terminal.status;
    while (await this.#read()) assert.doesNotMatch(this.#text, /"(policy-)?reloaded"/);
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
  const rows: readonly (readonly [flags: readonly string[], event: RegExp])[] = [
    [["--policy", stage.path("policy.toml")], /"policy-reloaded"/],
    [["--config", stage.path("c.toml")], /"policy-reloaded"[^]*"reloaded"|"reloaded"[^]*"policy-r/],
  ];
  for (const [flags, event] of rows) {
    await using node = await TerminalNode.start(stage.folder, [
      ...[...stage.identityFlags("near"), "--aetherlight-base-url", url, "--ice-server", "none"],
      ...["--log-format", "json", "--audit-log", stage.path("audit.jsonl"), ...flags],
    ]);
    await node.logged(/"waiting"/);
    node.hangUp();
    await node.logged(event);
    await node.close();
  }
}
