/** The ingress side of streams: judges, dials and relays each one that a peer opens. */
import { getLogger } from "@logtape/logtape";
import type { Access, AccessPeer } from "../access/access.ts";
import { formatTarget, parseStreamTarget, type StreamTarget } from "../access/target.ts";
import type { BufferPool } from "../buffer_pool.ts";
import type { Channel } from "../link/link.ts";
import { SpecError } from "../socket/endpoint.ts";
import type { RefusalCode } from "../tunnel/control_message.ts";
import { tcpProtocol, TunnelStream } from "../tunnel/tunnel_stream.ts";
import { CommandRunner } from "./command_runner.ts";
import { DialError } from "./dial_error.ts";
import { dialTarget } from "./dial_target.ts";
import { greetTarget, type ProxyRule } from "./proxy_protocol.ts";
import { relay } from "./relay.ts";
import { parseReversedLabel } from "./reverse_protocol.ts";
import { StreamPort } from "./stream_port.ts";

const log = getLogger(["aetherport", "ingress"]);

/** Whose channels are served, and by which rules. */
export interface StreamIngressOptions {
  readonly access: Access;
  readonly peer: AccessPeer;
  readonly pool: BufferPool;
  /** None where they are left out. */
  readonly commands?: CommandRunner | undefined;
  /** Targets that are told of the client. */
  readonly proxyRules?: readonly ProxyRule[];
  /** The target of a reverse forward that this node asked for on the channel's link. */
  readonly reversedTarget?: (id: string) => StreamTarget | undefined;
}

const noCommands = new CommandRunner([]);

/** Serves one channel until its stream is over. Never throws. */
export async function serveStreamChannel(
  channel: Channel,
  options: StreamIngressOptions,
): Promise<void> {
  const { peer: asking, pool, proxyRules: rules = [], commands = noCommands } = options;
  const port = new StreamPort(new TunnelStream(channel, { role: "acceptor" }), { pool });
  const { name: peer } = asking;
  const target = judge(channel, options);
  if ("code" in target) {
    refuse(port, { peer, target: channel.label, ...target });
    return;
  }
  const abort = new AbortController();
  void port.closed.then(() => abort.abort());
  try {
    const connection = await dialTarget(target, {
      signal: abort.signal,
      startCommand: (name) => commands.start(name, peer),
    });
    await greetTarget(connection, { rules, target, peer: asking, client: port.client });
    port.stream.accept();
    const { closed, sent, received } = await relay(connection, port, { pool });
    const how = closed.how === "finished" ? "finished" : closed.reason;
    log.debug("{target} for {peer}: {how}, {sent} bytes out, {received} in", {
      event: "stream-closed",
      target: formatTarget(target),
      peer,
      how,
      sent,
      received,
    });
  } catch (error) {
    // The other side gave up while its target was dialled.
    if (abort.signal.aborted) return;
    const { code, message } = error instanceof DialError
      ? error
      : new DialError("unreachable", String(error));
    refuse(port, { peer, target: formatTarget(target), code, reason: message });
  }
}

function judge(
  channel: Channel,
  { access, peer, reversedTarget }: StreamIngressOptions,
): StreamTarget | { code: RefusalCode; reason: string } {
  if (channel.protocol !== tcpProtocol) {
    return { code: "malformed", reason: `this node does not speak ${quote(channel.protocol)}` };
  }
  const id = parseReversedLabel(channel.label);
  if (id !== undefined) {
    // This node asked for it: that is the permission, for this target alone.
    return reversedTarget?.(id) ?? { code: "denied", reason: "this node asked for nothing such" };
  }
  try {
    const target = parseStreamTarget(channel.label);
    const verdict = access.judge({ peer, wanted: target });
    return verdict.isAllowed ? target : { code: "denied", reason: verdict.reason };
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    return { code: "malformed", reason: error.message };
  }
}

function refuse(
  port: StreamPort,
  { peer, target, code, reason }: {
    peer: string;
    target: string;
    code: RefusalCode;
    reason: string;
  },
): void {
  log.warn("refused {target} to {peer}: {reason}", {
    event: "refused",
    target: quote(target),
    peer,
    code,
    reason,
  });
  port.stream.refuse(code, reason);
}

/** A peer's words in a log: bounded, one line, no control characters. */
export function quote(text: string): string {
  return /^[\w.:/[\]-]{1,260}$/.test(text) ? text : JSON.stringify(text.slice(0, 64));
}
