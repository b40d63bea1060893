/**
 * ICE agents on simulated hosts, with STUN servers, relays and signaling: each is driven as a real
 * driver does it, with lent memory, and is held to its contract.
 *
 * @module
 */
import type { Candidate } from "../../src/ice/candidate.ts";
import { IceAgent } from "../../src/ice/ice_agent.ts";
import type { IceEvent, IcePath } from "../../src/ice/ice_event.ts";
import type { IceRole } from "../../src/ice/role.ts";
import type { TransportAddress } from "../../src/ice/stun/address.ts";
import { parseStunMessage, writeStunMessage } from "../../src/ice/stun/message.ts";
import type { Instant } from "../../src/sans_io.ts";
import { LentBuffer } from "../sim/lent_memory.ts";
import type { Nat } from "../sim/nat.ts";
import { NatNetwork, type NetworkDatagram, type NetworkHost } from "../sim/nat_network.ts";
import { Random } from "../sim/random.ts";

export const stunServer: TransportAddress = { address: "192.0.2.53", port: 3478 };
export const secondStunServer: TransportAddress = { address: "192.0.2.54", port: 3478 };
const relayAddress = "192.0.2.99";

export interface WorldOptions {
  readonly seed: number;
  readonly loss?: number;
  readonly delayMs?: number;
  readonly jitterMs?: number;
  /** How long signaling takes. */
  readonly signalingDelayMs?: number;
}

export interface PeerOptions {
  readonly name: string;
  readonly role: IceRole;
  /** One host base each. */
  readonly addresses: readonly string[];
  readonly nat?: Nat;
  readonly stunServers?: readonly TransportAddress[];
  readonly hasRelay?: boolean;
  readonly pacing?: number;
  readonly isLoopbackAllowed?: boolean;
}

/** A data datagram that has come. */
export interface ReceivedData {
  readonly text: string;
  readonly at: Instant;
  readonly baseId: number;
}

const datagramCapacity = 2_048;
/** More would be a loop without end. */
const maxWorkPerInstant = 20_000;

/** All that there is. */
export class IceWorld {
  readonly network: NatNetwork;
  readonly random: Random;
  readonly peers: IcePeer[] = [];
  readonly #options: WorldOptions;
  readonly #relay: NetworkHost;
  #nextRelayPort = 50_000;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.random = new Random(options.seed);
    this.network = new NatNetwork({ random: this.random.fork("network"), ...options });
    this.#relay = this.network.addHost(relayAddress);
    for (const server of [stunServer, secondStunServer]) this.addStunServer(server);
  }

  get now(): Instant {
    return this.network.now;
  }

  /** A server that says where it is asked from. */
  addStunServer(server: TransportAddress): NetworkHost {
    const host = this.network.addHost(server.address);
    host.handlers.set(server.port, ({ source, bytes }) => {
      const message = parseStunMessage(bytes, 0, bytes.length);
      if (message?.messageClass !== "request") return;
      const answer = writeStunMessage({
        messageClass: "success",
        method: message.method,
        transactionId: message.transactionId,
        attributes: { xorMappedAddress: source },
      });
      this.network.send(host, { source: server, destination: source, bytes: answer });
    });
    return host;
  }

  addPeer(options: PeerOptions): IcePeer {
    const peer = new IcePeer(this, options);
    this.peers.push(peer);
    return peer;
  }

  /** An address on a relay, whose datagrams come and go by a host. It lets in who was sent to. */
  allocate(host: NetworkHost, onData: (datagram: NetworkDatagram) => void): RelayAllocation {
    const relay = this.#relay;
    const own = { address: relayAddress, port: this.#nextRelayPort++ };
    const permitted = new Set<string>();
    const delay = this.#options.delayMs ?? 20;
    const allocation = new RelayAllocation(own, (datagram) => {
      permitted.add(datagram.destination.address);
      if (host.isCut || allocation.isDead) return;
      this.network.clock.schedule(this.now + delay, () => this.network.send(relay, datagram));
    });
    relay.handlers.set(own.port, (datagram) => {
      if (!permitted.has(datagram.source.address) || allocation.isDead) return;
      this.network.clock.schedule(this.now + delay, () => {
        if (!host.isCut && !allocation.isDead) onData(datagram);
      });
    });
    return allocation;
  }

  /** Something that happens later, by signaling or by hand. */
  later(delayMs: number, action: () => void): void {
    this.network.clock.schedule(this.now + delayMs, action);
  }

  /** Tells each side's credentials and candidates to the other as they come. */
  connect(one: IcePeer, other: IcePeer): void {
    const delayMs = this.#options.signalingDelayMs ?? 50;
    one.signalTo(other, delayMs);
    other.signalTo(one, delayMs);
  }

  /** Lets time pass. */
  runFor(ms: number): void {
    this.runUntil(() => false, ms);
  }

  /** Lets time pass until this holds; false where it did not in so long. */
  runUntil(isDone: () => boolean, limitMs: number): boolean {
    const end = this.now + limitMs;
    let work = 0;
    let lastInstant = this.now;
    for (;;) {
      for (const peer of this.peers) peer.drain();
      if (isDone()) return true;
      const next = this.#nextInstant();
      if (next > end) break;
      work = next === lastInstant ? work + 1 : 0;
      if (work > maxWorkPerInstant) throw new Error(`livelock at ${next} ms`);
      lastInstant = next;
      this.#advance(next);
    }
    this.network.clock.advanceTo(end);
    return isDone();
  }

  #nextInstant(): Instant {
    return this.peers.reduce(
      (next, peer) => Math.min(next, Math.max(peer.nextTimeout() ?? Infinity, this.now)),
      this.network.clock.nextInstant() ?? Infinity,
    );
  }

  #advance(next: Instant): void {
    if (this.network.clock.nextInstant() === next) {
      this.network.clock.advance()?.();
      return;
    }
    this.network.clock.advanceTo(next);
    for (const peer of this.peers) {
      if ((peer.nextTimeout() ?? Infinity) <= next) peer.handleTimeout();
    }
  }
}

/** An allocation, as its client sees it. */
export class RelayAllocation {
  readonly relayed: TransportAddress;
  isDead = false;
  readonly #send: (datagram: NetworkDatagram) => void;

  constructor(relayed: TransportAddress, send: (datagram: NetworkDatagram) => void) {
    this.relayed = relayed;
    this.#send = send;
  }

  send(destination: TransportAddress, bytes: Uint8Array): void {
    this.#send({ source: this.relayed, destination, bytes: bytes.slice() });
  }
}

interface PeerBase {
  readonly baseId: number;
  readonly send: (destination: TransportAddress, bytes: Uint8Array) => void;
}

/** One agent and its driver. */
export class IcePeer {
  readonly name: string;
  readonly agent: IceAgent;
  readonly events: { readonly at: Instant; readonly event: IceEvent }[] = [];
  readonly received: ReceivedData[] = [];
  readonly hosts: NetworkHost[] = [];
  readonly allocations: RelayAllocation[] = [];
  /** Datagrams of the agent. */
  sentCount = 0;
  onEvent: (event: IceEvent) => void = () => {};
  onSend: (bytes: Uint8Array, destination: TransportAddress) => void = () => {};
  readonly #world: IceWorld;
  readonly #nat: Nat | undefined;
  readonly #bases = new Map<number, PeerBase>();
  readonly #out = new LentBuffer(datagramCapacity);
  readonly #in = new LentBuffer(datagramCapacity);
  #nextBaseId = 1;
  #nextPort = 5_000;
  #isDraining = false;

  constructor(world: IceWorld, options: PeerOptions) {
    const { name, role, addresses, nat, stunServers = [], pacing, isLoopbackAllowed } = options;
    const random = world.random.fork(name);
    this.name = name;
    this.#world = world;
    this.#nat = nat;
    this.agent = new IceAgent({
      role,
      random: (length) => random.bytes(length),
      ...(pacing === undefined ? {} : { pacing }),
      ...(isLoopbackAllowed === undefined ? {} : { isLoopbackAllowed }),
    }, world.now);
    for (const server of stunServers) this.agent.addStunServer(server, world.now);
    for (const address of addresses) this.addHostBase(address);
    if (options.hasRelay === true) this.addRelayBase();
    this.agent.endOfBases(world.now);
  }

  /** A socket on an address of its own; returns its number. */
  addHostBase(address: string): number {
    const host = this.#world.network.addHost(address, this.#nat);
    const own = { address, port: this.#nextPort++ };
    this.hosts.push(host);
    const baseId = this.#addBase((destination, bytes) =>
      this.#world.network.send(host, { source: own, destination, bytes })
    );
    host.handlers.set(own.port, ({ source, bytes }) => this.receive(baseId, source, bytes));
    this.agent.addBase({ baseId, ...own, type: "host" }, this.#world.now);
    return baseId;
  }

  /** An allocation on the relay, reached from the first host; returns its number. */
  addRelayBase(): number {
    const [host] = this.hosts;
    if (host === undefined) throw new Error("a relay is reached from a host");
    const allocation = this.#world.allocate(
      host,
      ({ source, bytes }) => this.receive(baseId, source, bytes),
    );
    const baseId = this.#addBase((destination, bytes) => allocation.send(destination, bytes));
    this.allocations.push(allocation);
    this.agent.addBase({ baseId, ...allocation.relayed, type: "relay" }, this.#world.now);
    return baseId;
  }

  /** Has the other side told what this one says. */
  signalTo(other: IcePeer, delayMs: number): void {
    this.tellCredentials(other, delayMs);
    const tell = (event: IceEvent) => {
      const { agent } = other;
      if (event.type === "candidate") {
        const { candidate } = event;
        this.#world.later(delayMs, () => agent.addRemoteCandidate(candidate, this.#world.now));
      } else if (event.type === "gathering-finished") {
        this.#world.later(delayMs, () => agent.endOfRemoteCandidates(this.#world.now));
      }
    };
    for (const { event } of this.events) tell(event);
    this.onEvent = tell;
  }

  tellCredentials(other: IcePeer, delayMs: number): void {
    const credentials = this.agent.localCredentials;
    this.#world.later(
      delayMs,
      () => other.agent.setRemoteCredentials(credentials, this.#world.now),
    );
  }

  receive(baseId: number, source: TransportAddress, bytes: Uint8Array): void {
    const lent = this.#in.lendCopy(bytes);
    const { now } = this.#world;
    const isTaken = this.agent.handleDatagram(baseId, source, lent, 0, bytes.length, now);
    this.#in.takeBack();
    if (!isTaken && this.agent.isFromPeer(baseId, source)) {
      const text = new TextDecoder().decode(bytes);
      this.received.push({ text, at: this.#world.now, baseId });
    }
    this.drain();
  }

  /** Sends data where the agent says; false where it may not. */
  sendData(text: string): boolean {
    const path = this.agent.selectedPath();
    if (path === undefined) return false;
    this.#bases.get(path.baseId)?.send(path.destination, new TextEncoder().encode(text));
    return true;
  }

  handleTimeout(): void {
    this.agent.handleTimeout(this.#world.now);
    this.drain();
  }

  nextTimeout(): Instant | undefined {
    const next = this.agent.nextTimeout();
    if (next === undefined || Number.isFinite(next)) return next;
    throw new Error(`${this.name} asks for a timeout at ${next}`);
  }

  /** Polls until undefined. */
  drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    for (let isWorking = true; isWorking;) isWorking = this.#transmit() || this.#takeEvent();
    this.#isDraining = false;
  }

  get latestBaseId(): number {
    return this.#nextBaseId - 1;
  }

  get path(): IcePath | undefined {
    return this.agent.selectedPath();
  }

  /** The states it went through, and when. */
  states(): { readonly at: Instant; readonly state: string }[] {
    return this.events.flatMap(({ at, event }) =>
      event.type === "state" ? [{ at, state: event.state }] : []
    );
  }

  candidates(): Candidate[] {
    return this.events.flatMap(({ event }) => event.type === "candidate" ? [event.candidate] : []);
  }

  #addBase(send: PeerBase["send"]): number {
    const baseId = this.#nextBaseId++;
    this.#bases.set(baseId, { baseId, send });
    return baseId;
  }

  #transmit(): boolean {
    const out = this.#out.lend();
    const transmit = this.agent.pollTransmit(out, this.#world.now);
    if (transmit !== undefined) {
      this.sentCount++;
      const bytes = out.slice(0, transmit.length);
      this.onSend(bytes, transmit.destination);
      this.#bases.get(transmit.baseId)?.send(transmit.destination, bytes);
    }
    this.#out.takeBack();
    return transmit !== undefined;
  }

  #takeEvent(): boolean {
    const event = this.agent.pollEvent();
    if (event === undefined) return false;
    this.events.push({ at: this.#world.now, event });
    this.onEvent(event);
    return true;
  }
}
