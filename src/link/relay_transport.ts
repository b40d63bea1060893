/** What carries TURN messages to one server and back: datagrams, or a stream. */
import type {
  DatagramSocket,
  DatagramSockets,
  SendOutcome,
  SocketAddress,
} from "../socket/datagram.ts";

/** Told what the server sends: synchronously and in order, and nothing after `close`. */
export interface RelayTransportHandler {
  /** One message, or what looks like one: `bytes[start..end)`, lent, and may be changed in place. */
  handleMessage(bytes: Uint8Array, start: number, end: number): void;
  /** Called after each burst. */
  handleDrained(): void;
  /** It is of no use any more, and is closed. */
  handleFailed(reason: string): void;
}

/** A way to one server. */
export interface RelayTransport {
  /** Where it begins on this host. */
  readonly local: SocketAddress;
  /**
   * Sends the messages in `bytes[start..end)`, of `segmentLength` bytes each, the last of which may
   * be shorter. All are taken before it returns.
   */
  send(bytes: Uint8Array, start: number, end: number, segmentLength: number): SendOutcome;
  /** Sends one message that matters more than datagrams do. */
  sendRequest(bytes: Uint8Array, start: number, end: number): SendOutcome;
  close(): void;
}

/** A way over UDP, from a socket of its own. Rejects with a BindError. */
export async function openDatagramTransport(
  { server, sockets, handler, receiveBuffer }: {
    readonly server: SocketAddress;
    readonly sockets: DatagramSockets;
    readonly handler: RelayTransportHandler;
    readonly receiveBuffer: Uint8Array | undefined;
  },
): Promise<RelayTransport> {
  const socket = await sockets.bind({
    address: server.address.includes(":") ? "::" : "0.0.0.0",
    handler: {
      handleDatagrams(bytes, start, end, segmentLength, source) {
        // Nobody else has anything to say here. CHECK T1
        if (source.port !== server.port || source.address !== server.address) return;
        for (let at = start; at < end; at += segmentLength) {
          handler.handleMessage(bytes, at, Math.min(end, at + segmentLength));
        }
      },
      handleDrained: () => handler.handleDrained(),
      handleFailed: (reason) => handler.handleFailed(reason),
    },
    ...(receiveBuffer === undefined ? {} : { receiveBuffer }),
  });
  return new DatagramTransport(socket, server);
}

class DatagramTransport implements RelayTransport {
  readonly #socket: DatagramSocket;
  readonly #server: SocketAddress;

  constructor(socket: DatagramSocket, server: SocketAddress) {
    this.#socket = socket;
    this.#server = server;
  }

  get local(): SocketAddress {
    return this.#socket.local;
  }

  send(bytes: Uint8Array, start: number, end: number, segmentLength: number): SendOutcome {
    return this.#socket.send(bytes, start, end, segmentLength, this.#server);
  }

  sendRequest(bytes: Uint8Array, start: number, end: number): SendOutcome {
    return this.send(bytes, start, end, end - start);
  }

  close(): void {
    void this.#socket.close();
  }
}
