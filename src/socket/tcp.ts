/** TCP as the forwards use it, whoever carries it out. */

/** A TCP connection: reads and writes whole, half-close, reset. One reader, one writer. */
export interface TcpConnection {
  /** The other end as `host:port`. */
  readonly remote: string;
  /** Reads into the buffer; the count of bytes, or null at the end. Throws on a reset. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes all bytes. Throws when the other end has gone. */
  write(bytes: Uint8Array): Promise<void>;
  /** Half-close: the other end reads the end of the stream and may go on writing. */
  endWrite(): Promise<void>;
  /** Throws where the other end has reset: nobody hears of that while neither reading nor writing. */
  probe(): Promise<void>;
  /** Closes so that the other end sees an error. Pending reads and writes reject. */
  reset(): void;
  /** Closes both ways. Pending reads and writes reject; a second call does nothing. */
  close(): void;
}

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
  readonly onConnection: (connection: TcpConnection) => void;
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
  dial(options: DialOptions): Promise<TcpConnection>;
}

/** Connections that wait in the kernel to be accepted. */
export const backlog = 1024;
