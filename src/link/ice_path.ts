/**
 * The path of a link over ICE: a socket for each address of this host, an allocation on each TURN
 * server, and the agent that finds out which of them reaches the other node, and which is best.
 */
import { randomBytes } from "node:crypto";
import { lookup } from "node:dns/promises";
import { getLogger } from "@logtape/logtape";
import type { Candidate as IceCandidate } from "../ice/candidate.ts";
import { classify } from "../ice/classify.ts";
import { IceAgent } from "../ice/ice_agent.ts";
import type { IceEvent, IcePath as SelectedPath } from "../ice/ice_event.ts";
import { messageOf } from "../message_of.ts";
import type { Instant } from "../sans_io.ts";
import type { DatagramHandler, DatagramSockets, SocketAddress } from "../socket/datagram.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import { endpointOf, type IceServer } from "./ice_server.ts";
import type { LinkPath } from "./link.ts";
import { hostAddresses, watchHostAddresses } from "./host_addresses.ts";
import type { Path, PathHandler } from "./path.ts";
import { openRelay } from "./relay.ts";
import type { Candidate, SessionDescription } from "./session_description.ts";

const log = getLogger(["aetherport", "link"]);

/** A check is shorter, in bytes. */
const checkLength = 2_048;
/** Trickled candidates beyond these are ignored (reliability row I4); the agent keeps fewer. */
const maxCandidateCount = 64;

/** Where datagrams leave from: a socket, or an allocation on a TURN server. */
interface Base {
  /** Of this host, where it is a socket's. */
  readonly hostAddress?: string;
  send(
    bytes: Uint8Array,
    start: number,
    end: number,
    segmentLength: number,
    destination: SocketAddress,
    mayFragment?: boolean,
  ): void;
  close(): Promise<void> | void;
}

/** What makes a path. */
export interface IcePathOptions {
  readonly role: "controlling" | "controlled";
  readonly iceServers: readonly IceServer[];
  readonly sockets: DatagramSockets;
  /** Only by way of TURN servers, so that the other node learns no address of this one. */
  readonly isRelayOnly: boolean;
  /** Where native sockets receive: memory that records can be opened in. */
  readonly receiveBuffer?: Uint8Array;
}

/** One end of a path. */
export class IcePath implements Path {
  handler: PathHandler | undefined;
  readonly #options: IcePathOptions;
  readonly #agent: IceAgent;
  readonly #bases = new Map<number, Base>();
  readonly #out = new Uint8Array(checkLength);
  readonly #candidates: Candidate[] = [];
  readonly #gathered = Promise.withResolvers<void>();
  #selected: { readonly base: Base; readonly destination: SocketAddress } | undefined;
  #onCandidate: ((candidate: Candidate) => void) | undefined;
  #nextBaseId = 0;
  #remoteCount = 0;
  #stopWatching = () => {};
  #isOpen = false;
  #isClosed = false;
  /** The agent was told of a datagram and not asked since what it has to send. */
  #isTouched = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: IcePathOptions) {
    this.#options = options;
    this.#agent = new IceAgent({ role: options.role, random: randomBytes }, performance.now());
  }

  get credentials(): Pick<SessionDescription, "iceUfrag" | "icePwd"> {
    const { ufrag, pwd } = this.#agent.localCredentials;
    return { iceUfrag: ufrag, icePwd: pwd };
  }

  candidates(): Candidate[] {
    return [...this.#candidates];
  }

  async gather(onCandidate: (candidate: Candidate) => void): Promise<void> {
    this.#onCandidate = onCandidate;
    const { iceServers, isRelayOnly } = this.#options;
    const isStun = ({ scheme }: IceServer) => scheme === "stun";
    if (!isRelayOnly) {
      await this.#bindAll(hostAddresses());
      if (this.#isClosed) return;
      this.#stopWatching = watchHostAddresses((addresses) => void this.#follow(addresses));
    }
    const asked = isRelayOnly ? [] : iceServers.filter(isStun);
    const settled = Promise.all([
      ...asked.map((server) => this.#addStunServer(server)),
      ...iceServers.filter((server) => !isStun(server)).map((server) => this.#relay(server)),
    ]);
    void settled.then(() => this.#act((agent, now) => agent.endOfBases(now)));
    this.#act(() => {});
    await this.#gathered.promise;
  }

  connect({ iceUfrag, icePwd, candidates, hasAllCandidates }: SessionDescription): void {
    this.#act((agent, now) => {
      agent.setRemoteCredentials({ ufrag: iceUfrag, pwd: icePwd }, now);
    });
    for (const candidate of candidates) this.addCandidate(candidate);
    if (hasAllCandidates) this.addCandidate(undefined);
  }

  addCandidate(candidate: Candidate | undefined): void {
    if (this.#remoteCount++ >= maxCandidateCount) return;
    this.#act((agent, now) => {
      if (candidate === undefined) return agent.endOfRemoteCandidates(now);
      const defect = agent.addRemoteCandidate(toIceCandidate(candidate), now);
      if (defect !== undefined) {
        log.debug("a candidate of the other node is not used: {defect}", { defect });
      }
    });
  }

  selected(): LinkPath | undefined {
    const path = this.#isClosed ? undefined : this.#agent.selectedPath();
    return path && this.#describe(path);
  }

  send(
    bytes: Uint8Array,
    start: number,
    end: number,
    segmentLength: number,
    mayFragment = false,
  ): void {
    const selected = this.#selected;
    selected?.base.send(bytes, start, end, segmentLength, selected.destination, mayFragment);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#stopWatching();
    this.#selected = undefined;
    this.#agent.close();
    this.#gathered.resolve();
    await Promise.all([...this.#bases.values()].map((base) => base.close()));
  }

  /** Those in front are preferred. */
  async #bindAll(addresses: readonly string[]): Promise<void> {
    const known = new Set([...this.#bases.values()].map(({ hostAddress }) => hostAddress));
    await Promise.all(
      addresses.map((address, position) =>
        known.has(address) ? undefined : this.#bind(address, position)
      ),
    );
  }

  /**
   * This host has other addresses than before: the other node hears of new ones by the checks that
   * come from there (RFC 8445, section 7.3.1.3).
   */
  async #follow(addresses: readonly string[]): Promise<void> {
    for (const [baseId, base] of this.#bases) {
      const { hostAddress } = base;
      if (hostAddress === undefined || addresses.includes(hostAddress)) continue;
      log.debug("{address} is gone from this host", { address: hostAddress });
      this.#removeBase(baseId);
      void base.close();
    }
    await this.#bindAll(addresses);
  }

  #removeBase(baseId: number): void {
    this.#bases.delete(baseId);
    this.#act((agent, now) => agent.removeBase(baseId, now));
  }

  /** An address of this host becomes a base. */
  async #bind(address: string, position: number): Promise<void> {
    const { sockets, receiveBuffer } = this.#options;
    const baseId = this.#nextBaseId++;
    try {
      const handler = this.#socketHandler(baseId);
      const socket = await sockets.bind({ address, handler, receiveBuffer });
      this.#addBase(baseId, {
        hostAddress: address,
        send: socket.send.bind(socket),
        close: () => socket.close(),
      });
      const { port } = socket.local;
      log.debug("{address} is used, port {port}", { address, port });
      const localPreference = 65_535 - position;
      this.#act((agent, now) =>
        agent.addBase({ baseId, address, port, type: "host", localPreference }, now)
      );
    } catch (error) {
      const problem = messageOf(error);
      log.debug("{address} is not used: {problem}", { address, problem });
    }
  }

  #addBase(baseId: number, base: Base): void {
    if (this.#isClosed) void base.close();
    else this.#bases.set(baseId, base);
  }

  #socketHandler(baseId: number): DatagramHandler {
    return {
      handleDatagrams: (bytes, start, end, segmentLength, source) =>
        this.#handleDatagrams(baseId, { bytes, start, end, segmentLength, source }),
      handleDrained: () => this.#handleDrained(),
      handleFailed: (reason) => {
        log.debug("a socket is lost: {reason}", { reason });
        this.#removeBase(baseId);
      },
    };
  }

  /** A name that is not resolved is a server that does not answer: nothing waits for it. */
  async #addStunServer(server: IceServer): Promise<void> {
    const { host, port } = endpointOf(server);
    try {
      const found = await lookup(host, { all: true });
      for (const { address } of found) {
        this.#act((agent, now) => agent.addStunServer({ address, port }, now));
      }
    } catch (error) {
      const problem = messageOf(error);
      log.warn("the STUN server {host} is not used: {problem}", { host, problem });
    }
  }

  /** Resolves once the server has given an address, or none. */
  #relay(server: IceServer): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const baseId = this.#nextBaseId++;
    const { sockets, receiveBuffer, isRelayOnly } = this.#options;
    const relay = openRelay({
      server,
      sockets,
      receiveBuffer,
      handler: {
        handleAllocated: ({ relayed: { address, port }, mapped }) => {
          // The mapped address would tell the other node where this one is.
          const related = isRelayOnly || mapped === undefined
            ? {}
            : { relatedAddress: mapped.address, relatedPort: mapped.port };
          const serverAddress = endpointOf(server).host;
          this.#act((agent, now) =>
            agent.addBase({ baseId, address, port, type: "relay", serverAddress, ...related }, now)
          );
          resolve();
        },
        handleDatagram: (source, bytes, start, end) => {
          const segmentLength = end - start;
          this.#handleDatagrams(baseId, { bytes, start, end, segmentLength, source });
        },
        handleDrained: () => this.#handleDrained(),
        handleRefused: (address, reason) => {
          log.debug("{server} does not relay to {address}: {reason}", {
            server: server.address,
            address,
            reason,
          });
        },
        handleFailed: (reason) => {
          log.warn("the TURN server {server} is not used: {reason}", {
            server: server.address,
            reason,
          });
          this.#removeBase(baseId);
          resolve();
        },
      },
    });
    this.#addBase(baseId, relay);
    return promise;
  }

  #handleDatagrams(
    baseId: number,
    { bytes, start, end, segmentLength, source }: {
      readonly bytes: Uint8Array;
      readonly start: number;
      readonly end: number;
      readonly segmentLength: number;
      readonly source: SocketAddress;
    },
  ): void {
    for (let at = start; at < end && !this.#isClosed;) {
      if (classify(bytes[at]) === "dtls") {
        const runEnd = endOfRun(bytes, at, end, segmentLength);
        // CHECK I1: what is not STUN is looked at only where the peer has authenticated itself.
        const isFromPeer = this.#agent.isFromPeer(baseId, source);
        if (isFromPeer) this.handler?.handleDatagrams(bytes, at, runEnd, segmentLength);
        at = runEnd;
      } else {
        const segmentEnd = Math.min(at + segmentLength, end);
        this.#agent.handleDatagram(baseId, source, bytes, at, segmentEnd, performance.now());
        this.#isTouched = true;
        at = segmentEnd;
      }
    }
  }

  #handleDrained(): void {
    if (this.#isTouched && !this.#isClosed) this.#pump();
  }

  #act(action: (agent: IceAgent, now: Instant) => void): void {
    if (this.#isClosed) return;
    action(this.#agent, performance.now());
    this.#pump();
  }

  /** Sends checks and takes events until nothing is left; then sets the timer. */
  #pump(): void {
    const now = performance.now();
    this.#isTouched = false;
    for (let isIdle = false; !isIdle && !this.#isClosed;) {
      isIdle = true;
      const transmit = this.#agent.pollTransmit(this.#out, now);
      if (transmit !== undefined) {
        const { baseId, length, destination } = transmit;
        this.#bases.get(baseId)?.send(this.#out, 0, length, length, destination);
        isIdle = false;
      }
      const event = this.#agent.pollEvent();
      if (event !== undefined) {
        this.#handleEvent(event);
        isIdle = false;
      }
    }
    if (!this.#isClosed) this.#setTimer(now);
  }

  #setTimer(now: Instant): void {
    const due = this.#agent.nextTimeout() ?? Infinity;
    clearTimeout(this.#timer);
    if (due === Infinity) return;
    this.#timer = setTimeout(
      () => this.#act((agent, later) => agent.handleTimeout(later)),
      Math.max(0, due - now),
    );
  }

  #handleEvent(event: IceEvent): void {
    switch (event.type) {
      case "candidate":
        return this.#handleCandidate(event.candidate);
      case "gathering-finished":
        return this.#gathered.resolve();
      case "selected":
        return this.#select(event.path);
      case "state":
        return this.#handleState(event);
      default:
        return event satisfies never;
    }
  }

  #handleCandidate({ foundation, priority, address, port, type }: IceCandidate): void {
    const candidate = { foundation, priority, address, port, type };
    this.#candidates.push(candidate);
    this.#onCandidate?.(candidate);
  }

  #handleState(
    { state, reason = "no path to the other node was found" }: Extract<
      IceEvent,
      { type: "state" }
    >,
  ): void {
    if (state === "failed" && !this.#isOpen) this.handler?.handleFailed(reason);
    if (state === "disconnected") this.#selected = undefined;
    const path = this.#agent.selectedPath();
    if (state === "connected" && path !== undefined) this.#select(path);
  }

  #select(path: SelectedPath): void {
    const base = this.#bases.get(path.baseId);
    this.#selected = base && { base, destination: path.destination };
    if (this.#selected === undefined) return;
    const described = this.#describe(path);
    if (this.#isOpen) return this.handler?.handleMoved(described);
    this.#isOpen = true;
    this.handler?.handleOpen(described);
  }

  #describe({ local, destination, isRelayed, rtt }: SelectedPath): LinkPath {
    const described = {
      local: formatEndpoint({ host: local.address, port: local.port }),
      remote: formatEndpoint({ host: destination.address, port: destination.port }),
      isRelayed,
      rtt,
    };
    return isRelayed ? { ...described, obstacle: this.#obstacle() } : described;
  }

  /** Why no direct path is taken. */
  #obstacle(): string {
    if (this.#options.isRelayOnly) return "as --relay-only asks for";
    const direct = this.#agent.pairs().filter((pair) => !pair.isRelayed);
    if (direct.length === 0) return "the nodes have no direct addresses for each other";
    const openCount = direct.filter(({ state }) => state !== "failed").length;
    return openCount === 0
      ? `none of ${direct.length} direct ways has answered`
      : `${openCount} of ${direct.length} direct ways are still tried`;
  }
}

function toIceCandidate(candidate: Candidate): IceCandidate {
  return { ...candidate, component: 1, transport: "udp" };
}

/** Where the datagrams end that are of DTLS, as the first of `bytes[start..end)` is. */
function endOfRun(bytes: Uint8Array, start: number, end: number, segmentLength: number): number {
  let at = start + segmentLength;
  while (at < end && classify(bytes[at]) === "dtls") at += segmentLength;
  return Math.min(at, end);
}
