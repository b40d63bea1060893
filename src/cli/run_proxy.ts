/** Runs a node from the proxy's options until it fails or is told to stop. */
import { getLogger } from "@logtape/logtape";
import type { BufferPool } from "../buffer_pool.ts";
import { CommandRunner } from "../forward/command_runner.ts";
import { formatReverseSpec } from "../forward/reverse_spec.ts";
import { formatServedSpec } from "../forward/served_spec.ts";
import { Node, type RoutedForward } from "../node/node.ts";
import type { RoutedReverse } from "../node/reverse_forwards.ts";
import type { Changeable } from "./follow_config.ts";
import { ForwardSet } from "./forward_set.ts";
import { onHangUp, untilHungUp } from "./hang_up.ts";
import { openAccess } from "./node_access.ts";
import { openIdentities } from "./node_identities.ts";
import { closeAll, runSession } from "./node_session.ts";
import type { Signaling, SignalingParts } from "./node_signaling.ts";
import type { ProxyControl } from "./proxy_control.ts";
import type { ProxyConfig, ProxyOptions } from "./proxy_command.ts";
import { joinStdio, untilStdioStopped } from "./run_stdio.ts";
import {
  isServiceManaged,
  LinkStatus,
  notifyReady,
  notifyStopping,
  startWatchdog,
} from "./service_manager.ts";
import { untilStopped } from "./stop_signals.ts";

const log = getLogger(["aetherport", "cli"]);

/**
 * Resolves when the node was told to stop. Throws BadInput, or LoggedFailure when it cannot go on.
 */
export async function runProxy(options: ProxyOptions, config?: ProxyConfig): Promise<void> {
  await runSession(options.logging, (pool) => runNode({ options, config, pool }));
}

async function runNode(
  { options, config, pool }: {
    readonly options: ProxyOptions;
    readonly config: ProxyConfig | undefined;
    readonly pool: BufferPool;
  },
): Promise<void> {
  // From the start on: SIGHUP would end a process that does not listen to it.
  if (isServiceManaged()) onHangUp(() => {});
  const running = Promise.withResolvers<Changeable>();
  const following = config === undefined ? undefined : await follow(config, running.promise);
  const identities = await openIdentities(options);
  const commands = new CommandRunner(options.commands, options.secretVariables);
  const rules = await openAccess(options);
  const { access } = rules;
  const { proxyRules, udpIdle, stdio } = options;
  const node = new Node({ access, pool, commands, proxyRules, udpIdle });
  let signaling: Signaling | undefined;
  let control: ProxyControl | undefined;
  try {
    const forwards = new ForwardSet<RoutedForward>({
      add: (forward) => node.addForward(forward),
      remove: (forward) => node.removeForward(forward),
      has: (forward) => node.hasForward(forward),
      format: ({ spec }) => formatServedSpec(spec),
    });
    const reverses = new ForwardSet<RoutedReverse>({
      add: (reverse) => node.addReverse(reverse),
      remove: (reverse) => node.removeReverse(reverse),
      has: () => true,
      format: ({ spec }) => formatReverseSpec(spec),
    });
    await forwards.begin(options.forwards);
    await reverses.begin(options.reverses);
    // Links take longer to load than listeners: connections may wait for them already. The choice
    // takes another process for a while, which goes on meanwhile.
    const { chooseAead } = await import("../crypto/choose_aead.ts");
    const aead = chooseAead();
    const { createLinkFactory, startAetherlight, startTty } = await import("./node_signaling.ts");
    const factory = createLinkFactory(options, { identities, pool, aead });
    const status = new LinkStatus("no link is up");
    const adopt: SignalingParts["adopt"] = (link, observer, route) =>
      node.adopt(link, status.watch(observer), route);
    const trust = { allowedPeers: options.allowedPeers };
    const { exitOnFailure } = options;
    const parts = { options: trust, factory, identities, exitOnFailure, adopt };
    const aetherlight = options.signaling.type === "tty"
      ? undefined
      : await startAetherlight(parts, options.signaling);
    const isOffering = options.forwards.length + options.reverses.length > 0;
    signaling = aetherlight ?? startTty(parts, { isOffering });
    void signaling.waiting.then(() => {
      notifyReady(status.text);
      startWatchdog();
    });
    running.resolve({ node, forwards, reverses, aetherlight, trust, rules, commands, status });
    // Signals are heard before there is a socket that is to be removed.
    const ended = Promise.race([signaling.failed, untilEnded(stdio, { node, pool })]);
    ended.catch(() => {});
    const { openProxyControl } = await import("./proxy_control.ts");
    control = await openProxyControl(options, { node, signaling, identities });
    const failure = await ended;
    if (failure !== undefined) throw new Error(failure);
    if (stdio === undefined) log.info("ending; once more to end at once", { event: "ending" });
  } finally {
    notifyStopping();
    following?.close();
    control?.close();
    await closeAll([signaling?.close(), node.close("this node is ending"), commands.close()]);
    commands.kill();
  }
}

/** Resolves when the node was told to end, or what stdin and stdout are joined to has ended. */
function untilEnded(
  stdio: ProxyOptions["stdio"],
  parts: { readonly node: Node; readonly pool: BufferPool },
): Promise<void> {
  if (stdio === undefined) return Promise.race([untilStopped(), untilHungUp()]);
  return Promise.race([joinStdio(stdio, parts), untilStdioStopped()]);
}

/** What follows a config file is loaded by those only that have one. */
async function follow(
  config: ProxyConfig,
  running: Promise<Changeable>,
): Promise<{ close(): void }> {
  const { followConfig } = await import("./follow_config.ts");
  for (const warning of config.first.warnings) log.warn("{warning}", { event: "config", warning });
  return followConfig(config, running);
}
