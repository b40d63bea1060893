/**
 * A relay: one allocation at one TURN server (RFC 8656), over UDP, TCP or TLS. Its datagrams come
 * from and go to peers, as if it were a socket at the server. Every relay is on its own: a server
 * that is dead holds up no other.
 */
import { messageOf } from "../message_of.ts";
import type { DatagramSockets, SendOutcome, SocketAddress } from "../socket/datagram.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import { type Proxy, proxyFor } from "../socket/proxy.ts";
import { endpointOf, type IceServer, transportOf } from "./ice_server.ts";
import { resolveServer } from "./relay_addresses.ts";
import { RelayAttempt, type RelayAttemptEnd } from "./relay_attempt.ts";
import { openStreamTransport } from "./relay_stream.ts";
import {
  openDatagramTransport,
  type RelayTransport,
  type RelayTransportHandler,
} from "./relay_transport.ts";

/** What is known when a relay is there. */
export interface RelayAddresses {
  /** Where peers reach us. */
  readonly relayed: SocketAddress;
  /** Where the server sees us. */
  readonly mapped: SocketAddress;
  /** Our end of the way to the server; without an address where the system chooses one. */
  readonly base: SocketAddress;
  readonly transport: "udp" | "tcp" | "tls";
}

/** Told what becomes of a relay: nothing before `openRelay` has returned, nothing after `close`. */
export interface RelayHandler {
  /** Datagrams can be sent. Called once at most. */
  handleAllocated(addresses: RelayAddresses): void;
  /** One datagram of a peer, `bytes[start..end)`; lent until this returns, and may be changed. */
  handleDatagram(source: SocketAddress, bytes: Uint8Array, start: number, end: number): void;
  /** Called after each burst of datagrams: a time to answer. */
  handleDrained(): void;
  /** The server does not let us send to this address; the relay lives on. */
  handleRefused(address: string, reason: string): void;
  /** There is no relay, or none any more, and all is closed. Called once. */
  handleFailed(reason: string): void;
}

/** A relay, or one that is being made. */
export interface Relay {
  /**
   * Sends as `DatagramSocket.send` does, and asks the server for the permission and the channel that
   * this needs. `unreachable` where there is no allocation, or the server refuses the destination.
   */
  send(
    bytes: Uint8Array,
    start: number,
    end: number,
    segmentLength: number,
    destination: SocketAddress,
  ): SendOutcome;
  /** Lets datagrams of this address in, before any is sent there. Does nothing while being made. */
  permit(destination: SocketAddress): void;
  /** Gives the allocation back, within a second, and closes. */
  close(): Promise<void>;
}

/** What a relay is made from. */
export interface RelayOptions {
  /** A TURN server, with its password. */
  readonly server: IceServer;
  readonly sockets: DatagramSockets;
  readonly handler: RelayHandler;
  /** Authorities in PEM that may vouch for the server, besides those that Deno trusts. */
  readonly caCerts?: readonly string[];
  /** Without an allocation it fails after so long, in ms. */
  readonly timeout?: number;
  /** As for `DatagramSockets.bind`. */
  readonly receiveBuffer?: Uint8Array;
}

/** In ms. */
const defaultTimeout = 5_000;
/** Where one address does not answer the next is tried meanwhile, after so long, in ms. */
const staggering = 1_000;
/** RFC 8489 section 10 warns of loops: so often a server may name another. */
const maxHopCount = 2;
/**
 * RFC 8656 section 7.4: after 437 (Allocation Mismatch) another port of ours is tried; so often, for
 * a server that says so to every port would have us try them all.
 */
const maxPortCount = 3;

/** Makes a relay. What goes wrong the handler is told. */
export function openRelay(options: RelayOptions): Relay {
  return new TurnRelay(options);
}

/** One address of the server, and how it came about. */
interface Target {
  readonly address: SocketAddress;
  readonly hopCount: number;
  readonly portCount: number;
}

class TurnRelay implements Relay {
  readonly #options: RelayOptions;
  readonly #name: string;
  readonly #attempts = new Set<RelayAttempt>();
  readonly #problems = new Set<string>();
  readonly #waiting: Target[] = [];
  /** To the server, and to others that it names. */
  #proxy: Proxy | undefined;
  #chosen: RelayAttempt | undefined;
  #isClosed = false;
  #isResolved = false;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #staggering: ReturnType<typeof setTimeout> | undefined;

  constructor(options: RelayOptions) {
    this.#options = options;
    const { server, timeout = defaultTimeout } = options;
    this.#name = `TURN server ${server.address} over ${transportOf(server).toUpperCase()}`;
    this.#deadline = setTimeout(() => {
      this.#problems.add(`no answer within ${timeout / 1_000} s`);
      this.#fail();
    }, timeout);
    void this.#start();
  }

  send(
    bytes: Uint8Array,
    start: number,
    end: number,
    segmentLength: number,
    destination: SocketAddress,
  ): SendOutcome {
    const chosen = this.#chosen;
    if (chosen === undefined) return "unreachable";
    return chosen.send(bytes, start, end, segmentLength, destination);
  }

  permit(destination: SocketAddress): void {
    this.#chosen?.permit(destination);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#chosen = undefined;
    clearTimeout(this.#deadline);
    clearTimeout(this.#staggering);
    await Promise.all([...this.#attempts].map((attempt) => attempt.close()));
  }

  async #start(): Promise<void> {
    try {
      // No handler is called before the relay is in its maker's hands.
      await Promise.resolve();
      const { server } = this.#options;
      const { host, port } = endpointOf(server);
      if (transportOf(server) !== "udp") this.#proxy = proxyFor({ scheme: "https", host });
      const addresses = this.#proxy === undefined ? await resolveServer(host) : [host];
      for (const address of addresses) {
        this.#waiting.push({ address: { address, port }, hopCount: 0, portCount: 1 });
      }
      if (addresses.length === 0) this.#problems.add("its name has no address");
    } catch (error) {
      this.#problems.add(messageOf(error));
    }
    this.#isResolved = true;
    this.#tryNext();
  }

  /** Tries the next address, and the one after it if that takes long. */
  #tryNext(): void {
    clearTimeout(this.#staggering);
    if (this.#isClosed || this.#chosen !== undefined) return;
    const target = this.#waiting.shift();
    if (target !== undefined) {
      this.#try(target);
      this.#staggering = setTimeout(() => this.#tryNext(), staggering);
    } else if (this.#isResolved && this.#attempts.size === 0) this.#fail();
  }

  #try(target: Target): void {
    const { server: { username = "", password = "" }, handler } = this.#options;
    const attempt: RelayAttempt = new RelayAttempt({
      username,
      password,
      isStream: transportOf(this.#options.server) !== "udp",
      open: (transportHandler, signal) => this.#open(target.address, transportHandler, signal),
      handler: {
        handleAllocated: (addresses, base) =>
          this.#handleAllocated(attempt, { ...addresses, base }),
        handleDatagram: (source, bytes, start, end) =>
          handler.handleDatagram(source, bytes, start, end),
        handleDrained: () => {
          if (attempt === this.#chosen) handler.handleDrained();
        },
        handleRefused: (address, reason) => handler.handleRefused(address, reason),
        handleEnded: (end) => this.#handleEnded(attempt, target, end),
      },
    });
    this.#attempts.add(attempt);
  }

  #open(
    address: SocketAddress,
    handler: RelayTransportHandler,
    signal: AbortSignal,
  ): Promise<RelayTransport> {
    const { server, sockets, caCerts = [], receiveBuffer } = this.#options;
    const transport = transportOf(server);
    if (transport === "udp") {
      return openDatagramTransport({ server: address, sockets, handler, receiveBuffer });
    }
    // RFC 8489 section 10: another server that is named by its address has the first one's name.
    const tlsName = transport === "tls" ? endpointOf(server).host : undefined;
    const proxy = this.#proxy;
    return openStreamTransport({ server: address, proxy, tlsName, caCerts, handler, signal });
  }

  /** The first that has one is taken, and the others give back what they got. */
  #handleAllocated(
    attempt: RelayAttempt,
    { relayed, mapped, base }: Omit<RelayAddresses, "transport">,
  ): void {
    if (this.#chosen !== undefined || this.#isClosed) return;
    this.#chosen = attempt;
    clearTimeout(this.#deadline);
    clearTimeout(this.#staggering);
    for (const other of this.#attempts) {
      if (other !== attempt) void this.#discard(other);
    }
    const transport = transportOf(this.#options.server);
    this.#options.handler.handleAllocated({ relayed, mapped, base, transport });
  }

  async #discard(attempt: RelayAttempt): Promise<void> {
    await attempt.close();
    this.#attempts.delete(attempt);
  }

  #handleEnded(attempt: RelayAttempt, target: Target, end: RelayAttemptEnd): void {
    this.#attempts.delete(attempt);
    if (this.#isClosed) return;
    const next = nextTarget(target, end);
    if (next !== undefined && this.#chosen === undefined) this.#waiting.unshift(next);
    else this.#problems.add(problemOf(target, end));
    if (attempt === this.#chosen) return this.#fail();
    this.#tryNext();
  }

  #fail(): void {
    if (this.#isClosed) return;
    const reason = `${this.#name}: ${[...this.#problems].join("; ")}`;
    void this.close();
    this.#options.handler.handleFailed(reason);
  }
}

/** What to try in the place of an attempt that ended so, if anything. */
function nextTarget(
  { address, hopCount, portCount }: Target,
  end: RelayAttemptEnd,
): Target | undefined {
  if (end.type === "alternate") {
    if (hopCount === maxHopCount) return undefined; // CHECK T1
    return { address: end.server, hopCount: hopCount + 1, portCount: 1 };
  }
  if (end.code !== 437 || portCount === maxPortCount) return undefined; // CHECK T1
  return { address, hopCount, portCount: portCount + 1 };
}

function problemOf(
  { address: { address, port }, hopCount }: Target,
  end: RelayAttemptEnd,
): string {
  const problem = end.type === "failed" ? end.reason : "the server sends us on to yet another one";
  if (hopCount === 0) return problem;
  return `sent on to ${formatEndpoint({ host: address, port })}: ${problem}`;
}
