/** The ingress side of datagrams: judges each flow that a peer opens, and gives it a socket. */
import { getLogger } from "@logtape/logtape";
import {
  type Access,
  type AccessPeer,
  type FlowDirection,
  freeGrant,
  type Grant,
} from "../access/access.ts";
import type { UdpTarget } from "../access/target.ts";
import type { BufferPool } from "../buffer_pool.ts";
import type { Channel } from "../link/link.ts";
import { messageOf } from "../message_of.ts";
import {
  type DatagramHandler,
  type DatagramSockets,
  maxDatagramLength,
  type SocketAddress,
} from "../socket/datagram.ts";
import { type Endpoint, formatEndpoint, SpecError } from "../socket/endpoint.ts";
import { DatagramChannel } from "../tunnel/datagram_channel.ts";
import type { RefusalCode } from "../tunnel/control_message.ts";
import { parseFlowLabel } from "./client_address.ts";
import { DatagramBatch, type DatagramRoute, userSocket } from "./datagram_batch.ts";
import { DialError } from "./dial_error.ts";
import { resolveHost } from "./dial_target.ts";
import { defaultIdleTimeout, type Expiring, FlowTable } from "./flow_table.ts";
import { datagramHeader, type ProxyRule } from "./proxy_protocol.ts";
import { quote } from "./stream_ingress.ts";
import { WaitingDatagrams } from "./waiting_datagrams.ts";

const log = getLogger(["aetherport", "ingress"]);

/** Flows of one link: each has a descriptor. */
const maxFlowCount = 4_096;
/** IPv6 does not count its own header, so that a datagram may be so much longer. */
const maxIpv6DatagramLength = maxDatagramLength + 20;
/** For a target's name, in ms. */
const resolveTimeout = 10_000;

/** What makes an ingress. */
export interface DatagramIngressOptions {
  readonly access: Access;
  readonly pool: BufferPool;
  /** Asked for when the first flow is opened. */
  readonly sockets: () => Promise<DatagramSockets>;
  /** In ms; 60 s unless said. */
  readonly idleTimeout?: number | undefined;
  /** Targets that are told of the client. */
  readonly proxyRules?: readonly ProxyRule[];
}

/** Whose flow it is. */
export interface DatagramClient {
  readonly peer: AccessPeer;
  /** Its link: the flows of one share a table. */
  readonly link: object;
}

/** What a peer asks for. */
interface FlowRequest {
  readonly target: UdpTarget;
  /** As the peer tells it. */
  readonly client: Endpoint | undefined;
}

/** Serves the flows of all peers of one node. */
export class DatagramIngress {
  readonly #options: DatagramIngressOptions;
  readonly #batch: DatagramBatch;
  readonly #tables = new WeakMap<object, FlowTable<IngressFlow>>();

  constructor(options: DatagramIngressOptions) {
    this.#options = options;
    this.#batch = new DatagramBatch(options.pool);
  }

  /** Begins to serve one channel. Never throws. */
  async serve(channel: Channel, { peer: asking, link }: DatagramClient): Promise<void> {
    const datagrams = new DatagramChannel(channel);
    const judged = this.#judge(channel.label, asking);
    const refuse = (code: RefusalCode, reason: string) => {
      log.warn("refused {target} to {peer}: {reason}", {
        ...{
          event: "refused",
          target: quote(nameOf(channel.label)),
          peer: asking.name,
        },
        ...{ code, reason },
      });
      datagrams.refuse(code, reason);
    };
    if ("code" in judged) return refuse(judged.code, judged.reason);
    const { target, client } = judged;
    const flow = new IngressFlow(datagrams, { batch: this.#batch, table: this.#tableOf(link) });
    const { access } = this.#options;
    let isJudged = false;
    const permit = (addresses: readonly string[]) => {
      isJudged = true;
      const end = (reason: string) => flow.expire(reason);
      const admission = access.admit({ peer: asking, wanted: target, addresses, end });
      if (!admission.isAllowed) throw new DialError("denied", admission.reason);
      flow.grant = admission.grant;
      const [address = ""] = admission.addresses;
      const { proxyRules: rules = [] } = this.#options;
      flow.header = datagramHeader({ rules, target, address, peer: asking, client });
      return admission.addresses;
    };
    try {
      await flow.open(target, { permit, sockets: await this.#options.sockets() });
    } catch (error) {
      if (flow.isClosed) return;
      const { code, message } = error instanceof DialError
        ? error
        : new DialError("exhausted", messageOf(error));
      flow.fail(message);
      refuse(code, message);
    } finally {
      const reason = flow.endReason;
      if (!isJudged) access.handleRefused({ peer: asking, asked: target, reason });
    }
  }

  #tableOf(link: object): FlowTable<IngressFlow> {
    const known = this.#tables.get(link);
    if (known !== undefined) return known;
    const { idleTimeout = defaultIdleTimeout } = this.#options;
    const table = new FlowTable<IngressFlow>({ maxCount: maxFlowCount, idleTimeout });
    this.#tables.set(link, table);
    return table;
  }

  #judge(label: string, peer: AccessPeer): FlowRequest | { code: RefusalCode; reason: string } {
    const { access } = this.#options;
    try {
      const { target, client } = parseFlowLabel(label);
      const wanted: UdpTarget = { kind: "udp", ...target };
      const verdict = access.judgeUnresolved({ peer, wanted });
      if (!verdict.isAllowed) return { code: "denied", reason: verdict.reason };
      return { target: wanted, client };
    } catch (error) {
      if (!(error instanceof SpecError)) throw error;
      const { message: reason } = error;
      access.handleRefused({ peer, asked: nameOf(label), reason });
      return { code: "malformed", reason };
    }
  }
}

/** One flow, with a socket that hears the target alone. */
class IngressFlow implements DatagramHandler, Expiring {
  readonly #datagrams: DatagramChannel;
  readonly #batch: DatagramBatch;
  readonly #table: FlowTable<IngressFlow>;
  readonly #abort = new AbortController();
  readonly #waiting = new WaitingDatagrams();
  /** What it was admitted with. */
  grant: Grant = freeGrant;
  /** Stands before each datagram for the target. */
  header: Uint8Array<ArrayBuffer> | undefined;
  #route: DatagramRoute | undefined;
  /** In each direction, whether a datagram waits for its share: others are dropped meanwhile. */
  readonly #isHeld = { up: false, down: false };
  readonly #moved = { up: 0, down: 0 };
  #endReason = "given up";

  constructor(
    datagrams: DatagramChannel,
    { batch, table }: { readonly batch: DatagramBatch; readonly table: FlowTable<IngressFlow> },
  ) {
    this.#datagrams = datagrams;
    this.#batch = batch;
    this.#table = table;
    datagrams.handler = {
      handleDatagram: (bytes, start, end) => this.#handleUp(bytes, start, end),
      handleClosed: () => this.close(),
    };
    table.add(this);
  }

  /** How it ended, or would end now. */
  get endReason(): string {
    return this.#endReason;
  }

  get isClosed(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Resolves the target's name, and binds. Rejects with a DialError, or why it cannot bind. */
  async open(
    { host, port }: UdpTarget,
    { sockets, permit }: {
      readonly sockets: DatagramSockets;
      readonly permit: (addresses: readonly string[]) => readonly string[];
    },
  ): Promise<void> {
    const { signal } = this.#abort;
    const all = await resolveHost(host, { signal, deadline: Date.now() + resolveTimeout });
    if (this.isClosed) return;
    const [address] = permit(all);
    if (address === undefined) throw new DialError("unresolved", `${host} has no address`);
    const local = localAddressFor(address);
    const socket = await sockets.bind({ address: local, handler: this, ...userSocket });
    if (this.isClosed) return void socket.close();
    this.grant.handleDialled(formatEndpoint({ host: address, port }));
    this.#begin({ socket, destination: { address, port } });
  }

  /** Frees what it holds; does not tell the other side. */
  close(): void {
    if (this.isClosed) return;
    this.#abort.abort();
    this.#table.delete(this);
    this.grant.release({ how: this.#endReason, ...this.#moved });
    this.#waiting.take();
    this.#batch.flush();
    void this.#route?.socket.close();
    this.#route = undefined;
  }

  /** The same, for a reason; the caller tells the other side. */
  fail(reason: string): void {
    this.#endReason = reason;
    this.close();
  }

  expire(reason: string): void {
    this.fail(reason);
    this.#datagrams.reset(reason);
  }

  handleDatagrams(
    bytes: Uint8Array,
    start: number,
    end: number,
    segmentLength: number,
    source: SocketAddress,
  ): void {
    const destination = this.#route?.destination;
    const isTarget = source.port === destination?.port && source.address === destination.address;
    if (!isTarget) return;
    this.#table.touch(this);
    let at = start;
    do {
      const segmentEnd = Math.min(end, at + segmentLength);
      this.#pass("down", bytes, at, segmentEnd);
      at = segmentEnd;
    } while (at < end);
  }

  handleDrained(): void {}

  handleFailed(reason: string): void {
    this.expire(`its socket has failed: ${reason}`);
  }

  #begin(route: DatagramRoute): void {
    this.#route = route;
    this.#endReason = "finished";
    for (const datagram of this.#waiting.take()) this.#pass("up", datagram, 0, datagram.length);
  }

  #handleUp(bytes: Uint8Array, start: number, end: number): void {
    this.#table.touch(this);
    if (this.#route === undefined) this.#waiting.add(bytes, start, end);
    else this.#pass("up", bytes, start, end);
  }

  /** Moves a datagram at once or shortly; what is over the limit is lost, as on any path. */
  #pass(direction: FlowDirection, bytes: Uint8Array, start: number, end: number): void {
    if (this.isClosed || this.#isHeld[direction] || !this.#fits(direction, end - start)) return;
    const offered = this.grant.pace?.offer(direction, end - start) ?? true;
    if (typeof offered === "boolean") {
      if (offered) this.#move(direction, bytes, start, end);
      return;
    }
    this.#isHeld[direction] = true;
    const held = bytes.slice(start, end);
    void offered.then((mayMove) => {
      this.#isHeld[direction] = false;
      if (mayMove) this.#move(direction, held, 0, held.length);
    });
  }

  /** Whether there is room for it behind the header. */
  #fits(direction: FlowDirection, length: number): boolean {
    const [route, header] = [this.#route, this.header];
    if (direction === "down" || route === undefined || header === undefined) return true;
    return header.length + length <= maxLengthTo(route.destination);
  }

  #move(direction: FlowDirection, bytes: Uint8Array, start: number, end: number): void {
    const route = this.#route;
    if (route === undefined) return;
    this.#moved[direction] += end - start;
    if (direction === "down") this.#datagrams.send(bytes, start, end);
    else this.#sendOver(route, bytes, start, end);
  }

  #sendOver(route: DatagramRoute, bytes: Uint8Array, start: number, end: number): void {
    const { header } = this;
    if (header === undefined) return this.#batch.send(route, bytes, start, end);
    const whole = new Uint8Array(header.length + end - start);
    whole.set(header);
    whole.set(bytes.subarray(start, end), header.length);
    this.#batch.send(route, whole, 0, whole.length);
  }
}

/** A flow's target as its peer wrote it. */
function nameOf(label: string): string {
  return `${label.split(" ")[0]}/udp`;
}

function maxLengthTo({ address }: SocketAddress): number {
  return address.includes(":") ? maxIpv6DatagramLength : maxDatagramLength;
}

/** What is for this host alone is not heard from others. */
function localAddressFor(address: string): string {
  if (address.includes(":")) return address === "::1" ? "::1" : "::";
  return address.startsWith("127.") ? "127.0.0.1" : "0.0.0.0";
}
