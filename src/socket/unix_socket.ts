/** Unix sockets by Deno: what listens, what it accepts, and what is dialled. */
import { AcceptPause } from "./accept_pause.ts";
import type { Connection } from "./connection.ts";

/** What a socket's file may be done to by others: nothing. */
const ownerOnly = 0o177;
/** Of a name for a moment: with it, a path that may be bound still may be. */
const suffixLength = 3;
/** A queue that is full is tried again after so long, in ms. */
const retryInterval = 20;

/** A connection of either side. */
class UnixConnection implements Connection {
  readonly remote: string;
  readonly #connection: Deno.UnixConn;
  #isClosed = false;

  constructor(connection: Deno.UnixConn, remote: string) {
    this.#connection = connection;
    this.remote = remote;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    return this.#connection.read(buffer);
  }

  async write(bytes: Uint8Array): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      written += await this.#connection.write(bytes.subarray(written));
    }
  }

  async endWrite(): Promise<void> {
    try {
      await this.#connection.closeWrite();
    } catch (error) {
      // The other end may have closed both ways already: then there is nothing left to end.
      if (!(error instanceof Deno.errors.NotConnected)) throw error;
    }
  }

  /** A Unix socket does not tell one that has gone from one that has sent all and left. */
  probe(): Promise<void> {
    return Promise.resolve();
  }

  /** There is no reset. The other end sees one only where it has sent what was not read. */
  reset(): void {
    this.close();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#connection.close();
  }
}

/** One listening socket, which its owner alone may connect to. */
export class UnixListener {
  readonly path: string;
  readonly #listener: Deno.UnixListener;
  readonly #onConnection: (connection: Connection) => void;
  /** Which file it made. */
  readonly #file: string | undefined;
  #isClosed = false;

  /** Binds; throws what the system says. */
  constructor(
    { path, onConnection }: {
      readonly path: string;
      readonly onConnection: (connection: Connection) => void;
    },
  ) {
    this.path = path;
    this.#onConnection = onConnection;
    this.#listener = listenAt(path);
    this.#file = fileAt(path);
    void this.#acceptAll();
  }

  /** Stops listening, and removes its file; connections that were accepted live on. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // What has taken its place is another's.
    if (this.#file !== undefined && fileAt(this.path) === this.#file) Deno.removeSync(this.path);
    this.#listener.close();
  }

  async #acceptAll(): Promise<void> {
    const pause = new AcceptPause();
    while (!this.#isClosed) {
      try {
        const connection = await this.#listener.accept();
        pause.end();
        this.#onConnection(new UnixConnection(connection as Deno.UnixConn, this.path));
      } catch (error) {
        if (this.#isClosed) return;
        const length = pause.begin(this.path, error);
        await new Promise((resolve) => setTimeout(resolve, length));
      }
    }
  }
}

/**
 * Binds under a name of its own first: Deno removes what is at the path that it has bound, whosever
 * that is, some time after a listener was closed. Throws what the system says; AddrInUse where there
 * is anything at the path.
 */
function listenAt(path: string): Deno.UnixListener {
  const bound = `${path}.${crypto.randomUUID().slice(0, suffixLength)}`;
  const listener = listenPrivately(bound);
  try {
    // Unlike a rename, it replaces nothing.
    Deno.linkSync(bound, path);
    Deno.removeSync(bound);
    return listener;
  } catch (error) {
    listener.close();
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new Deno.errors.AddrInUse("there is a file already");
    }
    throw error;
  }
}

/** The file is never anybody else's, not even for a moment: nothing runs in between. */
function listenPrivately(path: string): Deno.UnixListener {
  const umask = Deno.umask(ownerOnly);
  try {
    return Deno.listen({ transport: "unix", path });
  } finally {
    Deno.umask(umask);
  }
}

/**
 * Connects. Waits where the queue of who listens is full. Throws what the system says, or the
 * signal's reason.
 */
export async function dialUnix(
  { path, signal }: { readonly path: string; readonly signal: AbortSignal },
): Promise<Connection> {
  while (true) {
    signal.throwIfAborted();
    try {
      const connection = await Deno.connect({ transport: "unix", path });
      return new UnixConnection(connection, path);
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, retryInterval));
  }
}

/** Which file is at a path: no two at one time are the same. Undefined where there is none. */
export function fileAt(path: string): string | undefined {
  try {
    const { dev, ino } = Deno.lstatSync(path);
    return `${dev}:${ino}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
