/**
 * A node: its listeners, its links and what joins them. Links come from signaling; a forward takes
 * the one of its route that has been up longest, and waits for one where there is none.
 */
import { getLogger } from "@logtape/logtape";
import type { AllowList } from "../access/allow_list.ts";
import type { BufferPool } from "../buffer_pool.ts";
import type { ForwardSpec } from "../forward/forward_spec.ts";
import { TcpForward } from "../forward/tcp_egress.ts";
import { serveTcpChannel } from "../forward/tcp_ingress.ts";
import type { Link, LinkObserver } from "../link/link.ts";

const log = getLogger(["aetherport", "node"]);

/** How long a new connection waits for a link, in ms. */
const linkTimeout = 10_000;
/** Connections that wait for a link at once; further ones are reset. */
const maxWaiterCount = 1_024;

/** A forward, and where its links lead. */
export interface RoutedForward {
  readonly spec: ForwardSpec;
  /** Only links of this route serve it (an ingress URL); any link where it has none. */
  readonly route: string | undefined;
}

interface Waiter {
  readonly route: string | undefined;
  readonly settle: (link: Link | undefined) => void;
}

/** One node. */
export class Node {
  readonly #routedForwards: readonly RoutedForward[];
  readonly #allowList: AllowList;
  readonly #pool: BufferPool;
  readonly #forwards: TcpForward[] = [];
  /** All links that have not ended, with their routes. */
  readonly #links = new Map<Link, string | undefined>();
  #isClosed = false;
  readonly #waiters = new Set<Waiter>();

  constructor(
    { forwards, allowList, pool }: {
      forwards: readonly RoutedForward[];
      allowList: AllowList;
      pool: BufferPool;
    },
  ) {
    this.#routedForwards = forwards;
    this.#allowList = allowList;
    this.#pool = pool;
  }

  /** Binds all listeners. Throws an Error naming the address that cannot be bound. */
  listen(): void {
    for (const { spec, route } of this.#routedForwards) {
      const links = { acquire: () => this.acquire(route) };
      const forward = new TcpForward(spec, { links, pool: this.#pool });
      this.#forwards.push(forward);
      log.info("listening on {addresses} for {target}", {
        event: "listening",
        addresses: forward.addresses.join(" and "),
        target: forward.target,
      });
    }
  }

  /** Takes a link into use; the observer is called after the node has dealt with the event. */
  adopt(link: Link, observer: LinkObserver, route?: string): void {
    let wasUp = false;
    this.#links.set(link, route);
    link.handler = {
      handleUp: ({ local, remote, isRelayed, rtt }) => {
        wasUp = true;
        // The map is in the order in which links came up: the first that is up has been so longest.
        this.#links.delete(link);
        this.#links.set(link, route);
        log.info("link to {peer} is up, {kind}: {local} to {remote}{roundTrip}", {
          event: "link-up",
          peer: nameOf(link),
          kind: isRelayed ? "relayed" : "direct",
          local,
          remote,
          roundTrip: rtt === undefined ? "" : `, ${rtt.toFixed(1)} ms there and back`,
        });
        this.#serveWaiters(link, route);
        observer.handleUp();
      },
      handleChannel: (channel) =>
        void serveTcpChannel(channel, {
          allowList: this.#allowList,
          peer: nameOf(link),
          pool: this.#pool,
        }),
      handleClosed: (reason) => {
        this.#links.delete(link);
        const [event, what] = wasUp ? ["link-down", "has ended"] : ["link-failed", "failed"];
        log[this.#isClosed ? "info" : "warn"]("link to {peer} {what}: {reason}", {
          event,
          peer: nameOf(link),
          what,
          reason,
        });
        observer.handleClosed(reason);
      },
    };
  }

  /** A link of a route that is up, now or within 10 s; undefined where none comes. */
  acquire(route?: string): Promise<Link | undefined> {
    if (this.#isClosed) return Promise.resolve(undefined);
    for (const [link, linkRoute] of this.#links) {
      if (link.state === "up" && serves(linkRoute, route)) return Promise.resolve(link);
    }
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
    for (const forward of this.#forwards) forward.close();
    for (const { settle } of this.#waiters) settle(undefined);
    await Promise.all([...this.#links.keys()].map((link) => link.close(reason)));
  }

  #serveWaiters(link: Link, linkRoute: string | undefined): void {
    for (const { route, settle } of this.#waiters) if (serves(linkRoute, route)) settle(link);
  }
}

function serves(linkRoute: string | undefined, route: string | undefined): boolean {
  return route === undefined || route === linkRoute;
}

/** The other node as the log names it: by certificate, or else by the fingerprint's beginning. */
function nameOf({ peer, peerFingerprint }: Link): string {
  return peer?.name ?? peerFingerprint.slice(0, 11);
}
