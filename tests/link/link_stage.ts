/** Two nodes' factories, and the links that they make. */
import { BufferPool } from "../../src/buffer_pool.ts";
import { nodeAead } from "../../src/crypto/node_aead.ts";
import type { Channel, Link, LinkHealth, LinkOptions, LinkPath } from "../../src/link/link.ts";
import type { SessionDescription } from "../../src/link/session_description.ts";
import { WebRtcLinkFactory, type WebRtcLinkFactoryOptions } from "../../src/link/webrtc_link.ts";
import { chooseDatagramSockets } from "../../src/socket/choose_datagram_sockets.ts";
import { FakeTime } from "../fakes/fake_time.ts";
import { FakeNetwork, type Weather } from "../fakes/path_pair.ts";
import { ChannelLog } from "./channel_log.ts";

/** No timer, no operation and no resource may be left when a test is over. */
export const nothingLeft = { sanitizeOps: true, sanitizeResources: true } as const;

/** One end of a link, and what it was told. */
export class LinkLog {
  readonly link: Link;
  path: LinkPath | undefined;
  readonly healths: LinkHealth[] = [];
  readonly channels: ChannelLog[] = [];
  /** Why the link ended. */
  reason: string | undefined;
  /** Called with every channel that the other node opens. */
  onChannel: (channel: ChannelLog) => void = () => {};
  onDraining: () => void = () => {};
  readonly up: Promise<void>;
  readonly closed: Promise<string>;
  readonly #up = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<string>();

  constructor(link: Link) {
    this.link = link;
    this.up = this.#up.promise;
    this.closed = this.#closed.promise;
    link.handler = {
      handleUp: (path) => {
        this.path = path;
        this.#up.resolve();
      },
      handleHealth: (health) => this.healths.push(health),
      handleDraining: () => this.onDraining(),
      handleChannel: (channel) => this.#take(channel),
      handleClosed: (reason) => {
        this.reason = reason;
        this.#closed.resolve(reason);
      },
    };
  }

  /** Opens a channel. */
  open(label = "nas:22"): ChannelLog {
    return new ChannelLog(this.link.openChannel({ label, protocol: "aetherport-tcp/1" }));
  }

  #take(channel: Channel): void {
    const log = new ChannelLog(channel);
    this.channels.push(log);
    this.onChannel(log);
  }
}

/** How two ends are made. */
export interface JoinOptions {
  /** Of the node that offers. */
  readonly a?: LinkOptions;
  readonly z?: LinkOptions;
  /** What becomes of the descriptions on their way. */
  readonly carryOffer?: (offer: SessionDescription) => SessionDescription;
  readonly carryAnswer?: (answer: SessionDescription) => SessionDescription;
}

// Once, as a library that was loaded stays so.
const datagramSockets = await chooseDatagramSockets();

/** A node's factory, which asks no server and spends no time on choosing. */
export function createFactory(options: Partial<WebRtcLinkFactoryOptions> = {}): WebRtcLinkFactory {
  return new WebRtcLinkFactory({
    iceServers: [],
    pool: new BufferPool(),
    chooseSockets: () => Promise.resolve(datagramSockets),
    chooseAead: () => Promise.resolve({ provider: nodeAead, reason: "it is everywhere" }),
    ...options,
  });
}

/** Both ends of a link that begins to connect. */
export async function joinFactories(
  factories: { readonly a: WebRtcLinkFactory; readonly z: WebRtcLinkFactory },
  { a, z, carryOffer = (offer) => offer, carryAnswer = (answer) => answer }: JoinOptions = {},
): Promise<{ a: LinkLog; z: LinkLog }> {
  const offer = await factories.a.createOffer(a);
  const { answer, link } = await factories.z.acceptOffer(carryOffer(offer.description), z);
  return { z: new LinkLog(link), a: new LinkLog(offer.accept(carryAnswer(answer))) };
}

/** A link over a network in memory, in time that is not real. */
export interface FakeStage {
  readonly time: FakeTime;
  readonly network: FakeNetwork;
  readonly pool: BufferPool;
  /** The node that offers. */
  readonly a: LinkLog;
  readonly z: LinkLog;
}

/**
 * Runs a test with a link that begins to connect. At the end both links are closed, and nothing may
 * be left of them.
 */
export async function onFakeStage(
  options: Weather & JoinOptions & { readonly seed?: number },
  test: (stage: FakeStage) => Promise<void>,
): Promise<void> {
  using time = new FakeTime();
  const network = new FakeNetwork(options);
  const pool = new BufferPool();
  const factory = createFactory({ pool, createPath: network.createPath });
  const { a, z } = await joinFactories({ a: factory, z: factory }, options);
  await test({ time, network, pool, a, z });
  await Promise.all([a.link.close("the test is over"), z.link.close("the test is over")]);
  await time.pass(10_000);
  if (time.pendingCount > 0) throw new Error(`${time.pendingCount} timers are left`);
}

/** As `onFakeStage`, once the link is up. */
export function onFakeLink(
  options: Weather & JoinOptions & { readonly seed?: number },
  test: (stage: FakeStage) => Promise<void>,
): Promise<void> {
  return onFakeStage(options, async (stage) => {
    const { time, a, z } = stage;
    await time.passUntil(() => a.link.state === "up" && z.link.state === "up", "link");
    await test(stage);
  });
}
