/** The reverse forwards of a node: which links they are asked on, and what the ids given there mean. */
import type { StreamTarget } from "../access/target.ts";
import { ReverseRequest } from "../forward/reverse_request.ts";
import type { ReverseSpec } from "../forward/reverse_spec.ts";
import type { Link } from "../link/link.ts";

/** A reverse forward, and where its links lead. */
export interface RoutedReverse {
  readonly spec: ReverseSpec;
  /** Asked only on links of this route (an ingress URL); on every link where it has none. */
  readonly route: string | undefined;
}

/** A reverse forward, and what became of it on each link that it is asked on. */
export interface AskedReverse extends RoutedReverse {
  readonly asked: readonly ReverseAnswer[];
}

/** What one other node has made of it. */
export interface ReverseAnswer {
  /** The other node, as the log names it. */
  readonly peer: string;
  /** Where it listens; none while it does not. */
  readonly addresses: readonly string[];
  /** Why it does not; empty where that is not known. */
  readonly problem: string;
}

/** A link that is up. */
interface Asked {
  readonly peer: string;
  readonly route: string | undefined;
  readonly targets: Map<string, StreamTarget>;
  readonly requests: Map<RoutedReverse, ReverseRequest>;
}

/** Asks each link for what is wanted of it. */
export class ReverseForwards {
  readonly #wanted = new Set<RoutedReverse>();
  readonly #links = new Map<Link, Asked>();

  /** Begins to ask: the links that are up at once, and others as they come. */
  add(routed: RoutedReverse): void {
    this.#wanted.add(routed);
    for (const [link, asked] of this.#links) ask(link, asked, routed);
  }

  /** The other nodes listen no longer; connections that are under way go on. */
  remove(routed: RoutedReverse): void {
    this.#wanted.delete(routed);
    for (const { requests } of this.#links.values()) {
      requests.get(routed)?.close();
      requests.delete(routed);
    }
  }

  /** A link came up. */
  handleUp(link: Link, { peer, route }: Pick<Asked, "peer" | "route">): void {
    const asked = { peer, route, targets: new Map(), requests: new Map() };
    this.#links.set(link, asked);
    for (const routed of this.#wanted) ask(link, asked, routed);
  }

  /** A link has ended, or is to: nothing is asked of it any more. */
  release(link: Link): void {
    const asked = this.#links.get(link);
    this.#links.delete(link);
    for (const request of asked?.requests.values() ?? []) request.close();
  }

  /** All that are wanted. */
  asked(): AskedReverse[] {
    return [...this.#wanted].map((routed) => ({ ...routed, asked: this.#answersTo(routed) }));
  }

  /** Whether the other node of a link is to listen. */
  isAsked(link: Link): boolean {
    return (this.#links.get(link)?.requests.size ?? 0) > 0;
  }

  /** What a connection that comes back over a link is for; undefined for what was not asked there. */
  targetOf(link: Link, id: string): StreamTarget | undefined {
    return this.#links.get(link)?.targets.get(id);
  }

  #answersTo(routed: RoutedReverse): ReverseAnswer[] {
    return [...this.#links.values()].flatMap(({ peer, requests }) => {
      const request = requests.get(routed);
      if (request === undefined) return [];
      return [{ peer, addresses: request.addresses, problem: request.problem }];
    });
  }
}

function ask(link: Link, { peer, route, targets, requests }: Asked, routed: RoutedReverse): void {
  if (routed.route !== undefined && routed.route !== route) return;
  const { spec } = routed;
  requests.set(routed, new ReverseRequest({ link, peer, spec, targets }));
}
