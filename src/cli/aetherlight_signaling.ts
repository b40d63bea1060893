/** Signaling by servers: all places where a node waits and all ingresses it calls, which may change. */
import type { IngressStatus } from "../control/control_answer.ts";
import type { NodeIdentitySource } from "../identity/node_identity_source.ts";
import { AetherlightEgress } from "../signaling/aetherlight_egress.ts";
import { AetherlightIngress } from "../signaling/aetherlight_ingress.ts";
import { proxyForUrl } from "../socket/proxy.ts";
import { judgeOfCallers, judgeOfIngress } from "./judges.ts";
import { print } from "./node_session.ts";
import type { Signaling, SignalingParts } from "./node_signaling.ts";

/** Where a node waits, and whom it calls. */
export interface AetherlightUrls {
  readonly baseUrls: readonly string[];
  readonly ingressUrls: readonly string[];
}

/** What a change did, in numbers of URLs of either kind. */
export interface AetherlightChange {
  readonly added: number;
  readonly removed: number;
  /** The ingress URLs that are called no more. */
  readonly endedRoutes: readonly string[];
}

/** What signaling by servers works with. */
export interface AetherlightParts extends SignalingParts {
  readonly identities: NodeIdentitySource;
}

/** Signaling of one node, running. */
export class AetherlightSignaling implements Signaling {
  readonly failed: Promise<string>;
  readonly #parts: AetherlightParts;
  /** By base URL. */
  readonly #ingresses = new Map<string, AetherlightIngress>();
  /** By ingress URL. */
  readonly #egresses = new Map<string, AetherlightEgress>();
  readonly #failed = Promise.withResolvers<string>();

  constructor(parts: AetherlightParts) {
    this.#parts = parts;
    this.failed = this.#failed.promise;
    // Whoever runs it awaits it; before that nobody may.
    this.failed.catch(() => {});
  }

  /**
   * Waits and calls at these URLs and no others; what goes on at those that were there before is not
   * disturbed, and links are their node's. Throws BadInput where a base URL is none, and has changed
   * nothing then.
   */
  async replace({ baseUrls, ingressUrls }: AetherlightUrls): Promise<AetherlightChange> {
    // What is wrong in their variables is told before anything is tried.
    for (const url of [...baseUrls, ...ingressUrls]) proxyForUrl(url);
    const bases = compare(this.#ingresses, baseUrls);
    const opened = await Promise.all(
      bases.added.map(async (url) => [url, await this.#open(url)] as const),
    );
    await Promise.all(bases.removed.map((url) => this.#endIngress(url)));
    const calls = compare(this.#egresses, ingressUrls);
    for (const url of calls.removed) this.#endEgress(url);
    for (const url of calls.added) this.#call(url);
    for (const [url, ingress] of opened) this.#wait(url, ingress);
    return {
      added: bases.added.length + calls.added.length,
      removed: bases.removed.length + calls.removed.length,
      endedRoutes: calls.removed,
    };
  }

  ingresses(): IngressStatus[] {
    return [...this.#ingresses.values()].map(ingressStatus);
  }

  /** Resolves when other nodes can come to each of the places that there are now. */
  get waiting(): Promise<unknown> {
    return Promise.all([...this.#ingresses.values()].map(({ waiting }) => waiting));
  }

  routes(): string[] {
    return [...this.#egresses.keys()];
  }

  async close(): Promise<void> {
    for (const egress of this.#egresses.values()) egress.close();
    await Promise.all([...this.#ingresses.values()].map((ingress) => ingress.close()));
  }

  #open(baseUrl: string): Promise<AetherlightIngress> {
    const { options, identities, factory, exitOnFailure, adopt } = this.#parts;
    return AetherlightIngress.open({
      ...{ baseUrl, identities, factory, exitOnFailure, adopt },
      judgeOf: (identity) => judgeOfCallers(identity, options.allowedPeers),
    });
  }

  #wait(url: string, ingress: AetherlightIngress): void {
    this.#ingresses.set(url, ingress);
    ingress.failed.then(this.#failed.resolve, this.#failed.reject);
    print(ingress.url);
    ingress.start();
  }

  #call(ingressUrl: string): void {
    const { identities, factory, exitOnFailure, adopt } = this.#parts;
    const egress = new AetherlightEgress({
      ...{ ingressUrl, identities, factory, exitOnFailure },
      judgeOf: judgeOfIngress,
      adopt: (link, observer) => adopt(link, observer, ingressUrl),
    });
    this.#egresses.set(ingressUrl, egress);
    // It only ends by failing, or when it is closed.
    egress.run().catch(this.#failed.reject);
  }

  async #endIngress(url: string): Promise<void> {
    const ingress = this.#ingresses.get(url);
    this.#ingresses.delete(url);
    await ingress?.close();
  }

  #endEgress(url: string): void {
    this.#egresses.get(url)?.close();
    this.#egresses.delete(url);
  }
}

function ingressStatus({ url, state }: AetherlightIngress): IngressStatus {
  if (state.name !== "backing-off") return { url, state: state.name, reason: null };
  return { url, state: "unreachable", reason: state.error.message };
}

function compare(current: ReadonlyMap<string, unknown>, wanted: readonly string[]) {
  return {
    added: [...new Set(wanted)].filter((url) => !current.has(url)),
    removed: [...current.keys()].filter((url) => !wanted.includes(url)),
  };
}
