/** A running command's stdin and stdout as a connection; its stderr goes to the log. */
import { getLogger } from "@logtape/logtape";
import type { Connection } from "../socket/connection.ts";
import { Pending } from "../socket/pending.ts";

const log = getLogger(["aetherport", "ingress"]);

/** What a command has to end by itself in once it was told to, in ms. */
const termination = 5_000;
/** Longer lines of stderr are cut, in characters. */
const maxLineLength = 1_000;

/** Whose command it is. */
interface CommandOwner {
  /** The command's name. */
  readonly name: string;
  readonly peer: string;
}

/** One command, with what it has started. Closing it before it has ended kills it. */
export class CommandConnection implements Connection {
  readonly remote: string;
  /** Resolves when the command has ended, and nothing that it has started writes to its stdout. */
  readonly ended: Promise<Deno.CommandStatus>;
  readonly #child: Deno.ChildProcess;
  readonly #output: ReadableStreamDefaultReader<Uint8Array>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #outputOver = Promise.withResolvers<void>();
  readonly #pending = new Pending();
  /** What was written by the command, and not read from here. */
  #rest: Uint8Array = new Uint8Array(0);
  #hasEnded = false;
  #isInputClosed = false;

  constructor(child: Deno.ChildProcess, owner: CommandOwner) {
    this.remote = `exec:${owner.name}`;
    this.#child = child;
    this.#output = child.stdout.getReader();
    this.#input = child.stdin.getWriter();
    // It rejects where the command closes its stdin, which the next write tells too.
    this.#input.closed.catch(() => {});
    this.ended = this.#untilEnded();
    void logLines(child.stderr, owner);
  }

  /** Null when the command has ended well; throws where it has not. */
  async read(buffer: Uint8Array): Promise<number | null> {
    if (this.#rest.length === 0) {
      const value = await this.#pending.run(this.#take());
      if (value === undefined) return await this.#end();
      this.#rest = value;
    }
    const count = Math.min(this.#rest.length, buffer.length);
    buffer.set(this.#rest.subarray(0, count));
    this.#rest = this.#rest.subarray(count);
    return count;
  }

  /** What a command does not want to read is dropped: how it ends is what counts. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#isInputClosed) return;
    try {
      await this.#pending.run(this.#input.write(bytes));
    } catch (error) {
      if (this.#pending.isBroken) throw error;
      this.#isInputClosed = true;
    }
  }

  async endWrite(): Promise<void> {
    if (this.#isInputClosed) return;
    this.#isInputClosed = true;
    await this.#pending.run(this.#input.close()).catch(() => {});
  }

  probe(): Promise<void> {
    return Promise.resolve();
  }

  reset(): void {
    this.close();
  }

  close(): void {
    if (this.#pending.isBroken) return;
    this.#pending.break("the command's stream is over");
    this.#input.abort().catch(() => {});
    if (this.#hasEnded) return;
    void this.#drain();
    this.#signal("SIGTERM");
    const timer = setTimeout(() => this.kill(), termination);
    void this.ended.then(() => clearTimeout(timer));
  }

  /** Ends it at once. */
  kill(): void {
    if (this.#hasEnded) return;
    this.#signal("SIGKILL");
    // What has left the group may hold it for ever.
    this.#output.cancel().catch(() => {});
    this.#outputOver.resolve();
  }

  async #untilEnded(): Promise<Deno.CommandStatus> {
    const [status] = await Promise.all([this.#child.status, this.#outputOver.promise]);
    this.#hasEnded = true;
    return status;
  }

  /** What was written next; undefined behind the end. */
  async #take(): Promise<Uint8Array | undefined> {
    const { value } = await this.#output.read();
    if (value === undefined) this.#outputOver.resolve();
    return value;
  }

  /** Drops what is written, to see when nobody does so any more. */
  async #drain(): Promise<void> {
    try {
      while (await this.#take() !== undefined);
    } catch {
      this.#outputOver.resolve();
    }
  }

  async #end(): Promise<null> {
    const { success, code, signal } = await this.#pending.run(this.ended);
    if (success) return null;
    throw new Error(
      signal === null
        ? `the command ended with status ${code}`
        : `the command was ended by ${signal}`,
    );
  }

  /** To it and all that it has started. */
  #signal(signal: Deno.Signal): void {
    try {
      if (Deno.build.os === "windows") this.#child.kill(signal);
      else Deno.kill(-this.#child.pid, signal);
    } catch {
      // It has ended meanwhile.
    }
  }
}

async function logLines(
  stderr: ReadableStream<Uint8Array<ArrayBuffer>>,
  { name: command, peer }: CommandOwner,
): Promise<void> {
  const write = (line: string) => {
    // What a terminal would obey may come from the peer.
    const clean = line.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, " ").trimEnd();
    if (clean === "") return;
    log.info("{command} for {peer}: {line}", {
      ...{ event: "command-output", command, peer, line: clean },
    });
  };
  let line = "";
  for await (const text of stderr.pipeThrough(new TextDecoderStream())) {
    const [first = "", ...others] = text.split("\n");
    line = (line + first).slice(0, maxLineLength);
    for (const other of others) {
      write(line);
      line = other.slice(0, maxLineLength);
    }
  }
  write(line);
}
