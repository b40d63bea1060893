/** The server on a socket of this machine. */
import type { SignalApp } from "./app.ts";

/** What is served, and where. */
export interface SignalServerOptions {
  readonly signalApp: SignalApp;
  readonly hostname: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Takes one line for each failure. */
  readonly log: (line: string) => void;
}

// Where the process has no descriptor left, the runtime closes the listener and all is over. Clients
// that go give descriptors back, so listening again works after a while.
const LISTEN_AGAIN_MILLISECONDS = 100;
const SHUTDOWN_MILLISECONDS = 5_000;
const LAST_BYTES_MILLISECONDS = 250;

/** A server that listens until it is closed. */
export class SignalServer {
  readonly #options: SignalServerOptions;
  #server: Deno.HttpServer<Deno.NetAddr>;
  /** Those that are not ready yet. */
  readonly #answers = new Set<Promise<Response>>();
  #isClosing = false;
  #listenAgain: ReturnType<typeof setTimeout> | undefined;
  /** Where it listens. */
  readonly address: Deno.NetAddr;

  /** Throws what `Deno.serve` throws where the address cannot be listened on. */
  constructor(options: SignalServerOptions) {
    this.#options = options;
    this.#server = this.#listen(options.port);
    this.address = this.#server.addr;
  }

  /** Ends all waiting, lets requests finish (5 s at most) and stops. */
  async close(): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#listenAgain);
    this.#options.signalApp.close();
    // Those who wait are told before the runtime closes their sockets.
    await pause(0);
    const isDown = this.#server.shutdown();
    const late = pause(SHUTDOWN_MILLISECONDS);
    // The runtime waits for ever for a WebSocket whose client went before it was open.
    const isAnswered = Promise.race([Promise.allSettled(this.#answers), late])
      .then(() => pause(LAST_BYTES_MILLISECONDS));
    await Promise.race([isDown, isAnswered]);
  }

  #listen(port: number): Deno.HttpServer<Deno.NetAddr> {
    const { hostname } = this.#options;
    const server = Deno.serve(
      { hostname, port, onListen: () => {} },
      (request, info) => this.#answer(request, info),
    );
    server.finished.catch((error) => this.#failed(error));
    return server;
  }

  async #answer(request: Request, info: Deno.ServeHandlerInfo): Promise<Response> {
    const answer = Promise.resolve(this.#options.signalApp.app.fetch(request, info));
    this.#answers.add(answer);
    try {
      return await answer;
    } finally {
      this.#answers.delete(answer);
    }
  }

  #failed(error: unknown): void {
    if (this.#isClosing) return;
    this.#options.log(`listening failed, and is tried again: ${error}`);
    this.#listenLater();
  }

  #listenLater(): void {
    this.#listenAgain = setTimeout(() => {
      try {
        this.#server = this.#listen(this.address.port);
      } catch (error) {
        // Still no descriptor, or another process took the port: it may go as well.
        if (!(error instanceof Error)) throw error;
        this.#listenLater();
      }
    }, LISTEN_AGAIN_MILLISECONDS);
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
