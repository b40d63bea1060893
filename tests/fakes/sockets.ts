/** Real sockets on this host for tests: services, and reading to the end. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { resetAccepted } from "../../src/socket/tcp_reset.ts";

/** A service on a free port. */
export class Service implements Disposable {
  readonly port: number;
  readonly #listener: Deno.TcpListener;
  readonly #connections = new Set<Deno.TcpConn>();

  constructor(serve: (connection: Deno.TcpConn) => Promise<void>, hostname = "127.0.0.1") {
    this.#listener = Deno.listen({ hostname, port: 0 });
    this.port = this.#listener.addr.port;
    void this.#acceptAll(serve);
  }

  /** Sends back what it reads, and its end. */
  static echo(hostname?: string): Service {
    return new Service(async (connection) => {
      await connection.readable.pipeTo(connection.writable);
    }, hostname);
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const connection of this.#connections) closeQuietly(connection);
  }

  async #acceptAll(serve: (connection: Deno.TcpConn) => Promise<void>): Promise<void> {
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

/** A port of 127.0.0.1 that nothing listens on. */
export function closedPort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return listener.addr.port;
}

/** Returns once nothing is bound to an address any more: listeners close a moment later. */
export async function freed(hostname: string, port: number): Promise<void> {
  while (true) {
    try {
      Deno.listen({ hostname, port }).close();
      return;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** Writes everything. */
export async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  let rest = bytes;
  while (rest.length > 0) rest = rest.subarray(await connection.write(rest));
}

/** Reads so many bytes. */
export async function readExactly(connection: Deno.TcpConn, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const count = await connection.read(bytes.subarray(filled));
    if (count === null) throw new Error(`the stream ended after ${filled} of ${length} bytes`);
    filled += count;
  }
  return bytes;
}

/** Reads to the end of the stream; rejects when it is reset instead. */
export async function readToEnd(connection: Deno.TcpConn): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const buffer = new Uint8Array(65_536);
  while (true) {
    const count = await connection.read(buffer);
    if (count === null) break;
    pieces.push(buffer.slice(0, count));
  }
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let filled = 0;
  for (const piece of pieces) {
    bytes.set(piece, filled);
    filled += piece.length;
  }
  return bytes;
}

/** Closes an accepted connection with a reset (Linux). */
export function closeWithReset(connection: Deno.TcpConn): void {
  resetAccepted(connection);
  connection.close();
}

/** A client of 127.0.0.1 that can reset: `resetAndDestroy()`. */
export async function resettableClient(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  // It may be refused once it has reset; nobody needs to know.
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** Closes what may be closed already. */
export function closeQuietly(connection: Disposable & { close(): void }): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** Bytes that differ from place to place, the same for the same seed. */
export function testBytes(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

/** Whether two byte strings are the same; quicker than a deep comparison. */
export function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
