/**
 * Datagram sockets by node:dgram: wherever Deno runs, at some ten times the cost of the native ones.
 * The receive buffer stays at its default: node:dgram allocates that much for each datagram, so that
 * a larger one loses more.
 *
 * @module
 */
import { callHandler } from "./call_handler.ts";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { messageOf } from "../message_of.ts";
import {
  BindError,
  bindErrorCode,
  type BindOptions,
  type DatagramHandler,
  type DatagramSocket,
  type DatagramSockets,
  maxDatagramLength,
  requireRange,
  type SendOutcome,
  type SocketAddress,
} from "./datagram.ts";
import { canonicalAddress } from "./endpoint.ts";

/**
 * Bytes that wait for the system to take them, each datagram with what it costs beside: what the
 * system's own buffer has room for. Datagrams that wait for room are sent last first.
 */
const maxPendingLength = 256 * 1024;
const datagramOverhead = 512;

/** Sources remembered. */
const maxSourceCount = 256;

/** Sockets by node:dgram. */
export const portableDatagramSockets: DatagramSockets = {
  name: "portable",

  async bind({ address, port = 0, handler }: BindOptions): Promise<DatagramSocket> {
    const canonical = canonicalAddress(address);
    if (canonical === undefined) {
      throw new BindError("address-unavailable", { address, port }, "it is not an address");
    }
    const socket = createDgramSocket(canonical.includes(":"));
    try {
      await bound(socket, { address: canonical, port });
      await writable(socket);
    } catch (error) {
      socket.close();
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      const kind = error instanceof Deno.errors.NotCapable ? "not-permitted" : bindErrorCode(code);
      throw new BindError(kind, { address, port }, messageOf(error));
    }
    return new PortableDatagramSocket(socket, handler);
  },
};

function createDgramSocket(isIpv6: boolean): Socket {
  const version = isIpv6 ? 6 : 4;
  return createSocket({
    type: `udp${version}`,
    ipv6Only: isIpv6,
    // There are no names to look up. As this answers at once, `send` copies before it returns.
    lookup: (address, _options, callback) => callback(null, address, version),
  });
}

/** Binds; rejects where it cannot. */
async function bound(socket: Socket, { address, port }: SocketAddress): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("error", reject);
  try {
    socket.bind({ address, port }, resolve);
    await promise;
  } finally {
    socket.off("error", reject);
  }
}

/**
 * Resolves when Deno knows that the socket can be written to. What is sent before waits for that,
 * and is then sent last first. To find it out, something is sent that cannot be sent.
 */
function writable(socket: Socket): Promise<void> {
  const { address, port } = socket.address();
  const tooLong = new Uint8Array(maxDatagramLength * 2);
  return new Promise((resolve) => socket.send(tooLong, port, address, () => resolve()));
}

class PortableDatagramSocket implements DatagramSocket {
  readonly local: SocketAddress;
  readonly mayFragment = true;
  readonly #socket: Socket;
  readonly #handler: DatagramHandler;
  readonly #sources = new Map<string, SocketAddress>();
  #lastSource: SocketAddress = { address: "", port: 0 };
  #lastSpelling = "";
  #pendingLength = 0;
  #isDrainDue = false;
  #closed: Promise<void> | undefined;

  constructor(socket: Socket, handler: DatagramHandler) {
    const { address, port } = socket.address();
    this.local = { address: canonicalAddress(address) ?? address, port };
    this.#socket = socket;
    this.#handler = handler;
    socket.on("message", (message, remote) => this.#deliver(message, remote));
    // A datagram that was sent before could not be delivered (on Windows), which ends nothing.
    socket.on("error", () => {});
    // Nobody but this object closes it, unless it has failed.
    socket.on("close", () => this.#fail("node:dgram has closed it"));
  }

  send(
    bytes: Uint8Array,
    start: number,
    end: number,
    segmentLength: number,
    destination: SocketAddress,
  ): SendOutcome {
    requireRange(bytes, start, end, segmentLength);
    if (this.#closed !== undefined || !this.#isDestination(destination)) return "unreachable";
    if (Math.min(end - start, segmentLength) > maxDatagramLength) return "too-long";
    for (let at = start; at < end || at === start; at += segmentLength) {
      const segment = bytes.subarray(at, Math.min(end, at + segmentLength));
      if (!this.#sendOne(segment, destination)) return "dropped";
      if (segmentLength === 0) break;
    }
    return "sent";
  }

  #isDestination({ address, port }: SocketAddress): boolean {
    return address.includes(":") === this.local.address.includes(":") &&
      Number.isInteger(port) && 0 < port && port <= 0xffff &&
      canonicalAddress(address) !== undefined;
  }

  /** False where too much waits already. */
  #sendOne(segment: Uint8Array, { address, port }: SocketAddress): boolean {
    const cost = segment.length + datagramOverhead;
    if (this.#pendingLength + cost > maxPendingLength) return false;
    this.#pendingLength += cost;
    // What goes wrong after this call is lost, as on the way.
    this.#socket.send(segment, port, address, () => {
      this.#pendingLength -= cost;
    });
    return true;
  }

  #deliver(message: Uint8Array, remote: RemoteInfo | undefined): void {
    if (this.#closed !== undefined || remote === undefined) return;
    this.#drainLater();
    const source = this.#sourceOf(remote);
    // No Buffer is handed on: its `slice` does not copy.
    const { buffer, byteOffset: start, length } = message;
    const bytes = new Uint8Array(buffer);
    // What is thrown here node:dgram would swallow.
    callHandler(() => this.#handler.handleDatagrams(bytes, start, start + length, length, source));
  }

  /** All datagrams that are there now come before the next immediate. */
  #drainLater(): void {
    if (this.#isDrainDue) return;
    this.#isDrainDue = true;
    setImmediate(() => {
      this.#isDrainDue = false;
      if (this.#closed === undefined) callHandler(() => this.#handler.handleDrained());
    });
  }

  #sourceOf({ address, port }: RemoteInfo): SocketAddress {
    if (port === this.#lastSource.port && address === this.#lastSpelling) return this.#lastSource;
    const key = `${port} ${address}`;
    let source = this.#sources.get(key);
    if (source === undefined) {
      source = { address: canonicalAddress(address) ?? address, port };
      if (this.#sources.size >= maxSourceCount) this.#sources.clear();
      this.#sources.set(key, source);
    }
    this.#lastSource = source;
    this.#lastSpelling = address;
    return source;
  }

  #fail(reason: string): void {
    if (this.#closed !== undefined) return;
    this.#closed = Promise.resolve();
    callHandler(() => this.#handler.handleFailed(reason));
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => this.#socket.close(resolve));
    return this.#closed;
  }
}
