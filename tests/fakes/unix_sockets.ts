/** Unix sockets for tests: a folder for them, services, and clients that half-close. */
import { closeQuietly } from "./sockets.ts";

/** A folder that is removed at the end; paths of sockets are short in it. */
export class SocketFolder implements Disposable {
  readonly #folder = Deno.makeTempDirSync({ prefix: "aetherport-" });

  /** A path in it. */
  path(name: string): string {
    return `${this.#folder}/${name}`;
  }

  /** The names of what is in it. */
  get names(): string[] {
    return [...Deno.readDirSync(this.#folder)].map(({ name }) => name).sort((a, b) =>
      a < b ? -1 : 1
    );
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

/** A service on a Unix socket. */
export class UnixService implements Disposable {
  readonly #listener: Deno.UnixListener;
  readonly #connections = new Set<Deno.UnixConn>();

  constructor(path: string, serve: (connection: Deno.UnixConn) => Promise<void>) {
    this.#listener = Deno.listen({ transport: "unix", path });
    void this.#acceptAll(serve);
  }

  /** Sends back what it reads, and its end. */
  static echo(path: string): UnixService {
    return new UnixService(
      path,
      (connection) => connection.readable.pipeTo(connection.writable),
    );
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const connection of this.#connections) closeQuietly(connection);
  }

  async #acceptAll(serve: (connection: Deno.UnixConn) => Promise<void>): Promise<void> {
    try {
      while (true) {
        const connection = await this.#listener.accept();
        this.#connections.add(connection);
        serve(connection).catch(() => closeQuietly(connection));
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted)) {
        throw error;
      }
    }
  }
}

/** Leaves a socket as a program does that was killed: its file is there, and nobody listens. */
export async function leaveStaleSocket(path: string): Promise<void> {
  const script = `Deno.listen({ transport: "unix", path: ${JSON.stringify(path)} }); Deno.exit()`;
  await new Deno.Command(Deno.execPath(), { args: ["eval", script] }).output();
}
