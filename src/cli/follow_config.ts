/** Lets a running node follow its config file. */
import { getLogger } from "@logtape/logtape";
import type { CommandRunner } from "../forward/command_runner.ts";
import { formatServedSpec } from "../forward/served_spec.ts";
import type { Node, RoutedForward } from "../node/node.ts";
import type { RoutedReverse } from "../node/reverse_forwards.ts";
import type { AetherlightSignaling } from "./aetherlight_signaling.ts";
import { ConfigReload } from "./config_reload.ts";
import { ConfigWatch } from "./config_watch.ts";
import type { ForwardSet } from "./forward_set.ts";
import { configureLogging } from "./logging.ts";
import type { NodeRules } from "./node_access.ts";
import { notifyReady, notifyReloading } from "./service_manager.ts";
import type { LoadedProxy, ProxyConfig } from "./proxy_command.ts";

const log = getLogger(["aetherport", "cli"]);

/** What of a running node a file can change. */
export interface Changeable {
  readonly node: Pick<Node, "drainRoute" | "forwards" | "judgeListeners" | "removeForward">;
  readonly forwards: ForwardSet<RoutedForward>;
  readonly reverses: ForwardSet<RoutedReverse>;
  /** Undefined where texts are pasted. */
  readonly aetherlight: AetherlightSignaling | undefined;
  /** Whom signaling lets in; asked at each link. */
  readonly trust: { allowedPeers: readonly string[] };
  readonly rules: NodeRules;
  readonly commands: Pick<CommandRunner, "replace">;
  /** What the service manager is told. */
  readonly status: { readonly text: string };
}

/** The flags, by attribute, that are put into force while the node runs. */
const applied: ReadonlySet<string> = new Set([
  // Whether it has really changed is seen by what it led to.
  "signalType",
  "forward",
  "reverse",
  "socks",
  "socksAuthFile",
  "allow",
  "allowExec",
  "allowListen",
  "allowPeer",
  "aetherlightBaseUrl",
  "aetherlightIngressUrl",
  "verbose",
  "quiet",
  "logFormat",
]);

/** Follows the file until closed; what changes before the node is running waits for that. */
export function followConfig(
  config: ProxyConfig,
  running: Promise<Changeable>,
): { close(): void } {
  const reload = new ConfigReload({
    ...{ config, applied },
    apply: async (loaded) => await apply(loaded, await running),
    handleBegin: notifyReloading,
    handleEnd: () => void running.then(({ status }) => notifyReady(status.text)),
  });
  return new ConfigWatch(config.path, reload);
}

async function apply(
  { options }: LoadedProxy,
  { node, forwards, reverses, aetherlight, trust, rules, commands }: Changeable,
): Promise<Readonly<Record<string, number>>> {
  const { signaling } = options;
  // These two may fail, and nothing is changed then.
  const putInForce = await rules.prepare(options);
  const change = await aetherlight?.replace(
    signaling.type === "tty" ? { baseUrls: [], ingressUrls: [] } : signaling,
  );
  for (const route of change?.endedRoutes ?? []) {
    node.drainRoute(route, "the config file names its peer no more");
  }
  putInForce();
  commands.replace(options.commands);
  node.judgeListeners();
  trust.allowedPeers = options.allowedPeers;
  configureLogging(options.logging);
  dropForwards(change?.endedRoutes ?? [], { node, forwards });
  // Links that are made by pasted texts have no route.
  const isRouted = aetherlight !== undefined;
  const { added, removed, kept } = await forwards.replace(
    isRouted ? options.forwards : options.forwards.map(withoutRoute),
  );
  const reversed = await reverses.replace(
    isRouted ? options.reverses : options.reverses.map(withoutRoute),
  );
  return {
    ...{ forwardsAdded: added, forwardsRemoved: removed, forwardsKept: kept },
    ...{ reversesAdded: reversed.added, reversesRemoved: reversed.removed },
    allowRules: options.allows.length,
    ...{ peersAdded: change?.added ?? 0, peersRemoved: change?.removed ?? 0 },
  };
}

/** Removes what was added while the node ran, and leads nowhere now. */
function dropForwards(
  endedRoutes: readonly string[],
  { node, forwards }: Pick<Changeable, "node" | "forwards">,
): void {
  for (const forward of node.forwards().keys()) {
    const { spec, route } = forward;
    const isEnded = route !== undefined && endedRoutes.includes(route);
    if (!isEnded || forwards.includes(forward)) continue;
    node.removeForward(forward);
    log.warn("the forward {spec} is removed: the config file names its peer no more", {
      ...{ event: "forward-dropped", spec: formatServedSpec(spec), route },
    });
  }
}

function withoutRoute<Spec>({ spec }: { readonly spec: Spec }) {
  return { spec, route: undefined };
}
