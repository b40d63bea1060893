/**
 * Another implementation, running as a process of its own.
 *
 * @module
 */
import { beforeDeadline, tailOf } from "./deadline.ts";
import { Transcript } from "./transcript.ts";

/** Whether a program can be run. Says so, loudly, where it cannot. */
export async function isInstalled(
  program: string,
  args: readonly string[],
  subject: string,
): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, {
      args: [...args],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    if (success) return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const name = program.split("/").at(-1);
  console.warn(
    `SKIPPED: ${name} is not there; ${subject} is not tried against it. Run tests/peers/install.sh`,
  );
  return false;
}

/** A peer's process, and what it printed. */
export class PeerProcess {
  readonly #program: string;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #reading: Promise<unknown>;
  readonly #transcript: Transcript;

  constructor(program: string, args: readonly string[]) {
    this.#program = program;
    this.#transcript = new Transcript(program);
    this.#child = new Deno.Command(program, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    const { stdout, stderr } = this.#child;
    this.#reading = Promise.all([this.#read(stdout), this.#read(stderr)])
      .then(() => this.#transcript.end("it has ended"));
  }

  /** What it said on stdout and stderr so far. */
  get printed(): string {
    return this.#transcript.text;
  }

  /** Types something. */
  async write(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(text));
  }

  /** Ends its input. */
  async closeInput(): Promise<void> {
    await this.#input.close();
  }

  /** Waits until it has printed this, for a time. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#transcript.waitFor(pattern);
  }

  /** Kills it, unless it has ended by itself. */
  async stop(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#input.close().catch(() => {});
    // What it has started may outlive it, and hold its pipes.
    await beforeDeadline(
      Promise.all([this.#reading, this.#child.status]),
      () => `${this.#program} does not end, and printed: ${tailOf(this.printed)}`,
    );
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.#transcript.add(decoder.decode(chunk, { stream: true }));
    }
  }
}
