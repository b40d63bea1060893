/** This process's stdin and stdout as a connection. */
import type { Connection } from "./connection.ts";
import { endStdout } from "./end_stdout.ts";
import { Pending } from "./pending.ts";

/** There is one for a process. A reset is told by the exit code. */
export class StdioConnection implements Connection {
  readonly remote = "stdin";
  readonly #pending = new Pending();

  read(buffer: Uint8Array): Promise<number | null> {
    return this.#pending.run(Deno.stdin.read(buffer));
  }

  /** Throws BrokenPipe where nobody reads stdout any more. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#pending.run(writeAll(bytes));
  }

  endWrite(): Promise<void> {
    endStdout();
    return Promise.resolve();
  }

  /** Nothing tells that whoever wrote to stdin has gone, but its end. */
  probe(): Promise<void> {
    return Promise.resolve();
  }

  reset(): void {
    this.close();
  }

  close(): void {
    this.#pending.break("stdin and stdout are closed");
  }
}

async function writeAll(bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) written += await Deno.stdout.write(bytes.subarray(written));
}
