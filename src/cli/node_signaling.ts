/** What makes a node's links, and how it finds other nodes. */
import type { BufferPool } from "../buffer_pool.ts";
import type { IngressStatus } from "../control/control_answer.ts";
import type { AeadChoice } from "../crypto/choose_aead.ts";
import type { NodeIdentitySource } from "../identity/node_identity_source.ts";
import type { Link, LinkFactory, LinkObserver } from "../link/link.ts";
import { WebRtcLinkFactory } from "../link/webrtc_link.ts";
import { TtySignaling } from "../signaling/tty_signaling.ts";
import { AetherlightSignaling, type AetherlightUrls } from "./aetherlight_signaling.ts";
import { judgeOfNodes } from "./judges.ts";
import type { NodeOptions } from "./node_flags.ts";
import { print } from "./node_session.ts";

/** Signaling of either type, running. */
export interface Signaling {
  /** Resolves with the reason when it cannot go on; rejects likewise. */
  readonly failed: Promise<string>;
  /** Where this node waits for others. */
  ingresses(): readonly IngressStatus[];
  /** The ingress URLs that it calls. */
  routes(): readonly string[];
  /** Resolves when other nodes can come, wherever they were to be waited for. */
  readonly waiting: Promise<unknown>;
  close(): Promise<void> | void;
}

/** What either type of signaling works with. */
export interface SignalingParts {
  readonly options: Pick<NodeOptions, "allowedPeers">;
  readonly factory: LinkFactory;
  readonly identities: NodeIdentitySource | undefined;
  /** Whether the first link that fails ends it all. */
  readonly exitOnFailure: boolean;
  /** Hands a link on; the route is the ingress URL that it came from. */
  readonly adopt: (link: Link, observer: LinkObserver, route?: string) => void;
}

/** Makes what makes links, which chooses at once how; `hold` is in ms. */
export function createLinkFactory(
  { iceServers, isRelayOnly, hold }: NodeOptions & { readonly hold?: number | undefined },
  { identities, pool, aead }: {
    readonly identities: NodeIdentitySource | undefined;
    readonly pool: BufferPool;
    /** What protects records, where that is being chosen already. */
    readonly aead?: Promise<AeadChoice>;
  },
): LinkFactory {
  const factory = new WebRtcLinkFactory({
    iceServers,
    isRelayOnly,
    pool,
    ...(aead === undefined ? {} : { chooseAead: () => aead }),
    ...(hold === undefined ? {} : { hold }),
    ...(identities === undefined ? {} : { certificate: () => identities.current() }),
  });
  void factory.choose();
  return factory;
}

/** By texts on stdin and stdout. */
export function startTty(
  { options, factory, identities, exitOnFailure, adopt }: SignalingParts,
  { isOffering }: { readonly isOffering: boolean },
): Signaling {
  const signaling = new TtySignaling({
    factory,
    judge: async () => judgeOfNodes(await identities?.current(), options.allowedPeers),
    isOffering,
    exitOnFailure,
    input: Deno.stdin.readable.pipeThrough(new TextDecoderStream()),
    print,
    adopt,
  });
  return {
    failed: signaling.run(),
    ingresses: () => [],
    routes: () => [],
    waiting: Promise.resolve(),
    close: () => signaling.close(),
  };
}

/** By signaling servers: waits for nodes at some, and calls ingresses. */
export async function startAetherlight(
  { identities, ...parts }: SignalingParts,
  urls: AetherlightUrls,
): Promise<AetherlightSignaling> {
  if (identities === undefined) throw new Error("aetherlight needs an identity");
  const signaling = new AetherlightSignaling({ ...parts, identities });
  await signaling.replace(urls);
  return signaling;
}
