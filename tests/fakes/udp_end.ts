/** UDP sockets of this host for tests: clients, and services that answer. */
import type { DatagramSocket, SocketAddress } from "../../src/socket/datagram.ts";
import { portableDatagramSockets } from "../../src/socket/portable_datagram.ts";

/** What a service sends back for a datagram. */
export type Answer = (datagram: Uint8Array, source: SocketAddress) => Uint8Array | undefined;

/** One socket, with all that it has received. */
export class UdpEnd implements AsyncDisposable {
  readonly received: Uint8Array[] = [];
  readonly #socket: DatagramSocket;
  readonly #waiting = new Set<() => void>();

  private constructor(socket: DatagramSocket) {
    this.#socket = socket;
  }

  /** Binds to a free port. */
  static async open(answer?: Answer, address = "127.0.0.1"): Promise<UdpEnd> {
    const end: { it?: UdpEnd } = {};
    const socket = await portableDatagramSockets.bind({
      address,
      handler: {
        handleDatagrams: (bytes, start, stop, _length, source) => {
          const datagram = bytes.slice(start, stop);
          end.it?.received.push(datagram);
          const reply = answer?.(datagram, source);
          if (reply !== undefined) end.it?.send(reply, source.port);
          end.it?.wake();
        },
        handleDrained: () => {},
        handleFailed: () => {},
      },
    });
    return end.it = new UdpEnd(socket);
  }

  get port(): number {
    return this.#socket.local.port;
  }

  /** Sends a datagram to a port of the same address. */
  send(bytes: Uint8Array, port: number): void {
    const { address } = this.#socket.local;
    this.#socket.send(bytes, 0, bytes.length, bytes.length, { address, port });
  }

  /** The `count`th datagram that came, once it is there. */
  async next(count = 1): Promise<Uint8Array> {
    for (;;) {
      const datagram = this.received[count - 1];
      if (datagram !== undefined) return datagram;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#socket.close();
  }
}
