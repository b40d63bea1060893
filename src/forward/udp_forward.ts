/** Forwards of UDP ports: local sockets, each of whose clients has a flow to the target. */
import { getLogger } from "@logtape/logtape";
import { formatTarget, type UdpTarget } from "../access/target.ts";
import type { BufferPool } from "../buffer_pool.ts";
import { messageOf } from "../message_of.ts";
import {
  BindError,
  type DatagramHandler,
  type DatagramSocket,
  type DatagramSockets,
  type SocketAddress,
} from "../socket/datagram.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import { DatagramBatch, type DatagramRoute, userSocket } from "./datagram_batch.ts";
import { LinkDatagramEgress, type LinkDatagramEgressOptions } from "./datagram_egress.ts";
import type { DatagramEgress, DatagramFlow } from "./datagram_flow.ts";
import type { Forward } from "./forward.ts";

const log = getLogger(["aetherport", "egress"]);

/** Attempts to find a free port that both loopback addresses have. */
const portAttemptCount = 16;

/** What makes a forward of a UDP port. */
export interface UdpForwardOptions extends LinkDatagramEgressOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly target: UdpTarget;
  readonly sockets: DatagramSockets;
  readonly pool: BufferPool;
}

/** Sockets of one address, or of both loopback addresses. */
export class UdpForward implements Forward {
  readonly #egress: LinkDatagramEgress;
  readonly #sockets: readonly DatagramSocket[];

  private constructor(egress: LinkDatagramEgress, sockets: readonly DatagramSocket[]) {
    this.#egress = egress;
    this.#sockets = sockets;
  }

  /** Binds its sockets. Rejects with an Error naming the address that cannot be bound. */
  static async open(options: UdpForwardOptions): Promise<UdpForward> {
    const { listen, target, sockets, pool } = options;
    const egress = new LinkDatagramEgress(options);
    const batch = new DatagramBatch(pool);
    const bound = await bindAll(
      listen,
      (host, port) => bindOne(sockets, { host, port }, new UdpClients({ egress, target, batch })),
    );
    return new UdpForward(egress, bound);
  }

  get addresses(): string[] {
    return this.#sockets.map(({ local: { address: host, port } }) =>
      formatEndpoint({ host, port })
    );
  }

  /** Flows that are not over. */
  get flowCount(): number {
    return this.#egress.flowCount;
  }

  close(): void {
    for (const socket of this.#sockets) void socket.close();
    this.#egress.close();
  }
}

/** The clients of one socket, and their flows. */
class UdpClients implements DatagramHandler {
  readonly #egress: DatagramEgress;
  readonly #target: UdpTarget;
  readonly #batch: DatagramBatch;
  readonly #flows = new Map<string, DatagramFlow>();
  #socket: DatagramSocket | undefined;
  /** Whoever sent last is likely to send next. */
  #lastSource: SocketAddress | undefined;
  #lastFlow: DatagramFlow | undefined;

  constructor(
    { egress, target, batch }: {
      readonly egress: DatagramEgress;
      readonly target: UdpTarget;
      readonly batch: DatagramBatch;
    },
  ) {
    this.#egress = egress;
    this.#target = target;
    this.#batch = batch;
  }

  /** Its socket is bound. */
  begin(socket: DatagramSocket): void {
    this.#socket = socket;
  }

  handleDatagrams(
    bytes: Uint8Array,
    start: number,
    end: number,
    segmentLength: number,
    source: SocketAddress,
  ): void {
    // Each of them may end the flow and with it begin another.
    let at = start;
    do {
      const segmentEnd = Math.min(end, at + segmentLength);
      this.#flowOf(source)?.send(bytes, at, segmentEnd);
      at = segmentEnd;
    } while (at < end);
  }

  handleDrained(): void {}

  handleFailed(reason: string): void {
    log.error("a UDP socket for {target} has failed: {reason}", {
      ...{ event: "socket-failed", target: formatTarget(this.#target), reason },
    });
    for (const flow of this.#flows.values()) flow.close();
    this.#flows.clear();
  }

  #flowOf(source: SocketAddress): DatagramFlow | undefined {
    if (source === this.#lastSource) return this.#lastFlow;
    const client = formatEndpoint({ host: source.address, port: source.port });
    const flow = this.#flows.get(client) ?? this.#open(client, source);
    this.#lastSource = source;
    this.#lastFlow = flow;
    return flow;
  }

  #open(client: string, destination: SocketAddress): DatagramFlow | undefined {
    const socket = this.#socket;
    if (socket === undefined) return undefined;
    const route: DatagramRoute = { socket, destination };
    const flow = this.#egress.open(client, this.#target, {
      handleDatagram: (bytes, start, end) => this.#batch.send(route, bytes, start, end),
      handleClosed: () => {
        this.#flows.delete(client);
        this.#lastSource = undefined;
      },
    });
    this.#flows.set(client, flow);
    return flow;
  }
}

async function bindAll(
  { host, port }: { readonly host: string; readonly port: number },
  bind: (host: string, port: number) => Promise<DatagramSocket>,
): Promise<DatagramSocket[]> {
  if (host !== "localhost") return [await bind(host, port)];
  for (let attempt = 1;; attempt++) {
    const first = await bind("127.0.0.1", port);
    try {
      return [first, await bind("::1", first.local.port)];
    } catch (error) {
      const { cause } = error as Error;
      // A host without IPv6 has no ::1; localhost is then 127.0.0.1 alone.
      if (!(cause instanceof BindError) || cause.code !== "address-in-use") return [first];
      await first.close();
      if (port !== 0 || attempt === portAttemptCount) throw error;
    }
  }
}

async function bindOne(
  sockets: DatagramSockets,
  { host, port }: { readonly host: string; readonly port: number },
  clients: UdpClients,
): Promise<DatagramSocket> {
  try {
    const socket = await sockets.bind({
      ...{ address: host, port, handler: clients },
      ...userSocket,
    });
    clients.begin(socket);
    return socket;
  } catch (cause) {
    const problem = messageOf(cause);
    throw new Error(`cannot listen on ${formatEndpoint({ host, port })}/udp: ${problem}`, {
      cause,
    });
  }
}
