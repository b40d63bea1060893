/** Forwards that listen on a Unix socket. */
import { messageOf } from "../message_of.ts";
import type { Connection } from "../socket/connection.ts";
import { fileAt, UnixListener } from "../socket/unix_socket.ts";
import type { Forward } from "./forward.ts";
import type { ListenAddress } from "./forward_spec.ts";

/** One socket, which is its owner's alone and is removed at the end. */
export class UnixForward implements Forward {
  readonly #listener: UnixListener;

  /** Binds. Throws an Error naming the path that cannot be bound; nothing there is replaced. */
  constructor(path: string, onConnection: (connection: Connection) => void) {
    try {
      this.#listener = new UnixListener({ path, onConnection });
    } catch (cause) {
      throw new Error(`cannot listen on ${path}: ${messageOf(cause)}`, { cause });
    }
  }

  get addresses(): string[] {
    return [this.#listener.path];
  }

  close(): void {
    this.#listener.close();
  }
}

/**
 * Makes way for a forward: removes a Unix socket that nobody listens on any more, as a program leaves
 * it that was killed. Throws an Error naming the path where there is anything else.
 */
export async function makeWay(listen: ListenAddress): Promise<void> {
  if (listen.kind !== "unix") return;
  const { path } = listen;
  const found = fileAt(path);
  if (found === undefined) return;
  if (!Deno.lstatSync(path).isSocket) {
    throw new Error(`cannot listen on ${path}: there is a file that is no socket`);
  }
  if (await isAnswered(path)) {
    throw new Error(`cannot listen on ${path}: another program listens there`);
  }
  // Another program may have made way, and be listening, meanwhile.
  if (fileAt(path) === found) Deno.removeSync(path);
}

async function isAnswered(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch (error) {
    // Whatever else is said, by a full queue or a lack of rights, somebody may be there.
    const isNobody = error instanceof Deno.errors.ConnectionRefused ||
      error instanceof Deno.errors.NotFound;
    return !isNobody;
  }
}
