/** Links joined in memory, over fake channels. */
import type {
  Channel,
  ChannelOptions,
  Link,
  LinkHandler,
  LinkHealth,
  LinkPath,
  LinkState,
} from "../../src/link/link.ts";
import type { Candidate } from "../../src/link/session_description.ts";
import { FakeChannel, type FakeChannelOptions, Lane, type Pace } from "./channel_pair.ts";

const path: LinkPath = { local: "192.0.2.1:1000", remote: "192.0.2.2:2000", isRelayed: false };

/** How the channels of a fake link behave, and how many there may be. */
export interface FakeLinkOptions extends FakeChannelOptions {
  readonly pace?: Pace;
  readonly peerFingerprint?: string;
  readonly maxChannelCount?: number;
}

/** One end of a link. */
export class FakeLink implements Link {
  readonly peerFingerprint: string;
  readonly peer = undefined;
  readonly path = path;
  readonly traffic: Link["traffic"] = undefined;
  /** A test may set it. */
  silence = 0;
  readonly #opened = Promise.withResolvers<void>();
  /** Resolves when a channel was opened here. */
  readonly opened = this.#opened.promise;
  handler: LinkHandler | undefined;
  /** The further candidates of the other side, undefined for their end. */
  readonly candidates: (Candidate | undefined)[] = [];
  /** The channels that are not closed. */
  readonly channels = new Set<FakeChannel>();
  readonly #options: FakeLinkOptions;
  readonly #lane: Lane;
  #state: LinkState = "connecting";
  #other: FakeLink | undefined;

  constructor(options: FakeLinkOptions = {}) {
    this.#options = options;
    this.#lane = new Lane(options.pace ?? "microtask");
    this.peerFingerprint = options.peerFingerprint ?? Array(32).fill("AB").join(":");
  }

  get state(): LinkState {
    return this.#state;
  }

  /** The other end, once they are joined. */
  get other(): FakeLink | undefined {
    return this.#other;
  }

  join(other: FakeLink): void {
    this.#other = other;
  }

  addCandidate(candidate: Candidate | undefined): void {
    this.candidates.push(candidate);
  }

  /** Becomes usable. */
  goUp(): void {
    if (this.#state !== "connecting") return;
    this.#state = "up";
    this.handler?.handleUp(path);
  }

  openChannel(options: ChannelOptions): Channel {
    const peer = this.#other;
    if (this.#state !== "up" || peer === undefined) throw new Error("the link is not up");
    if (this.channels.size >= (this.#options.maxChannelCount ?? Infinity)) {
      throw new Error("the link has no free channel");
    }
    const own = this.#newChannel(options);
    const other = peer.#newChannel(options);
    own.join(other);
    other.join(own);
    this.#lane.push(() => peer.handler?.handleChannel(other));
    this.#opened.resolve();
    return own;
  }

  drain(reason: string): void {
    if (this.#state === "up") {
      this.#state = "draining";
      this.handler?.handleDraining?.();
    }
    if (this.channels.size === 0) void this.close(reason);
  }

  /** The other node is heard no more, or again. */
  setHealth(health: LinkHealth): void {
    this.silence = { heard: 0, silent: 3_000, unreachable: 30_000 }[health];
    this.handler?.handleHealth?.(health);
  }

  /** Ends this end, and the other one a moment later. */
  close(reason: string): Promise<void> {
    if (this.#state !== "closed") {
      this.fail(reason);
      this.#lane.push(() => this.#other?.fail("the other node closed the link"));
    }
    return Promise.resolve();
  }

  /** This end has ended. */
  fail(reason: string): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    for (const channel of this.channels) channel.fail();
    this.handler?.handleClosed(reason);
  }

  #newChannel(options: ChannelOptions): FakeChannel {
    const channel = new FakeChannel(
      this.#lane,
      { ...this.#options, ...options },
      (closed) => this.channels.delete(closed),
    );
    this.channels.add(channel);
    return channel;
  }
}

/** Two joined links that are still connecting. */
export function linkPair(options: FakeLinkOptions = {}): { a: FakeLink; z: FakeLink } {
  const [a, z] = [new FakeLink(options), new FakeLink(options)];
  a.join(z);
  z.join(a);
  return { a, z };
}
