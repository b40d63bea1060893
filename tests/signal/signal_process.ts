/** `aetherport signal` as a process. */
import { fileURLToPath } from "node:url";
import { Arrivals } from "./arrivals.ts";

const MAIN = fileURLToPath(new URL("./signal_main.ts", import.meta.url));

/** How to start it. */
export interface SignalProcessOptions {
  readonly args: readonly string[];
  readonly env?: Record<string, string>;
  /** For the runtime, before the program. */
  readonly runtimeArgs?: readonly string[];
  /** The most descriptors it may have open. */
  readonly descriptorCount?: number;
}

/** What an ended process left. */
export interface Ended {
  readonly code: number;
  readonly stderr: string;
}

/** A process that was started. */
export class SignalProcess {
  readonly #child: Deno.ChildProcess;
  readonly #stderr: Promise<string>;
  readonly #output = new Arrivals<string>();
  readonly #listening = Promise.withResolvers<string>();

  constructor({ args, env, runtimeArgs = [], descriptorCount }: SignalProcessOptions) {
    const command = [Deno.execPath(), "run", "-A", ...runtimeArgs, MAIN, ...args];
    const limit = descriptorCount === undefined ? "" : `ulimit -n ${descriptorCount}; `;
    this.#child = new Deno.Command("sh", {
      args: ["-c", `${limit}exec "$@"`, "sh", ...command],
      env,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#stderr = this.#read();
  }

  /** The base URL, once it listens. Throws what the process printed where it does not. */
  get url(): Promise<string> {
    return this.#listening.promise;
  }

  /** Returns when the process has printed a text. */
  async printed(text: string): Promise<void> {
    await this.#output.until((output) => output.includes(text));
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Returns when the process has ended, and all that held its stderr with it. */
  async ended(): Promise<Ended> {
    const { code } = await this.#child.status;
    return { code, stderr: await this.#stderr };
  }

  async #read(): Promise<string> {
    let text = "";
    for await (const chunk of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      this.#output.add(text);
      const [, url] = /^listening on (http:\S+)\n/m.exec(text) ?? [];
      if (url !== undefined) this.#listening.resolve(url);
    }
    this.#listening.promise.catch(() => {
      // Nobody may be waiting for it.
    });
    this.#listening.reject(new Error(`it did not listen: ${text}`));
    return text;
  }
}
