/**
 * Hosts, some of them behind NATs, joined by one public network: datagrams with addresses, on
 * virtual time, lost and delayed by a seed. It does not know what they carry.
 */
import type { Instant } from "../../src/sans_io.ts";
import type { Nat, NatAddress } from "./nat.ts";
import type { Random } from "./random.ts";
import { VirtualClock } from "./virtual_clock.ts";

/** A datagram on its way, as it is seen where it is. */
export interface NetworkDatagram {
  readonly source: NatAddress;
  readonly destination: NatAddress;
  readonly bytes: Uint8Array;
}

export interface NatNetworkOptions {
  readonly random: Random;
  readonly loss?: number;
  /** One way, between two hosts that are not on one LAN. */
  readonly delayMs?: number;
  readonly jitterMs?: number;
  readonly lanDelayMs?: number;
}

/** Takes a datagram that has arrived at a port; the bytes are its own. */
export type DatagramHandler = (datagram: NetworkDatagram) => void;

type NetworkEvent = () => void;

/** One host with one address. */
export interface NetworkHost {
  readonly address: string;
  readonly nat: Nat | undefined;
  readonly handlers: Map<number, DatagramHandler>;
  /** Nothing leaves it, and nothing arrives. */
  isCut: boolean;
}

export class NatNetwork {
  readonly clock = new VirtualClock<NetworkEvent>();
  /** Asked of each datagram as it is sent, by its addresses before any NAT. True drops it. */
  isBlocked: (datagram: NetworkDatagram) => boolean = () => false;
  /** Sees all that is sent, by its addresses before any NAT. */
  onSend: (datagram: NetworkDatagram) => void = () => {};
  readonly #options: NatNetworkOptions;
  readonly #hosts: NetworkHost[] = [];

  constructor(options: NatNetworkOptions) {
    this.#options = options;
  }

  get now(): Instant {
    return this.clock.now;
  }

  addHost(address: string, nat?: Nat): NetworkHost {
    const host = { address, nat, handlers: new Map<number, DatagramHandler>(), isCut: false };
    this.#hosts.push(host);
    return host;
  }

  /** Sends from a host; the bytes are copied. */
  send(host: NetworkHost, datagram: NetworkDatagram): void {
    this.onSend(datagram);
    if (host.isCut || this.isBlocked(datagram)) return;
    const { random, loss = 0 } = this.#options;
    const own = { ...datagram, bytes: datagram.bytes.slice() };
    const neighbour = this.#hosts.find((one) =>
      one.address === own.destination.address && one.nat === host.nat
    );
    if (neighbour !== undefined && host.nat !== undefined) {
      return this.#deliver(neighbour, own, this.#options.lanDelayMs ?? 1);
    }
    const { nat } = host;
    const source = nat?.translateOut(own.source, own.destination, this.now) ?? own.source;
    if (loss > 0 && random.chance(loss)) return;
    const { delayMs = 20, jitterMs = 0 } = this.#options;
    const delay = delayMs + jitterMs * random.fraction();
    this.clock.schedule(this.now + delay, () => this.#arrive(host, { ...own, source }));
  }

  #arrive(sender: NetworkHost, datagram: NetworkDatagram): void {
    const { source, destination } = datagram;
    const gate = this.#hosts.find(({ nat }) => nat?.publicAddress === destination.address)?.nat;
    if (gate === undefined) {
      const host = this.#hosts.find((one) =>
        one.address === destination.address && one.nat === undefined
      );
      if (host !== undefined) this.#deliver(host, datagram, 0);
      return;
    }
    if (gate === sender.nat && !gate.isHairpinning) return;
    const inner = gate.translateIn(source, destination.port, this.now);
    const host = this.#hosts.find((one) => one.nat === gate && one.address === inner?.address);
    if (inner !== undefined && host !== undefined) {
      this.#deliver(host, { ...datagram, destination: inner }, 0);
    }
  }

  #deliver(host: NetworkHost, datagram: NetworkDatagram, delay: number): void {
    this.clock.schedule(this.now + delay, () => {
      if (!host.isCut) host.handlers.get(datagram.destination.port)?.(datagram);
    });
  }
}
