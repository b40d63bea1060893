/** TCP by Deno: listeners that outlive bad clients, and the connections they accept. */
import { AcceptPause } from "./accept_pause.ts";
import { canonicalAddress, formatEndpoint } from "./endpoint.ts";
import type { Connection } from "./connection.ts";
import { backlog, type ListenOptions, type TcpListener } from "./tcp.ts";
import { resetAccepted } from "./tcp_reset.ts";

/** A connection that was accepted. */
class AcceptedConnection implements Connection {
  readonly #connection: Deno.TcpConn;
  #isClosed = false;

  constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    connection.setNoDelay(true);
    connection.setKeepAlive(true);
  }

  get remote(): string {
    const { hostname, port } = this.#connection.remoteAddr;
    return formatEndpoint({ host: hostname, port });
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

  async probe(): Promise<void> {
    await this.#connection.write(new Uint8Array(0));
  }

  reset(): void {
    if (this.#isClosed) return;
    resetAccepted(this.#connection);
    this.close();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#connection.close();
  }
}

/** One listening socket. */
export class PortableTcpListener implements TcpListener {
  readonly #listener: Deno.Listener;
  readonly #onConnection: (connection: Connection) => void;
  #isClosed = false;

  /** Binds; throws what the system says, naming the address. */
  constructor({ host, port, onConnection }: ListenOptions) {
    this.#listener = Deno.listen({ hostname: host, port, tcpBacklog: backlog });
    this.#onConnection = onConnection;
    void this.#acceptAll();
  }

  /** The bound port. */
  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** The bound address as `host:port`. */
  get address(): string {
    const { hostname, port } = this.#listener.addr as Deno.NetAddr;
    return formatEndpoint({ host: canonicalAddress(hostname) ?? hostname, port });
  }

  /** Stops listening; connections that were accepted live on. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#listener.close();
  }

  #take(connection: Deno.TcpConn): void {
    try {
      this.#onConnection(new AcceptedConnection(connection));
    } catch {
      // Some systems refuse options on a connection that was reset meanwhile.
      connection.close();
    }
  }

  async #acceptAll(): Promise<void> {
    const pause = new AcceptPause();
    while (!this.#isClosed) {
      try {
        const connection = await this.#listener.accept();
        pause.end();
        this.#take(connection as Deno.TcpConn);
      } catch (error) {
        if (this.#isClosed) return;
        // A client that reset before it was accepted shows here; it is no trouble of ours.
        if (isClientGone(error)) continue;
        const length = pause.begin(this.address, error);
        await new Promise((resolve) => setTimeout(resolve, length));
      }
    }
  }
}

function isClientGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted;
}
