/**
 * TCP connections to a target. They are made by node:net, which can reset what it has dialled on
 * every system; its listener, though, stops for good when descriptors run out, so what is accepted
 * comes from Deno's (tcp.ts).
 */
import net from "node:net";
import { formatEndpoint } from "./endpoint.ts";
import type { Connection } from "./connection.ts";

/**
 * Connects to an address (not a name: what was judged is what is dialled). Throws what the system
 * says, with its `code`, or the signal's reason.
 */
export async function dialTcp(
  { address, port, signal }: { address: string; port: number; signal: AbortSignal },
): Promise<Connection> {
  signal.throwIfAborted();
  const socket = net.connect({ host: address, port, allowHalfOpen: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const giveUp = () => reject(signal.reason);
  signal.addEventListener("abort", giveUp, { once: true });
  socket.once("connect", resolve);
  socket.once("error", reject);
  try {
    await promise;
    return new DialledConnection(socket);
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
    socket.off("error", reject);
    // What comes after a failure that was told already is of no interest.
    socket.on("error", () => {});
  }
}

class DialledConnection implements Connection {
  readonly remote: string;
  readonly #socket: net.Socket;
  #failure: Error | undefined;
  #isEnded = false;
  #wakeReader: (() => void) | undefined;

  constructor(socket: net.Socket) {
    const { remoteAddress = "", remotePort = 0 } = socket;
    this.remote = formatEndpoint({ host: remoteAddress, port: remotePort });
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
    socket.on("readable", () => this.#wakeReader?.());
    socket.on("end", () => {
      this.#isEnded = true;
      this.#wakeReader?.();
    });
    socket.on("error", (error) => {
      this.#failure ??= error;
    });
    socket.on("close", () => {
      this.#failure ??= new Error("the connection is closed");
      this.#wakeReader?.();
    });
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    while (true) {
      if (this.#failure !== undefined && !this.#isEnded) throw this.#failure;
      const { readableLength } = this.#socket;
      const length = Math.min(readableLength, buffer.length);
      const bytes = length === 0 ? null : this.#socket.read(length) as Uint8Array | null;
      if (bytes !== null) {
        buffer.set(bytes);
        return bytes.length;
      }
      if (this.#isEnded) return null;
      // An empty read lets node notice the end of the stream.
      if (readableLength === 0) this.#socket.read(0);
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  write(bytes: Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#socket.write(bytes, (error) => error ? reject(error) : resolve());
    return promise;
  }

  endWrite(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.end(resolve);
    this.#socket.once("close", resolve);
    return promise;
  }

  probe(): Promise<void> {
    return this.#failure === undefined ? Promise.resolve() : Promise.reject(this.#failure);
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }

  close(): void {
    this.#socket.destroy();
  }
}
