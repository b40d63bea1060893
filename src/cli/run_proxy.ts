/** Runs a node from the proxy's options until it fails or is told to stop. */
import { getLogger } from "@logtape/logtape";
import { AllowList } from "../access/allow_list.ts";
import type { BufferPool } from "../buffer_pool.ts";
import { Node } from "../node/node.ts";
import { openIdentities } from "./node_identities.ts";
import { closeAll, runSession } from "./node_session.ts";
import type { SignalingParts } from "./node_signaling.ts";
import type { ProxyOptions } from "./proxy_command.ts";
import { untilStopped } from "./stop_signals.ts";

const log = getLogger(["aetherport", "cli"]);

/**
 * Resolves when the node was told to stop. Throws BadInput, or LoggedFailure when it cannot go on.
 */
export async function runProxy(options: ProxyOptions): Promise<void> {
  await runSession(options.logging, (pool) => runNode(options, pool));
}

async function runNode(options: ProxyOptions, pool: BufferPool): Promise<void> {
  const identities = await openIdentities(options);
  const { forwards, allows, exitOnFailure } = options;
  const node = new Node({ access: new AllowList(allows), pool });
  for (const forward of forwards) node.addForward(forward);
  // Links take longer to load than listeners: connections may wait for them already. The choice
  // takes another process for a while, which goes on meanwhile.
  const { chooseAead } = await import("../crypto/choose_aead.ts");
  const aead = chooseAead();
  const { createLinkFactory, startAetherlight, startTty } = await import("./node_signaling.ts");
  const factory = createLinkFactory(options, { identities, pool, aead });
  const adopt: SignalingParts["adopt"] = (...link) => node.adopt(...link);
  const parts = { options, factory, identities, exitOnFailure, adopt };
  const signaling = options.signaling.type === "tty"
    ? startTty(parts, { isOffering: forwards.length > 0 })
    : await startAetherlight(parts, options.signaling);
  // Signals are heard before there is a socket that is to be removed.
  const ended = Promise.race([signaling.failed, untilStopped()]);
  ended.catch(() => {});
  const { openProxyControl } = await import("./proxy_control.ts");
  const control = await openProxyControl(options, { node, signaling, identities });
  try {
    const failure = await ended;
    if (failure !== undefined) throw new Error(failure);
    log.info("ending; once more to end at once", { event: "ending" });
  } finally {
    control?.close();
    await closeAll([signaling.close(), node.close("this node is ending")]);
  }
}
