/** The egress side of datagrams: each flow of a client becomes a channel of its own over a link. */
import { getLogger } from "@logtape/logtape";
import { formatTarget, type UdpTarget } from "../access/target.ts";
import type { Link } from "../link/link.ts";
import { messageOf } from "../message_of.ts";
import { DatagramChannel, type DatagramsClosed, udpProtocol } from "../tunnel/datagram_channel.ts";
import { writeFlowLabel } from "./client_address.ts";
import type { ConnectionCount } from "./connection_count.ts";
import type { DatagramEgress, DatagramFlow, DatagramFlowHandler } from "./datagram_flow.ts";
import { defaultIdleTimeout, FlowTable } from "./flow_table.ts";
import type { LinkSource } from "./stream_egress.ts";
import { WaitingDatagrams } from "./waiting_datagrams.ts";

const log = getLogger(["aetherport", "egress"]);

/** Flows of one forward. */
const maxFlowCount = 1_024;
/** A link that was silent for so long, in ms, may be dead: another is looked for. */
const doubtfulAfter = 2_500;
/** What has failed is not tried again for so long, in ms, however much the client sends. */
const retryDelay = 1_000;

/** What makes an egress. */
export interface LinkDatagramEgressOptions {
  readonly links: LinkSource;
  /** In ms; 60 s unless said. */
  readonly idleTimeout?: number | undefined;
  /** Counts the flows. */
  readonly connections?: ConnectionCount | undefined;
}

/** Carries datagrams over the links of one route. */
export class LinkDatagramEgress implements DatagramEgress {
  readonly #links: LinkSource;
  readonly #connections: ConnectionCount | undefined;
  readonly #flows: FlowTable<LinkFlow>;
  /** One question for all flows that need a link. */
  #acquiring: Promise<Link | undefined> | undefined;

  constructor(
    { links, idleTimeout = defaultIdleTimeout, connections }: LinkDatagramEgressOptions,
  ) {
    this.#links = links;
    this.#connections = connections;
    this.#flows = new FlowTable({ maxCount: maxFlowCount, idleTimeout });
  }

  /** Flows that are not over. */
  get flowCount(): number {
    return this.#flows.size;
  }

  open(client: string, target: UdpTarget, handler: DatagramFlowHandler): DatagramFlow {
    const { promise: over, resolve: onOver } = Promise.withResolvers<void>();
    this.#connections?.add(over);
    const flow = new LinkFlow({
      ...{ client, target, handler, table: this.#flows, onOver },
      acquire: () => this.#acquire(),
    });
    this.#flows.add(flow);
    void flow.connect();
    return flow;
  }

  /** Ends all flows. */
  close(): void {
    this.#flows.clear("the forward is closed");
  }

  #acquire(): Promise<Link | undefined> {
    return this.#acquiring ??= this.#links.acquire().finally(() => this.#acquiring = undefined);
  }
}

interface LinkFlowOptions {
  readonly client: string;
  readonly target: UdpTarget;
  readonly handler: DatagramFlowHandler;
  readonly table: FlowTable<LinkFlow>;
  readonly acquire: () => Promise<Link | undefined>;
  readonly onOver: () => void;
}

/** One flow: it waits for a link, has a channel, or has failed, and then drops what is sent. */
class LinkFlow implements DatagramFlow {
  readonly #options: LinkFlowOptions;
  readonly #waiting = new WaitingDatagrams();
  #link: Link | undefined;
  #channel: DatagramChannel | undefined;
  #hasFailed = false;
  #isClosed = false;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #isMoving = false;

  constructor(options: LinkFlowOptions) {
    this.#options = options;
  }

  /** Opens its channel once there is a link. Never throws. */
  async connect(): Promise<void> {
    const link = await this.#options.acquire();
    if (this.#isClosed) return;
    if (link === undefined) {
      log.warn("{client} to {target}: no link came up in time", {
        ...{ event: "no-link", ...this.#names },
      });
      return this.#fail("no link came up in time");
    }
    try {
      this.#openOver(link);
    } catch (error) {
      const problem = messageOf(error);
      log.warn("cannot open a channel to {target}: {problem}", { ...this.#names, problem });
      this.#fail(problem);
    }
  }

  send(bytes: Uint8Array, start: number, end: number): void {
    const link = this.#link;
    if (this.#isClosed || this.#hasFailed) return;
    this.#options.table.touch(this);
    if (link === undefined) return this.#waiting.add(bytes, start, end);
    this.#channel?.send(bytes, start, end);
    if (link.state !== "up" || link.silence >= doubtfulAfter) void this.#move(link);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.table.delete(this);
    this.#options.onOver();
    clearTimeout(this.#retryTimer);
    this.#channel?.close();
    this.#waiting.take();
  }

  expire(reason: string): void {
    if (this.#isClosed) return;
    this.close();
    log.debug("{client} to {target}: {reason}", {
      ...{ event: "flow-closed", ...this.#names, reason },
    });
    this.#options.handler.handleClosed(reason);
  }

  get #names(): { readonly client: string; readonly target: string } {
    const { client, target } = this.#options;
    return { client, target: formatTarget(target) };
  }

  #openOver(link: Link): void {
    const { client, target, handler, table } = this.#options;
    const label = writeFlowLabel(target, client);
    const channel = new DatagramChannel(
      link.openChannel({ label, protocol: udpProtocol, isDatagrams: true }),
    );
    channel.handler = {
      handleDatagram: (bytes, start, end) => {
        table.touch(this);
        handler.handleDatagram(bytes, start, end);
      },
      handleClosed: (closed) => this.#handleClosed(closed),
    };
    this.#channel = channel;
    this.#link = link;
    for (const datagram of this.#waiting.take()) channel.send(datagram, 0, datagram.length);
  }

  #handleClosed(closed: DatagramsClosed): void {
    const { reason } = closed;
    if (closed.how === "closed") return this.expire(reason);
    log.warn("{client} to {target}: refused by the other node: {reason}", {
      ...{ event: "refused", ...this.#names, code: closed.code, reason },
    });
    this.#fail(reason);
  }

  /** Drops for a while what is sent: each datagram would be asked for anew, and refused. */
  #fail(reason: string): void {
    this.#hasFailed = true;
    this.#waiting.take();
    this.#retryTimer = setTimeout(() => this.expire(reason), retryDelay);
  }

  /** Ends where there is another link than its own, so that the next datagram goes over that. */
  async #move(link: Link): Promise<void> {
    if (this.#isMoving) return;
    this.#isMoving = true;
    const other = await this.#options.acquire();
    this.#isMoving = false;
    if (other !== undefined && other !== link) this.expire("another link is taken");
  }
}
