/**
 * A node: its listeners, its links and what joins them. Links come from signaling; forwards take
 * the link that has been up longest, and wait for one where there is none.
 */
import { getLogger } from "@logtape/logtape";
import type { AllowList } from "../access/allow_list.ts";
import type { ForwardSpec } from "../forward/forward_spec.ts";
import { type LinkSource, TcpForward } from "../forward/tcp_egress.ts";
import { serveTcpChannel } from "../forward/tcp_ingress.ts";
import type { Link, LinkObserver } from "../link/link.ts";

const log = getLogger(["aetherport", "node"]);

/** How long a new connection waits for a link, in ms. */
const linkTimeout = 10_000;
/** Connections that wait for a link at once; further ones are reset. */
const maxWaiterCount = 1_024;

/** One node. */
export class Node implements LinkSource {
  readonly #forwardSpecs: readonly ForwardSpec[];
  readonly #allowList: AllowList;
  readonly #forwards: TcpForward[] = [];
  /** All links that have not ended. */
  readonly #links = new Set<Link>();
  #isClosed = false;
  readonly #waiters = new Set<(link: Link | undefined) => void>();

  constructor(
    { forwards, allowList }: { forwards: readonly ForwardSpec[]; allowList: AllowList },
  ) {
    this.#forwardSpecs = forwards;
    this.#allowList = allowList;
  }

  /** Binds all listeners. Throws an Error naming the address that cannot be bound. */
  listen(): void {
    for (const spec of this.#forwardSpecs) {
      const forward = new TcpForward(spec, this);
      this.#forwards.push(forward);
      log.info("listening on {addresses} for {target}", {
        event: "listening",
        addresses: forward.addresses.join(" and "),
        target: forward.target,
      });
    }
  }

  /** Takes a link into use; the observer is called after the node has dealt with the event. */
  adopt(link: Link, observer: LinkObserver): void {
    const peer = link.peerFingerprint.slice(0, 11);
    let wasUp = false;
    this.#links.add(link);
    link.handler = {
      handleUp: ({ local, remote, isRelayed }) => {
        wasUp = true;
        // The set is in the order in which links came up: the first that is up has been so longest.
        this.#links.delete(link);
        this.#links.add(link);
        log.info("link to {peer} is up, {kind}: {local} to {remote}", {
          event: "link-up",
          peer,
          kind: isRelayed ? "relayed" : "direct",
          local,
          remote,
        });
        this.#serveWaiters(link);
        observer.handleUp();
      },
      handleChannel: (channel) =>
        void serveTcpChannel(channel, { allowList: this.#allowList, peer }),
      handleClosed: (reason) => {
        this.#links.delete(link);
        const [event, what] = wasUp ? ["link-down", "has ended"] : ["link-failed", "failed"];
        log.warn("link to {peer} {what}: {reason}", { event, peer, what, reason });
        observer.handleClosed(reason);
      },
    };
  }

  acquire(): Promise<Link | undefined> {
    if (this.#isClosed) return Promise.resolve(undefined);
    const link = [...this.#links].find(({ state }) => state === "up");
    if (link !== undefined) return Promise.resolve(link);
    if (this.#waiters.size >= maxWaiterCount) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const settle = (link: Link | undefined) => {
        clearTimeout(timer);
        this.#waiters.delete(settle);
        resolve(link);
      };
      const timer = setTimeout(() => settle(undefined), linkTimeout);
      this.#waiters.add(settle);
    });
  }

  /** Stops listening, ends all links and lets the other nodes know. */
  async close(reason: string): Promise<void> {
    this.#isClosed = true;
    for (const forward of this.#forwards) forward.close();
    for (const settle of this.#waiters) settle(undefined);
    await Promise.all([...this.#links].map((link) => link.close(reason)));
  }

  #serveWaiters(link: Link): void {
    for (const settle of this.#waiters) settle(link);
  }
}
