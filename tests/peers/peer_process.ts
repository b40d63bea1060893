/**
 * Another implementation, running as a process of its own.
 *
 * @module
 */

/** Something went wrong, rather than slowly, where a peer has said nothing for so long. */
const patience = 20_000;

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
  #printed = "";
  #hasEnded = false;
  #wake = Promise.withResolvers<void>();

  constructor(program: string, args: readonly string[]) {
    this.#program = program;
    this.#child = new Deno.Command(program, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    const { stdout, stderr } = this.#child;
    this.#reading = Promise.all([this.#read(stdout), this.#read(stderr)]).then(() => {
      this.#hasEnded = true;
      this.#notify();
    });
  }

  /** What it said on stdout and stderr so far. */
  get printed(): string {
    return this.#printed;
  }

  /** Types something. */
  async write(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(text));
  }

  /** Ends its input. */
  async closeInput(): Promise<void> {
    await this.#input.close();
  }

  /** Waits until it has printed this. */
  async waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#notify();
    }, patience);
    try {
      for (;;) {
        const found = pattern.exec(this.#printed);
        if (found !== null) return found;
        if (this.#hasEnded || isLate) {
          const end = this.#hasEnded ? "to its end" : "in time";
          throw new Error(
            `${this.#program} did not print ${pattern} ${end}, but: ${this.#printed}`,
          );
        }
        await this.#wake.promise;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Kills it, unless it has ended by itself. */
  async stop(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#input.close().catch(() => {});
    await this.#reading;
    await this.#child.status;
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.#printed += decoder.decode(chunk, { stream: true });
      this.#notify();
    }
  }

  #notify(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}
