/** The ingress side of TCP forwarding: judges, dials and relays each stream a peer opens. */
import { getLogger } from "@logtape/logtape";
import type { AllowList } from "../access/allow_list.ts";
import type { BufferPool } from "../buffer_pool.ts";
import type { Channel } from "../link/link.ts";
import { type Endpoint, parseEndpoint, SpecError } from "../socket/endpoint.ts";
import type { RefusalCode } from "../tunnel/control_message.ts";
import { tcpProtocol, TunnelStream } from "../tunnel/tunnel_stream.ts";
import { DialError, dialTarget } from "./dial_target.ts";
import { relay } from "./relay.ts";
import { StreamPort } from "./stream_port.ts";

const log = getLogger(["aetherport", "ingress"]);

/** Serves one channel until its stream is over. Never throws. */
export async function serveTcpChannel(
  channel: Channel,
  { allowList, peer, pool }: { allowList: AllowList; peer: string; pool: BufferPool },
): Promise<void> {
  const port = new StreamPort(new TunnelStream(channel, { role: "acceptor" }), { pool });
  const target = judge(channel, allowList);
  if ("code" in target) {
    refuse(port, { peer, target: channel.label, ...target });
    return;
  }
  const abort = new AbortController();
  void port.closed.then(() => abort.abort());
  try {
    const connection = await dialTarget(target, { signal: abort.signal });
    port.stream.accept();
    const { closed, sent, received } = await relay(connection, port, { pool });
    const how = closed.how === "finished" ? "finished" : closed.reason;
    log.debug("{target} for {peer}: {how}, {sent} bytes out, {received} in", {
      event: "stream-closed",
      target: channel.label,
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
    refuse(port, { peer, target: channel.label, code, reason: message });
  }
}

function judge(
  channel: Channel,
  allowList: AllowList,
): Endpoint | { code: RefusalCode; reason: string } {
  if (channel.protocol !== tcpProtocol) {
    return { code: "malformed", reason: `this node does not speak ${quote(channel.protocol)}` };
  }
  try {
    const target = parseEndpoint(channel.label);
    return allowList.allows(target) ? target : { code: "denied", reason: "no --allow names it" };
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
function quote(text: string): string {
  return /^[\w.:[\]-]{1,260}$/.test(text) ? text : JSON.stringify(text.slice(0, 64));
}
