/** What a listener was admitted with: the connections that come share it, and end with it. */
import type { Grant, GrantSummary, Sharing } from "../access/access.ts";
import type { StreamPort } from "./stream_port.ts";

/** One listener's; it is kept for as long as a connection that came is open. */
export class ListenGrant {
  readonly #grant: Grant;
  readonly #ports = new Set<StreamPort>();
  readonly #moved = { up: 0, down: 0 };
  #how: string | undefined;

  constructor(grant: Grant) {
    this.#grant = grant;
  }

  /** The name of the rule that allows it; empty where rules have none. */
  get rule(): string {
    return this.#grant.rule;
  }

  /** Whether one more connection may come. */
  share(): Sharing {
    return this.#grant.share();
  }

  /** Listens at these addresses. */
  handleBound(addresses: readonly string[]): void {
    this.#grant.handleDialled(addresses.join(" and "));
  }

  /** A connection goes back over this stream. */
  add(port: StreamPort): void {
    this.#ports.add(port);
  }

  /** It is over, and so much has moved. */
  remove(port: StreamPort, { up, down }: Omit<GrantSummary, "how">): void {
    this.#ports.delete(port);
    this.#moved.up += up;
    this.#moved.down += down;
    this.#releaseWhenOver();
  }

  /** It is no longer allowed. */
  end(reason: string): void {
    for (const { stream } of this.#ports) stream.reset(reason);
  }

  /** Nothing is listened on any more; only the first call says how that came. */
  release(how: string): void {
    this.#how ??= how;
    this.#releaseWhenOver();
  }

  #releaseWhenOver(): void {
    if (this.#how === undefined || this.#ports.size > 0) return;
    this.#grant.release({ how: this.#how, ...this.#moved });
  }
}
