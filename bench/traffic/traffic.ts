/** Processes that make traffic, driven from the benchmark. */
import { fileURLToPath } from "node:url";
import { within } from "../processes.ts";
import type { commands } from "./end.ts";

type Commands = typeof commands;

/** The longest that a command may take besides what it was told to, in ms. */
const patience = 60_000;

/** An end of the traffic. */
export class TrafficEnd implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncIterator<string>;

  /** Started by a command, such as one that enters a namespace. */
  constructor(command: readonly string[] = []) {
    const script = fileURLToPath(new URL("./end.ts", import.meta.url));
    const [program = "", ...args] = [
      ...command,
      ...[Deno.execPath(), "run", "--quiet", "--allow-all", script],
    ];
    this.#child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped" }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#lines = linesOf(this.#child.stdout);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Has it do something; `limit` is how long that takes by itself, in ms. One at a time. */
  async ask<Name extends keyof Commands>(
    name: Name,
    argument: Parameters<Commands[Name]>[0],
    limit = 0,
  ): Promise<Awaited<ReturnType<Commands[Name]>>> {
    const line = `${JSON.stringify([name, argument])}\n`;
    await this.#input.write(new TextEncoder().encode(line));
    const { value, done } = await within(limit + patience, name, this.#lines.next());
    if (done === true) throw new Error(`the traffic's process ended before it had done ${name}`);
    const { result, error } = JSON.parse(value) as { result: never; error?: string };
    if (error !== undefined) throw new Error(error);
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.status;
    await this.#input.close().catch(() => {});
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
