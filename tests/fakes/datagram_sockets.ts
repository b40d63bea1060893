/** Datagram sockets in memory: what was sent is kept, and what comes is what a test says. */
import {
  BindError,
  type BindOptions,
  type DatagramHandler,
  type DatagramSocket,
  type DatagramSockets,
  type SocketAddress,
} from "../../src/socket/datagram.ts";

/** One socket. */
export class FakeDatagramSocket implements DatagramSocket {
  readonly local: SocketAddress;
  readonly mayFragment: boolean;
  readonly handler: DatagramHandler;
  /** Each datagram that was sent, and where to. */
  readonly sent: { readonly bytes: Uint8Array; readonly destination: SocketAddress }[] = [];
  isClosed = false;

  constructor(local: SocketAddress, { handler, mayFragment = false }: BindOptions) {
    this.local = local;
    this.mayFragment = mayFragment;
    this.handler = handler;
  }

  send(
    bytes: Uint8Array,
    start: number,
    end: number,
    segmentLength: number,
    destination: SocketAddress,
  ): "sent" | "unreachable" {
    if (this.isClosed) return "unreachable";
    let at = start;
    do {
      const segmentEnd = Math.min(end, at + segmentLength);
      this.sent.push({ bytes: bytes.slice(at, segmentEnd), destination });
      at = segmentEnd;
    } while (at < end);
    return "sent";
  }

  /** Datagrams come as one batch; all but the last are of one length. */
  receive(source: SocketAddress, ...datagrams: readonly Uint8Array[]): void {
    const bytes = Uint8Array.from(datagrams.flatMap((one) => [...one]));
    const segmentLength = datagrams[0]?.length ?? 0;
    this.handler.handleDatagrams(bytes, 0, bytes.length, segmentLength, source);
    bytes.fill(0xee);
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

/** All sockets of one host. */
export class FakeDatagramSockets implements DatagramSockets {
  readonly name = "portable";
  readonly bound: FakeDatagramSocket[] = [];
  /** Fails what is bound next. */
  bindError: BindError | undefined;

  /** Those that are not closed. */
  get openCount(): number {
    return this.bound.filter(({ isClosed }) => !isClosed).length;
  }

  bind(options: BindOptions): Promise<FakeDatagramSocket> {
    const { address, port = 0 } = options;
    const error = this.bindError;
    if (error !== undefined) return Promise.reject(error);
    const local = { address, port: port || 40_000 + this.bound.length };
    const socket = new FakeDatagramSocket(local, options);
    this.bound.push(socket);
    return Promise.resolve(socket);
  }
}
