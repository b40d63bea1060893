/**
 * One UDP ASSOCIATE (RFC 1928, section 7): a socket of one client's own, and a flow over the link for
 * each target that it sends to.
 */
import { Buffer } from "node:buffer";
import {
  type DatagramHandler,
  type DatagramSocket,
  type DatagramSockets,
  maxDatagramLength,
  type SocketAddress,
} from "../../socket/datagram.ts";
import type { Endpoint } from "../../socket/endpoint.ts";
import { userSocket } from "../datagram_batch.ts";
import type { DatagramEgress, DatagramFlow } from "../datagram_flow.ts";
import { maxSocksHeaderLength, parseSocksDatagram } from "./socks_datagram.ts";

/** Of one client at once; the one that was idle longest ends for another. */
const maxFlowCount = 64;

/** What a datagram to a client is written into; sockets take it before they return. */
const outgoing = new Uint8Array(maxDatagramLength + maxSocksHeaderLength);

/** Whose association it is, and what it goes by. */
export interface UdpAssociationOptions {
  readonly sockets: DatagramSockets;
  /** Where the relay's socket is bound. */
  readonly address: string;
  /** For the log. */
  readonly name: string;
  /** The client; port 0 is the one that its first datagram comes from. */
  readonly client: SocketAddress;
  readonly egress: DatagramEgress;
  /** The socket has failed, and all of it has ended. */
  readonly handleFailed: () => void;
}

/** What a client sends to; without a flow while that is being opened. */
interface Target {
  flow: DatagramFlow | undefined;
}

/** One client's relay. */
export class UdpAssociation implements DatagramHandler {
  readonly #options: UdpAssociationOptions;
  /** By the header of the client's datagrams; the one that was idle longest first. */
  readonly #flows = new Map<string, Target>();
  #client: SocketAddress;
  #socket: DatagramSocket | undefined;

  private constructor(options: UdpAssociationOptions) {
    this.#options = options;
    this.#client = options.client;
  }

  /** Binds the socket. Rejects with a BindError. */
  static async open(options: UdpAssociationOptions): Promise<UdpAssociation> {
    const association = new UdpAssociation(options);
    const { sockets, address } = options;
    association.#socket = await sockets.bind({ address, handler: association, ...userSocket });
    return association;
  }

  /** Where the client is to send. */
  get local(): SocketAddress {
    return this.#socket?.local ?? { address: this.#options.address, port: 0 };
  }

  /** Ends it with all its flows. */
  close(): void {
    void this.#socket?.close();
    this.#socket = undefined;
    for (const { flow } of this.#flows.values()) flow?.close();
    this.#flows.clear();
  }

  handleDatagrams(
    bytes: Uint8Array,
    start: number,
    end: number,
    segmentLength: number,
    source: SocketAddress,
  ): void {
    if (!this.#isClient(source)) return;
    for (let at = start; at < end; at += segmentLength) {
      this.#handleDatagram(bytes, at, Math.min(at + segmentLength, end), source);
    }
  }

  handleDrained(): void {}

  handleFailed(): void {
    this.close();
    this.#options.handleFailed();
  }

  #isClient({ address, port }: SocketAddress): boolean {
    return address === this.#client.address &&
      (this.#client.port === 0 || port === this.#client.port);
  }

  #handleDatagram(bytes: Uint8Array, start: number, end: number, source: SocketAddress): void {
    const header = parseSocksDatagram(bytes, start, end);
    if (header === undefined) return;
    this.#client = source;
    const payload = start + header.length;
    const key = Buffer.from(bytes.subarray(start, payload)).toString("latin1");
    const target = this.#flows.get(key) ?? this.#open(key, header.endpoint);
    this.#keep(key, target);
    target.flow?.send(bytes, payload, end);
  }

  #open(key: string, endpoint: Endpoint): Target {
    this.#makeRoom();
    const target: Target = { flow: undefined };
    this.#flows.set(key, target);
    // The client knows a target by what it sent to: what comes back has the same header.
    const header = Buffer.from(key, "latin1");
    const { egress, name } = this.#options;
    target.flow = egress.open(name, { kind: "udp", ...endpoint }, {
      handleDatagram: (bytes, start, end) => {
        this.#keep(key, target);
        this.#send(header, bytes.subarray(start, end));
      },
      handleClosed: () => {
        if (this.#flows.get(key) === target) this.#flows.delete(key);
      },
    });
    return target;
  }

  #makeRoom(): void {
    const [idlest] = this.#flows;
    if (idlest === undefined || this.#flows.size < maxFlowCount) return;
    const [key, { flow }] = idlest;
    this.#flows.delete(key);
    flow?.close();
  }

  /** What is in use is the last to end. */
  #keep(key: string, target: Target): void {
    if (this.#flows.get(key) !== target) return;
    this.#flows.delete(key);
    this.#flows.set(key, target);
  }

  #send(header: Uint8Array, payload: Uint8Array): void {
    const length = header.length + payload.length;
    if (length > maxDatagramLength) return;
    outgoing.set(header);
    outgoing.set(payload, header.length);
    this.#socket?.send(outgoing, 0, length, length, this.#client);
  }
}
