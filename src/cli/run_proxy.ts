/** Runs a node from the proxy's options until it fails or is told to stop. */
import { getLogger } from "@logtape/logtape";
import { AllowList } from "../access/allow_list.ts";
import { BadInput } from "../bad_input.ts";
import { BufferPool } from "../buffer_pool.ts";
import { type Judge, judgeByChain, judgeByKeyId } from "../identity/judge.ts";
import { expiryWarning, type NodeIdentity } from "../identity/node_identity.ts";
import { NodeIdentitySource } from "../identity/node_identity_source.ts";
import type { LinkFactory } from "../link/link.ts";
import { WebRtcLinkFactory } from "../link/webrtc_link.ts";
import { Node } from "../node/node.ts";
import { AetherlightEgress } from "../signaling/aetherlight_egress.ts";
import { AetherlightIngress } from "../signaling/aetherlight_ingress.ts";
import { TtySignaling } from "../signaling/tty_signaling.ts";
import { LoggedFailure } from "./logged_failure.ts";
import { configureLogging } from "./logging.ts";
import type { ProxyOptions, SignalingOptions } from "./proxy_command.ts";
import { untilStopped } from "./stop_signals.ts";

const log = getLogger(["aetherport", "cli"]);

/** How often memory that nobody needs any more is looked for, in ms. */
const trimInterval = 5_000;
/** The other nodes hear of the end within this, in ms. */
const shutdownTimeout = 2_000;

/** Signaling of either type, running. */
interface Signaling {
  /** Resolves with the reason when it cannot go on; rejects likewise. */
  readonly failed: Promise<string>;
  close(): Promise<void> | void;
}

/** What either type of signaling works with. */
interface Parts {
  readonly options: ProxyOptions;
  readonly node: Node;
  readonly factory: LinkFactory;
  readonly identities: NodeIdentitySource | undefined;
}

/**
 * Resolves when the node was told to stop. Throws BadInput, or LoggedFailure when it cannot go on.
 */
export async function runProxy(options: ProxyOptions): Promise<void> {
  await configureLogging(options.logging);
  surviveStrayRejections();
  const pool = new BufferPool();
  const trimming = setInterval(() => pool.trim(performance.now()), trimInterval);
  Deno.unrefTimer(trimming);
  try {
    await runNode(options, pool);
  } catch (error) {
    if (error instanceof BadInput) throw error;
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    log.error("{message}", { event: "failed", message });
    log.debug("{stack}", { event: "failed", stack });
    throw new LoggedFailure(message);
  } finally {
    clearInterval(trimming);
  }
}

async function runNode(options: ProxyOptions, pool: BufferPool): Promise<void> {
  const identities = await openIdentities(options);
  const node = new Node({
    forwards: options.forwards,
    allowList: new AllowList(options.allows),
    pool,
  });
  const factory = new WebRtcLinkFactory({
    iceServers: options.iceServers,
    isRelayOnly: options.isRelayOnly,
    ...(options.hold === undefined ? {} : { hold: options.hold }),
    pool,
    ...(identities === undefined ? {} : { certificate: () => identities.current() }),
  });
  node.listen();
  void factory.choose();
  const signaling = await startSignaling({ options, node, factory, identities });
  try {
    const failure = await Promise.race([signaling.failed, untilStopped()]);
    if (failure !== undefined) throw new Error(failure);
    log.info("ending; once more to end at once", { event: "ending" });
  } finally {
    await Promise.race([
      Promise.all([signaling.close(), node.close("this node is ending")]),
      delay(shutdownTimeout),
    ]);
  }
}

async function openIdentities(
  { identityFiles }: ProxyOptions,
): Promise<NodeIdentitySource | undefined> {
  if (identityFiles === undefined) return undefined;
  const warn = (problem: string) => log.warn("{problem}", { event: "identity", problem });
  const identities = await NodeIdentitySource.open(identityFiles, { warn });
  const warning = expiryWarning(await identities.current(), Date.now());
  if (warning !== undefined) warn(warning);
  return identities;
}

function startSignaling(parts: Parts): Promise<Signaling> | Signaling {
  const { signaling } = parts.options;
  return signaling.type === "tty" ? startTty(parts) : startAetherlight(parts, signaling);
}

function startTty({ options, node, factory, identities }: Parts): Signaling {
  const signaling = new TtySignaling({
    factory,
    judge: async () => judgeOfNodes(await identities?.current(), options.allowedPeers),
    isOffering: options.forwards.length > 0,
    exitOnFailure: options.exitOnFailure,
    input: Deno.stdin.readable.pipeThrough(new TextDecoderStream()),
    print,
    adopt: (link, observer) => node.adopt(link, observer),
  });
  return { failed: signaling.run(), close: () => signaling.close() };
}

async function startAetherlight(
  { options, node, factory, identities }: Parts,
  { baseUrls, ingressUrls }: Extract<SignalingOptions, { type: "aetherlight" }>,
): Promise<Signaling> {
  if (identities === undefined) throw new Error("aetherlight needs an identity");
  const common = { identities, factory, exitOnFailure: options.exitOnFailure };
  const ingresses = await Promise.all(baseUrls.map((baseUrl) =>
    AetherlightIngress.open({
      ...common,
      baseUrl,
      judgeOf: (identity) => judgeOfNodes(identity, options.allowedPeers) ?? nobody,
      adopt: (link, observer) => node.adopt(link, observer),
    })
  ));
  const egresses = ingressUrls.map((ingressUrl) =>
    new AetherlightEgress({
      ...common,
      ingressUrl,
      judgeOf: judgeOfIngress,
      adopt: (link, observer) => node.adopt(link, observer, ingressUrl),
    })
  );
  for (const ingress of ingresses) {
    print(ingress.url);
    ingress.start();
  }
  // Calls only end by failing, or when they are closed.
  const calls = egresses.map((egress) => egress.run().then(() => new Promise<never>(() => {})));
  return {
    failed: Promise.race([...calls, ...ingresses.map(({ failed }) => failed)]),
    close: async () => {
      for (const egress of egresses) egress.close();
      await Promise.all(ingresses.map((ingress) => ingress.close()));
    },
  };
}

/**
 * Nodes are admitted for a trusted authority or for their key. Undefined where neither is named:
 * then the pasted texts alone say who it is.
 */
function judgeOfNodes(
  identity: NodeIdentity | undefined,
  allowedPeers: readonly string[],
): Judge | undefined {
  const byKeyId = allowedPeers.length === 0 ? undefined : judgeByKeyId(new Set(allowedPeers));
  const hasTrust = identity !== undefined && identity.trust.cas.length > 0;
  const byChain = hasTrust ? judgeByChain(identity.trust) : undefined;
  if (byKeyId === undefined || byChain === undefined) return byKeyId ?? byChain;
  return (chain, now) => {
    const verdict = byKeyId(chain, now);
    return verdict.ok ? verdict : byChain(chain, now);
  };
}

/** New certificate files may have come without authorities. */
const nobody: Judge = () => ({
  ok: false,
  reason: "neither --cacert nor --allow-peer admits any node",
});

/** The ingress URL names the ingress's key; where there are authorities, they must vouch too. */
function judgeOfIngress({ trust }: NodeIdentity, ingressId: string): Judge {
  const byKeyId = judgeByKeyId(new Set([ingressId]));
  if (trust.cas.length === 0) return byKeyId;
  const byChain = judgeByChain(trust);
  return (chain, now) => {
    const verdict = byKeyId(chain, now);
    return verdict.ok ? byChain(chain, now) : verdict;
  };
}

/** Prints an offer, an answer or an ingress URL: all that the proxy writes to stdout. */
function print(text: string): void {
  let rest = new TextEncoder().encode(`${text}\n`);
  while (rest.length > 0) rest = rest.subarray(Deno.stdout.writeSync(rest));
}

/** A fault in one link is not to end the others. */
function surviveStrayRejections(): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log.error("unexpected: {reason}", { event: "unexpected", reason: event.reason });
  });
}

function delay(duration: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, duration));
}
