/**
 * A relay on loopback between a client and a server: it sees every datagram, and may drop it.
 *
 * @module
 */
import { createSocket, type Socket } from "node:dgram";

/** Who sent a datagram. */
export type Sender = "client" | "server";

/** A datagram as it came to the relay. */
export interface RelayedDatagram {
  readonly from: Sender;
  readonly bytes: Uint8Array;
}

/** Forwards between one client and one server. */
export class UdpRelay {
  /** Everything that came, dropped or not. */
  readonly seen: RelayedDatagram[] = [];
  /** Whether to drop a datagram. */
  drops: (datagram: RelayedDatagram) => boolean = () => false;
  readonly #outer: Socket = createSocket("udp4");
  readonly #inner: Socket = createSocket("udp4");
  #clientPort: number | undefined;

  /** Begins to forward to that port of the server; returns the port for the client. */
  async start(serverPort: number): Promise<number> {
    await Promise.all([bind(this.#outer), bind(this.#inner)]);
    this.#outer.on("message", (message, { port }) => {
      this.#clientPort ??= port;
      this.#forward("client", message, serverPort);
    });
    this.#inner.on("message", (message) => this.#forward("server", message, this.#clientPort));
    return this.#outer.address().port;
  }

  /** Gives the ports back. */
  async stop(): Promise<void> {
    await Promise.all([close(this.#outer), close(this.#inner)]);
  }

  #forward(from: Sender, message: Uint8Array, port: number | undefined): void {
    const datagram = { from, bytes: Uint8Array.from(message) };
    this.seen.push(datagram);
    if (port === undefined || this.drops(datagram)) return;
    const socket = from === "client" ? this.#inner : this.#outer;
    socket.send(datagram.bytes, port, "127.0.0.1");
  }
}

/** A port that nobody has just now. */
export async function findFreeUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  await bind(socket);
  const { port } = socket.address();
  await close(socket);
  return port;
}

async function bind(socket: Socket): Promise<void> {
  // A send fails where the other end has gone already; what is lost is lost.
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
}

async function close(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => socket.close(() => resolve()));
}
