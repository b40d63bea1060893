/** Answers what is asked of a node: how it stands with it, and changes of its forwards. */
import { formatTarget } from "../access/target.ts";
import { parseForwardSpecs } from "../forward/forward_spec.ts";
import type { Listening } from "../forward/reverse_server.ts";
import { formatReverseSpec } from "../forward/reverse_spec.ts";
import { describeTarget, formatServedSpec } from "../forward/served_spec.ts";
import type { LinkPath } from "../link/link.ts";
import type { Node, NodeLink, RoutedForward, ServedForward } from "../node/node.ts";
import type { AskedReverse } from "../node/reverse_forwards.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import type {
  CertificateStatus,
  ControlAnswer,
  ForwardStatus,
  IngressStatus,
  LinkStatus,
  ListenerStatus,
  NodeStatus,
  ReverseStatus,
} from "./control_answer.ts";
import { type ControlRequest, controlVersion } from "./control_request.ts";
import { namesOf, parseForwardName } from "./forward_name.ts";
import { type Counted, RateMeter } from "./rate_meter.ts";

/** How often traffic is looked at, in ms. */
const sampleInterval = 1_000;
/** A node with as many forwards is given no more. */
const maxForwardCount = 4_096;

/** What is asked about. */
export interface NodeDeskOptions {
  readonly node: Node;
  /** What `--version` prints. */
  readonly program: string;
  /** The ingress URLs that this node calls, and forwards can go to. */
  readonly routes: () => readonly string[];
  readonly ingresses: () => readonly IngressStatus[];
  readonly certificates: () => Promise<readonly CertificateStatus[]>;
}

/** Answers for one node. */
export class NodeDesk {
  readonly #options: NodeDeskOptions;
  readonly #startedAt = performance.now();
  readonly #rates = new RateMeter();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(options: NodeDeskOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#sample(), sampleInterval);
    Deno.unrefTimer(this.#timer);
  }

  /** Stops looking at the traffic. */
  close(): void {
    clearInterval(this.#timer);
  }

  /** Does what is asked. Throws an Error with the reason where it cannot be done. */
  async answer(request: ControlRequest): Promise<ControlAnswer> {
    const done = { version: controlVersion, ok: true } as const;
    switch (request.request) {
      case "status":
        return { ...done, status: await this.#status() };
      case "add-forward":
        return { ...done, forwards: await this.#addForward(request.spec, request.to) };
      case "remove-forward":
        return { ...done, forwards: this.#removeForward(request.forward) };
      default:
        return request satisfies never;
    }
  }

  /** All that a range says, or nothing. */
  async #addForward(text: string, to: string | undefined): Promise<ForwardStatus[]> {
    const { node } = this.#options;
    const route = this.#routeOf(to);
    const forwards = parseForwardSpecs(text).map((spec): RoutedForward => ({ spec, route }));
    if (node.forwards().size + forwards.length > maxForwardCount) {
      throw new Error(`a node has at most ${maxForwardCount} forwards`);
    }
    const added: RoutedForward[] = [];
    try {
      for (const forward of forwards) {
        await node.addForward(forward);
        added.push(forward);
      }
    } catch (error) {
      for (const forward of added) node.removeForward(forward);
      throw error;
    }
    const served = node.forwards();
    return added.flatMap((forward) => served.get(forward) ?? []).map(forwardStatus);
  }

  #routeOf(to: string | undefined): string | undefined {
    const routes = this.#options.routes();
    if (to !== undefined) {
      if (routes.includes(to)) return to;
      const known = routes.length === 0 ? "it calls none" : `it calls ${routes.join(" and ")}`;
      throw new Error(`this node does not call the ingress ${to}: ${known}`);
    }
    if (routes.length > 1) {
      throw new Error(
        `this node calls several ingresses: say which with --to, of ${routes.join(", ")}`,
      );
    }
    return routes[0];
  }

  #removeForward(text: string): ForwardStatus[] {
    const { node } = this.#options;
    const wanted = new Set(parseForwardName(text));
    const found = [...node.forwards()].filter(([{ spec }, { addresses }]) =>
      namesOf(spec, addresses).some((name) => wanted.has(name))
    );
    if (found.length === 0) {
      throw new Error(`there is no forward ${text}: "aetherport forward list" shows them`);
    }
    for (const [routed] of found) node.removeForward(routed);
    return found.map(([, served]) => forwardStatus(served));
  }

  async #status(): Promise<NodeStatus> {
    const { node, program, ingresses, certificates } = this.#options;
    const ends = await certificates();
    const now = performance.now();
    return {
      program,
      pid: Deno.pid,
      since: instantOf(this.#startedAt, now),
      uptimeMs: Math.round(now - this.#startedAt),
      links: node.links().map((link) => this.#linkStatus(link, now)),
      forwards: [...node.forwards().values()].map(forwardStatus),
      reverses: node.reverses().map(reverseStatus),
      listeners: node.listeners().map(listenerStatus),
      ingresses: [...ingresses()],
      certificates: [...ends],
    };
  }

  #linkStatus(used: NodeLink, now: number): LinkStatus {
    const { id, link, name, route, upAt, served } = used;
    const { resent = 0 } = link.traffic ?? {};
    const counted = countedOf(used);
    const rates = this.#rates.rates(id, counted, now);
    return {
      ...{ id, peer: name, keyId: link.peer?.keyId ?? null, fingerprint: link.peerFingerprint },
      state: stateOf(used),
      since: upAt === undefined ? null : instantOf(upAt, now),
      route: route ?? null,
      path: pathStatus(link.path),
      roundTripMs: link.roundTrip ?? link.path?.rtt ?? null,
      silentMs: Math.round(link.silence),
      ...{ sentBytes: counted.sent, resentBytes: resent, receivedBytes: counted.received },
      ...{ sentBytesPerSecond: rates.sent, receivedBytesPerSecond: rates.received },
      served: { open: served.open, total: served.total },
    };
  }

  #sample(): void {
    const links = this.#options.node.links().map((used) => [used.id, countedOf(used)] as const);
    this.#rates.sample(new Map(links), performance.now());
  }
}

function stateOf({ link, health }: NodeLink): LinkStatus["state"] {
  if (link.state === "connecting") return "connecting";
  if (health !== "heard") return health;
  return link.state === "draining" ? "draining" : "up";
}

function pathStatus(path: LinkPath | undefined): LinkStatus["path"] {
  if (path === undefined) return null;
  const { isRelayed, obstacle, local, remote } = path;
  return { kind: isRelayed ? "relayed" : "direct", reason: obstacle ?? null, local, remote };
}

function countedOf({ link: { traffic } }: NodeLink): Counted {
  return { sent: traffic?.sent ?? 0, received: traffic?.received ?? 0 };
}

function forwardStatus({ spec, route, addresses, connections }: ServedForward): ForwardStatus {
  return {
    spec: formatServedSpec(spec),
    kind: spec.listen.kind,
    addresses: [...addresses],
    target: describeTarget(spec),
    route: route ?? null,
    connections: { open: connections.open, total: connections.total },
  };
}

function reverseStatus({ spec, route, asked }: AskedReverse): ReverseStatus {
  return {
    spec: formatReverseSpec(spec),
    listen: formatEndpoint(spec.listen),
    target: formatTarget(spec.target),
    route: route ?? null,
    asked: asked.map(({ peer, addresses, problem }) => ({
      ...{ peer, addresses: [...addresses], reason: problem === "" ? null : problem },
    })),
  };
}

function listenerStatus({ peer, addresses, rule }: Listening): ListenerStatus {
  return { peer, addresses: [...addresses], rule: rule === "" ? null : rule };
}

/** When it was, of two times of `performance.now`. */
function instantOf(then: number, now: number): string {
  return new Date(Date.now() - (now - then)).toISOString();
}
