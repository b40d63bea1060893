/** TCP as the forwards use it, whoever carries it out. */
import type { Connection } from "./connection.ts";

/** A listening socket. */
export interface TcpListener {
  /** The bound port. */
  readonly port: number;
  /** The bound address as `host:port`. */
  readonly address: string;
  /** Stops listening; connections that were accepted live on. A second call does nothing. */
  close(): void;
}

/** Where to listen, and who takes what comes. */
export interface ListenOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  readonly onConnection: (connection: Connection) => void;
}

/** Where to connect to: an address, not a name, as what was judged is what is dialled. */
export interface DialOptions {
  readonly address: string;
  readonly port: number;
  readonly signal: AbortSignal;
}

/** One way to have TCP. */
export interface TcpSockets {
  /** Binds; throws what the system says, as Deno.errors. */
  listen(options: ListenOptions): TcpListener;
  /** Connects. Throws what the system says, with its `code`, or the signal's reason. */
  dial(options: DialOptions): Promise<Connection>;
}

/** Connections that wait in the kernel to be accepted. */
export const backlog = 1024;
