/**
 * An aetherport process, driven from outside as a user would: its stdout is copied, its stdin is
 * pasted into, its log is read. The demo and the tests share it.
 */
import { fileURLToPath } from "node:url";

/** What runs the program from this checkout; arguments are added. */
export const programCommand: readonly string[] = [
  Deno.execPath(),
  "run",
  "--quiet",
  "--allow-all",
  fileURLToPath(new URL("../main.ts", import.meta.url)),
];

/** One line of the log, as `--log-format json` writes it. */
export interface LogLine {
  readonly event?: string;
  readonly message: string;
  readonly [property: string]: unknown;
}

/** How a process is started. */
export interface NodeProcessOptions {
  /** What runs the program; this checkout by default. */
  readonly command?: readonly string[];
  readonly env?: Record<string, string>;
  /** Whether the command has `--log-format`; the log of others is read as plain lines. */
  readonly hasJsonLog?: boolean;
}

/** One running process. */
export class NodeProcess {
  /** Every line of the log so far. */
  readonly log: LogLine[] = [];
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #texts: string[] = [];
  readonly #wakers = new Set<() => void>();
  #isEnded = false;

  constructor(
    args: readonly string[],
    { command = programCommand, env = {}, hasJsonLog = true }: NodeProcessOptions = {},
  ) {
    const [program = "", ...first] = command;
    this.#process = new Deno.Command(program, {
      args: [...first, ...args, ...(hasJsonLog ? ["--log-format", "json"] : [])],
      env: { NO_COLOR: "1", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    const streams = [
      this.#readLines(this.#process.stdout, (line) => this.#texts.push(line)),
      this.#readLines(this.#process.stderr, (line) => this.log.push(parseLine(line))),
    ];
    void Promise.all(streams).then(() => {
      this.#isEnded = true;
      this.#wake();
    });
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** The process's end. */
  get status(): Promise<Deno.CommandStatus> {
    return this.#process.status;
  }

  /** The next line of stdout: an offer or an answer. Throws if the process ends first. */
  async nextText(): Promise<string> {
    await this.#until(() => this.#texts.length > 0, "another text on stdout");
    return this.#texts.shift() ?? "";
  }

  /** Pastes a text and presses Enter. */
  async paste(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${text}\n`));
  }

  /** Ends stdin. */
  async endInput(): Promise<void> {
    await this.#input.close();
  }

  /** The `count`th line of the log with this event. Throws if the process ends first. */
  async event(name: string, count = 1): Promise<LogLine> {
    const found = () => this.log.filter(({ event }) => event === name)[count - 1];
    await this.#until(() => found() !== undefined, `event ${name}`);
    return found() as LogLine;
  }

  /** The first line of the log whose message matches. Throws if the process ends first. */
  async line(pattern: RegExp): Promise<LogLine> {
    const found = () => this.log.find(({ message }) => pattern.test(message));
    await this.#until(() => found() !== undefined, `a line like ${pattern}`);
    return found() as LogLine;
  }

  /** Sends a signal; does nothing to a process that has ended. */
  kill(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch {
      // It has ended by itself.
    }
  }

  /** Tells the process to end and waits until it has; killed where it does not. */
  async stop(): Promise<Deno.CommandStatus> {
    this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill("SIGKILL"), 5_000);
    const status = await this.status;
    clearTimeout(timer);
    await this.#until(() => this.#isEnded, "the end of its output").catch(() => {});
    await this.#input.close().catch(() => {});
    return status;
  }

  async #until(isReached: () => boolean, what: string): Promise<void> {
    while (!isReached()) {
      if (this.#isEnded) {
        const last = this.log.slice(-5).map(({ message }) => message).join("\n  ");
        throw new Error(`the process ended before ${what}; its last words:\n  ${last}`);
      }
      await new Promise<void>((resolve) => this.#wakers.add(resolve));
    }
  }

  async #readLines(
    stream: ReadableStream<Uint8Array>,
    take: (line: string) => void,
  ): Promise<void> {
    let rest = "";
    for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + piece).split("\n");
      rest = lines.pop() ?? "";
      lines.forEach(take);
      this.#wake();
    }
  }

  #wake(): void {
    for (const waker of this.#wakers) waker();
    this.#wakers.clear();
  }
}

function parseLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    // Before logging is set up, problems come as plain text.
    return { message: line };
  }
}

/** Carries the offer of one process to another and the answer back, and waits for the link. */
export async function joinByPaste(offering: NodeProcess, answering: NodeProcess): Promise<void> {
  await answering.paste(await offering.nextText());
  await offering.paste(await answering.nextText());
  await Promise.all([offering.event("link-up"), answering.event("link-up")]);
}
