/**
 * A node: its listeners, its links and what joins them. Links come from signaling; a forward takes
 * the one of its route that has been up longest, and waits for one where there is none.
 */
import { getLogger } from "@logtape/logtape";
import type { Access, AccessPeer } from "../access/access.ts";
import { benchProtocol } from "../bench/bench_protocol.ts";
import { BenchServer } from "../bench/serve_bench.ts";
import type { BufferPool } from "../buffer_pool.ts";
import type { CommandRunner } from "../forward/command_runner.ts";
import { ConnectionCount, type Count } from "../forward/connection_count.ts";
import type { Forward } from "../forward/forward.ts";
import { DatagramIngress } from "../forward/datagram_ingress.ts";
import { describeTarget, type ServedSpec } from "../forward/served_spec.ts";
import { openForward } from "../forward/open_forward.ts";
import type { ProxyRule } from "../forward/proxy_protocol.ts";
import { listenProtocol } from "../forward/reverse_protocol.ts";
import { type Listening, ReverseServer } from "../forward/reverse_server.ts";
import { serveStreamChannel } from "../forward/stream_ingress.ts";
import { describeKind } from "../link/describe_kind.ts";
import type { Channel, Link, LinkHealth, LinkObserver, LinkPath } from "../link/link.ts";
import { udpProtocol } from "../tunnel/datagram_channel.ts";
import { tcpProtocol } from "../tunnel/tunnel_stream.ts";
import { type AskedReverse, ReverseForwards, type RoutedReverse } from "./reverse_forwards.ts";

const log = getLogger(["aetherport", "node"]);

/** How long a new connection waits for a link, in ms. */
const linkTimeout = 10_000;
/** A link that was silent for so long, in ms, takes no connections: another is asked for. */
const silentAfter = 2_500;
/**
 * A silent link has so long to be heard, in ms, once its peer has made another: the network may have
 * returned for both.
 */
const returnGrace = 2_000;
/** Connections that wait for a link at once; further ones are reset. */
const maxWaiterCount = 1_024;

const replacedReason = "the same node has made another link";

/** A forward, and where its links lead. */
export interface RoutedForward {
  readonly spec: ServedSpec;
  /** Only links of this route serve it (an ingress URL); any link where it has none. */
  readonly route: string | undefined;
}

/** A forward that listens, and what it carries. */
export interface ServedForward extends RoutedForward {
  readonly addresses: readonly string[];
  readonly connections: Count;
}

/** A link in use, and what the node knows of it. */
export interface NodeLink {
  /** Of all links of this node, from 1 on. */
  readonly id: number;
  readonly link: Link;
  /** The other node, as the log names it. */
  readonly name: string;
  readonly route: string | undefined;
  /** Since when it is up, as `performance.now` counts; undefined before. */
  readonly upAt: number | undefined;
  readonly health: LinkHealth;
  /** The streams that the other node has asked for. */
  readonly served: Count;
}

interface Waiter {
  readonly route: string | undefined;
  readonly settle: (link: Link | undefined) => void;
}

/** A link in use. */
interface Adopted {
  readonly route: string | undefined;
  readonly observer: LinkObserver;
  readonly id: number;
  readonly served: ConnectionCount;
  upAt: number | undefined;
  health: LinkHealth;
  /** Another was asked for. */
  isLost: boolean;
  /** Runs while another link may take its place. */
  graceTimer?: ReturnType<typeof setTimeout>;
}

interface OpenForward {
  readonly forward: Forward;
  readonly connections: Count;
}

/** Serves a channel that the other node of a link has opened. */
type ChannelServer = (channel: Channel, link: Link) => Promise<void> | void;

/** What a node is made with. */
export interface NodeOptions {
  readonly access: Access;
  readonly pool: BufferPool;
  /** Those that it offers; none where they are left out. */
  readonly commands?: CommandRunner | undefined;
  /** Flows of datagrams end when they were idle for so long, in ms; 60 s unless said. */
  readonly udpIdle?: number | undefined;
  /** Targets that are told of the client. */
  readonly proxyRules?: readonly ProxyRule[];
}

/** One node. */
export class Node {
  readonly #pool: BufferPool;
  /** Of flows of datagrams, in ms. */
  readonly #udpIdle: number | undefined;
  /** By DCEP's protocol field. */
  readonly #channelServers: ReadonlyMap<string, ChannelServer>;
  /** Of protocols that are not known: it refuses them. */
  readonly #serveStream: ChannelServer;
  /** Those that listen. */
  readonly #forwards = new Map<RoutedForward, OpenForward>();
  /** What other nodes are asked to listen on, and what they ask of this one. */
  readonly #reverses = new ReverseForwards();
  readonly #reverseServer: ReverseServer;
  /** All links that have not ended. */
  readonly #links = new Map<Link, Adopted>();
  #linkCount = 0;
  #isClosed = false;
  readonly #waiters = new Set<Waiter>();

  constructor({ access, pool, commands, udpIdle, proxyRules = [] }: NodeOptions) {
    this.#pool = pool;
    this.#udpIdle = udpIdle;
    const datagrams = new DatagramIngress({
      ...{ access, pool, idleTimeout: udpIdle, proxyRules },
      sockets: async () => {
        const { sharedDatagramSockets } = await import("../socket/choose_datagram_sockets.ts");
        return (await sharedDatagramSockets()).sockets;
      },
    });
    const bench = new BenchServer({ access, pool });
    this.#reverseServer = new ReverseServer({ access, pool });
    this.#serveStream = (channel, link) =>
      serveStreamChannel(channel, {
        ...{ access, peer: accessPeerOf(link), pool, commands, proxyRules },
        reversedTarget: (id) => this.#reverses.targetOf(link, id),
      });
    this.#channelServers = new Map<string, ChannelServer>([
      [tcpProtocol, this.#serveStream],
      [
        udpProtocol,
        (channel, link) => datagrams.serve(channel, { peer: accessPeerOf(link), link }),
      ],
      [
        benchProtocol,
        (channel, link) =>
          bench.serve(channel, { peer: accessPeerOf(link), traffic: () => link.traffic }),
      ],
      [
        listenProtocol,
        (channel, link) => this.#reverseServer.serve(channel, { link, peer: accessPeerOf(link) }),
      ],
    ]);
  }

  /** Begins to serve a forward. Rejects with an Error naming the address that cannot be bound. */
  async addForward(routed: RoutedForward): Promise<void> {
    const { spec, route } = routed;
    const links = { acquire: () => this.acquire(route) };
    const connections = new ConnectionCount();
    const options = { links, pool: this.#pool, idleTimeout: this.#udpIdle, connections };
    const forward = await openForward(spec, options);
    if (this.#isClosed) return forward.close();
    this.#forwards.set(routed, { forward, connections });
    log.info("listening on {addresses} for {target}", {
      event: "listening",
      addresses: forward.addresses.join(" and "),
      target: describeTarget(spec),
    });
  }

  /** Stops listening; connections that are under way go on. */
  removeForward(routed: RoutedForward): void {
    const served = this.#forwards.get(routed);
    if (served === undefined) return;
    served.forward.close();
    this.#forwards.delete(routed);
    log.info("no longer listening on {addresses} for {target}", {
      event: "forward-removed",
      addresses: served.forward.addresses.join(" and "),
      target: describeTarget(routed.spec),
    });
  }

  /** Whether a forward listens. */
  hasForward(routed: RoutedForward): boolean {
    return this.#forwards.has(routed);
  }

  /** The forwards that listen, each under what it was added by. */
  forwards(): Map<RoutedForward, ServedForward> {
    return new Map([...this.#forwards].map(([routed, { forward, connections }]) => [
      routed,
      { ...routed, addresses: forward.addresses, connections },
    ]));
  }

  /** The links that have not ended, in the order in which they came up. */
  links(): NodeLink[] {
    return [...this.#links].map(([link, { id, route, upAt, health, served }]) => (
      { id, link, name: nameOf(link), route, upAt, health, served }
    ));
  }

  /** Begins to ask other nodes to listen, on links that are up and on those to come. */
  addReverse(routed: RoutedReverse): void {
    this.#reverses.add(routed);
  }

  /** The other nodes listen no longer; connections that are under way go on. */
  removeReverse(routed: RoutedReverse): void {
    this.#reverses.remove(routed);
  }

  /** What other nodes are asked to listen on, and whether they do. */
  reverses(): AskedReverse[] {
    return this.#reverses.asked();
  }

  /** What this node listens on for others. */
  listeners(): Listening[] {
    return this.#reverseServer.listening();
  }

  /** Other rules hold: what they do not let this node listen on for others, it listens on no longer. */
  judgeListeners(): void {
    this.#reverseServer.judgeAgain();
  }

  /** Takes a link into use; the observer is called after the node has dealt with the event. */
  adopt(link: Link, observer: LinkObserver, route?: string): void {
    const adopted: Adopted = {
      ...{ route, observer, upAt: undefined, isLost: false, health: "heard" },
      id: ++this.#linkCount,
      served: new ConnectionCount(),
    };
    this.#links.set(link, adopted);
    link.handler = {
      handleUp: (path) => this.#handleUp(link, adopted, path),
      handleHealth: (health) => this.#handleHealth(link, adopted, health),
      handleDraining: () => this.#releaseListeners(link),
      handleChannel: (channel) => this.#handleChannel(link, adopted, channel),
      handleClosed: (reason) => {
        this.#links.delete(link);
        this.#releaseListeners(link);
        clearTimeout(adopted.graceTimer);
        const [event, what] = adopted.upAt === undefined
          ? ["link-failed", "failed"]
          : ["link-down", "has ended"];
        log[this.#isMissed(adopted) ? "warn" : "info"]("link to {peer} {what}: {reason}", {
          event,
          peer: nameOf(link),
          what,
          reason,
        });
        observer.handleClosed(reason);
      },
    };
  }

  /** Whether a link's end takes something from this node: who has served all is only left alone. */
  #isMissed({ route, upAt, served }: Adopted): boolean {
    if (this.#isClosed) return false;
    const isUsed = route !== undefined || this.#forwards.size + this.#reverses.asked().length > 0;
    return upAt === undefined || isUsed || served.open > 0;
  }

  /** Ends the links of a route, each once nothing goes over it any more. */
  drainRoute(route: string, reason: string): void {
    for (const [link, adopted] of this.#links) if (adopted.route === route) link.drain(reason);
  }

  /** A link of a route that is up, now or within 10 s; undefined where none comes. */
  acquire(route?: string): Promise<Link | undefined> {
    if (this.#isClosed) return Promise.resolve(undefined);
    const links = [...this.#links].filter(([link, adopted]) =>
      link.state === "up" && serves(adopted.route, route)
    );
    for (const [link] of links) if (link.silence < silentAfter) return Promise.resolve(link);
    for (const [link, adopted] of links) this.#lose(link, adopted);
    if (this.#waiters.size >= maxWaiterCount) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const settle = (link: Link | undefined) => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        resolve(link);
      };
      const waiter: Waiter = { route, settle };
      const timer = setTimeout(() => settle(undefined), linkTimeout);
      this.#waiters.add(waiter);
    });
  }

  /** Stops listening, ends all links and lets the other nodes know. */
  async close(reason: string): Promise<void> {
    this.#isClosed = true;
    for (const { forward } of this.#forwards.values()) forward.close();
    this.#forwards.clear();
    this.#reverseServer.close();
    for (const { settle } of this.#waiters) settle(undefined);
    await Promise.all([...this.#links.keys()].map((link) => link.close(reason)));
  }

  #handleChannel(link: Link, { served }: Adopted, channel: Channel): void {
    const serve = this.#channelServers.get(channel.protocol) ?? this.#serveStream;
    const serving = serve(channel, link);
    // What has no end of its own is no stream of the other node's.
    if (serving !== undefined) served.add(serving);
  }

  /** The channels that a link has for as long as it is up. */
  #releaseListeners(link: Link): void {
    this.#reverses.release(link);
    this.#reverseServer.release(link);
  }

  #handleUp(link: Link, adopted: Adopted, path: LinkPath): void {
    adopted.upAt = performance.now();
    // The map is in the order in which links came up: the first that is up has been so longest.
    this.#links.delete(link);
    this.#links.set(link, adopted);
    log.info("link to {peer} is up, {kind}: {local} to {remote}{roundTrip}", {
      event: "link-up",
      peer: nameOf(link),
      kind: describeKind(path),
      local: path.local,
      remote: path.remote,
      roundTrip: path.rtt === undefined ? "" : `, ${path.rtt.toFixed(1)} ms there and back`,
    });
    this.#replaceOthers(link, adopted);
    this.#serveWaiters(link, adopted.route);
    this.#reverses.handleUp(link, { peer: nameOf(link), route: adopted.route });
    adopted.observer.handleUp();
  }

  #handleHealth(link: Link, adopted: Adopted, health: LinkHealth): void {
    adopted.health = health;
    const properties = { peer: nameOf(link), health };
    log.debug("link to {peer} is {health}", { event: "link-health", ...properties });
    if (health === "heard") return this.#handleHeard(link, adopted);
    if (this.#isReplaced(link, adopted)) return void link.close(replacedReason);
    // Where the other node is to listen, nobody comes here and asks for a link that is heard.
    if (health === "silent" && this.#reverses.isAsked(link)) this.#lose(link, adopted);
    if (health !== "unreachable") return;
    log.warn("link to {peer}: nothing was heard for 30 s; what is open waits for it to return", {
      event: "link-unreachable",
      ...properties,
    });
    this.#lose(link, adopted);
  }

  #handleHeard(link: Link, adopted: Adopted): void {
    if (adopted.isLost) {
      log.info("link to {peer} is heard again", { event: "link-back", peer: nameOf(link) });
    }
    if (adopted.isLost) adopted.observer.handleFound?.();
    adopted.isLost = false;
    if (link.state === "up") this.#serveWaiters(link, adopted.route);
  }

  /** Another link is wanted in the place of one that is silent. */
  #lose(link: Link, adopted: Adopted): void {
    if (adopted.isLost) return;
    adopted.isLost = true;
    log.info("link to {peer} is silent; another is looked for, in case its node has begun anew", {
      event: "link-lost",
      peer: nameOf(link),
    });
    adopted.observer.handleLost?.();
  }

  /**
   * A node that has begun anew has done with its link that is silent. One that has not, and is only
   * back after a cut, is heard there too: what is open goes on to its end.
   */
  #replaceOthers(link: Link, { route }: Adopted): void {
    for (const [other, adopted] of this.#twinsOf(link, route)) {
      if (adopted.upAt === undefined) continue;
      if (adopted.isLost || other.silence >= silentAfter) {
        adopted.graceTimer ??= setTimeout(() => {
          if (other.silence >= returnGrace) void other.close(replacedReason);
          else other.drain(replacedReason);
        }, returnGrace);
      }
    }
  }

  /** Whether its peer has made another link since the last of it was heard here. */
  #isReplaced(link: Link, { route }: Adopted): boolean {
    const heardAt = performance.now() - link.silence;
    return this.#twinsOf(link, route).some(([other, { upAt = -Infinity }]) =>
      other.state === "up" && upAt > heardAt
    );
  }

  /** The other links to the same node, of the same route. */
  #twinsOf(link: Link, route: string | undefined): [Link, Adopted][] {
    return [...this.#links].filter(([other, adopted]) =>
      other !== link && isSamePeer(other, link) && adopted.route === route
    );
  }

  #serveWaiters(link: Link, linkRoute: string | undefined): void {
    for (const { route, settle } of this.#waiters) if (serves(linkRoute, route)) settle(link);
  }
}

function serves(linkRoute: string | undefined, route: string | undefined): boolean {
  return route === undefined || route === linkRoute;
}

function isSamePeer(one: Link, other: Link): boolean {
  return one.peerFingerprint === other.peerFingerprint;
}

function accessPeerOf(link: Link): AccessPeer {
  return { name: nameOf(link), identity: link.peer };
}

/** The other node as the log names it: by certificate, or else by the fingerprint's beginning. */
function nameOf({ peer, peerFingerprint }: Link): string {
  return peer?.name ?? peerFingerprint.slice(0, 11);
}
