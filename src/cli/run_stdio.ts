/** `--stdio`: joins stdin and stdout to a target, once. */
import { getLogger } from "@logtape/logtape";
import { formatTarget } from "../access/target.ts";
import type { BufferPool } from "../buffer_pool.ts";
import { StreamEgress } from "../forward/stream_egress.ts";
import type { Node } from "../node/node.ts";
import { StdioConnection } from "../socket/stdio_connection.ts";
import { LoggedFailure } from "./logged_failure.ts";
import type { RoutedTarget } from "./proxy_command.ts";
import { stopSignals, untilStopped } from "./stop_signals.ts";

const log = getLogger(["aetherport", "cli"]);

/**
 * Resolves when both ways have ended and the other node knows. Throws LoggedFailure where the target
 * was not reached, and an Error where either side broke off.
 */
export async function joinStdio(
  { target, route }: RoutedTarget,
  { node, pool }: { readonly node: Node; readonly pool: BufferPool },
): Promise<void> {
  const egress = new StreamEgress({ links: { acquire: () => node.acquire(route) }, pool });
  const connection = new StdioConnection();
  const port = await egress.connect(connection.remote, target);
  if (port === undefined) throw new LoggedFailure(`no way to ${formatTarget(target)}`);
  const closed = await egress.carry(connection, port, target);
  if (closed.how === "refused") throw new LoggedFailure(closed.reason);
  if (closed.how === "reset") {
    throw new Error(`${formatTarget(target)} was broken off: ${closed.reason}`);
  }
  await port.released;
}

/**
 * Rejects at the first signal, with LoggedFailure: ssh sends its ProxyCommand SIGHUP whenever it ends,
 * and its user is not to read of that.
 */
export async function untilStdioStopped(): Promise<never> {
  await untilStopped(Deno.build.os === "windows" ? stopSignals : ["SIGHUP", ...stopSignals]);
  const message = "told to end before the stream had ended";
  log.info(message, { event: "ending" });
  throw new LoggedFailure(message);
}
