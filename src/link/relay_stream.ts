/** A way to a TURN server over TCP, or over TLS on it (RFC 8656, section 3.1). */
import { StreamFraming } from "../ice/turn/stream_framing.ts";
import { messageOf } from "../message_of.ts";
import type { SendOutcome, SocketAddress } from "../socket/datagram.ts";
import { canonicalAddress } from "../socket/endpoint.ts";
import { connectThroughProxy } from "../socket/proxy_connect.ts";
import type { Proxy } from "../socket/proxy.ts";
import type { RelayTransport, RelayTransportHandler } from "./relay_transport.ts";
import { RelayWriteQueue } from "./relay_write_queue.ts";

const readLength = 65_536;

/** What a stream is opened to. */
export interface StreamTransportOptions {
  /** With a name in the place of the address where a proxy resolves it. */
  readonly server: SocketAddress;
  /** What leads there; undefined where the way is direct. */
  readonly proxy: Proxy | undefined;
  /** The name or address that the server's certificate must have; undefined without TLS. */
  readonly tlsName: string | undefined;
  /** Authorities in PEM, besides those that Deno trusts. */
  readonly caCerts: readonly string[];
  readonly handler: RelayTransportHandler;
  /** Gives up; until the transport is there. */
  readonly signal: AbortSignal;
}

/** Connects. Rejects with what the system, the proxy or TLS says. */
export async function openStreamTransport(
  options: StreamTransportOptions,
): Promise<RelayTransport> {
  const { server, proxy, tlsName, handler, signal } = options;
  const destination = { host: server.address, port: server.port };
  const plain = proxy === undefined
    ? await Deno.connect({ hostname: server.address, port: server.port, signal })
    : await connectThroughProxy({ proxy, destination, signal });
  plain.setNoDelay(true);
  plain.setKeepAlive(true);
  const local = localOf(plain);
  const connection = tlsName === undefined ? plain : await secure(plain, tlsName, options);
  if (signal.aborted) {
    closeQuietly(connection);
    signal.throwIfAborted();
  }
  return new StreamTransport(connection, local, handler);
}

/** CHECK T2: Deno verifies the certificate's name and authority. */
async function secure(
  plain: Deno.TcpConn,
  hostname: string,
  { caCerts, signal }: StreamTransportOptions,
): Promise<Deno.TlsConn> {
  const connection = await Deno.startTls(plain, { hostname, caCerts: [...caCerts] });
  const giveUp = () => closeQuietly(connection);
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    await connection.handshake();
    return connection;
  } catch (error) {
    if (!signal.aborted) closeQuietly(connection);
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

function localOf({ localAddr: { hostname, port } }: Deno.TcpConn): SocketAddress {
  return { address: canonicalAddress(hostname) ?? hostname, port };
}

function closeQuietly(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}

class StreamTransport implements RelayTransport {
  readonly local: SocketAddress;
  readonly #connection: Deno.Conn;
  readonly #handler: RelayTransportHandler;
  readonly #queue: RelayWriteQueue;
  #isClosed = false;

  constructor(connection: Deno.Conn, local: SocketAddress, handler: RelayTransportHandler) {
    this.local = local;
    this.#connection = connection;
    this.#handler = handler;
    this.#queue = new RelayWriteQueue(
      (bytes) => connection.write(bytes),
      (error) => this.#fail(`the connection is lost: ${messageOf(error)}`),
    );
    void this.#readAll();
  }

  send(bytes: Uint8Array, start: number, end: number): SendOutcome {
    return this.#push(bytes, start, end, false);
  }

  sendRequest(bytes: Uint8Array, start: number, end: number): SendOutcome {
    return this.#push(bytes, start, end, true);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeQuietly(this.#connection);
  }

  #push(bytes: Uint8Array, start: number, end: number, isRequest: boolean): SendOutcome {
    if (this.#isClosed) return "unreachable";
    return this.#queue.push(bytes, start, end, isRequest) ? "sent" : "dropped";
  }

  async #readAll(): Promise<void> {
    const framing = new StreamFraming((bytes, start, end) => {
      if (!this.#isClosed) this.#handler.handleMessage(bytes, start, end);
    });
    const buffer = new Uint8Array(readLength);
    try {
      for (;;) {
        const length = await this.#connection.read(buffer);
        if (this.#isClosed) return;
        if (length === null) return this.#fail("the server has closed the connection");
        const isTurn = framing.handleBytes(buffer, 0, length);
        if (!this.#isClosed) this.#handler.handleDrained();
        if (!isTurn) return this.#fail("what the server sends is not TURN");
      }
    } catch (error) {
      this.#fail(`the connection is lost: ${messageOf(error)}`);
    }
  }

  #fail(reason: string): void {
    if (this.#isClosed) return;
    this.close();
    this.#handler.handleFailed(reason);
  }
}
