/** The ingress side of streams: judges, dials and relays each one that a peer opens. */
import { getLogger } from "@logtape/logtape";
import {
  type Access,
  type AccessPeer,
  type Admission,
  freeGrant,
  type Grant,
  type GrantSummary,
  provenNameOf,
} from "../access/access.ts";
import { formatTarget, parseStreamTarget, type StreamTarget } from "../access/target.ts";
import type { BufferPool } from "../buffer_pool.ts";
import type { Channel } from "../link/link.ts";
import type { Connection } from "../socket/connection.ts";
import { SpecError } from "../socket/endpoint.ts";
import type { RefusalCode } from "../tunnel/control_message.ts";
import { tcpProtocol, TunnelStream } from "../tunnel/tunnel_stream.ts";
import { CommandRunner } from "./command_runner.ts";
import { DialError } from "./dial_error.ts";
import { dialTarget } from "./dial_target.ts";
import { pacedConnection } from "./paced_connection.ts";
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

/** What may be dialled, and whether it is to be admitted first. */
interface Judged {
  readonly target: StreamTarget;
  readonly isReversed: boolean;
}

/** Serves one channel until its stream is over. Never throws. */
export async function serveStreamChannel(
  channel: Channel,
  options: StreamIngressOptions,
): Promise<void> {
  const port = new StreamPort(new TunnelStream(channel, { role: "acceptor" }), options);
  const { name: peer } = options.peer;
  const judged = judge(channel, options);
  if ("code" in judged) return refuse(port, { peer, target: channel.label, ...judged });
  const target = formatTarget(judged.target);
  const abort = new AbortController();
  void port.closed.then(() => abort.abort());
  const admitting = new AdmittedDial(judged, { ...options, port });
  let moved = { sent: 0, received: 0 };
  let how = "given up";
  try {
    const connection = await connect(judged.target, { ...options, port, admitting, abort });
    port.stream.accept();
    const { closed, ...rest } = await relay(connection, port, options);
    moved = rest;
    how = closed.how === "finished" ? "finished" : closed.reason;
    log.debug("{target} for {peer}: {how}, {sent} bytes out, {received} in", {
      ...{ event: "stream-closed", target, peer, how, ...moved },
    });
  } catch (error) {
    // The other side gave up while its target was dialled.
    if (abort.signal.aborted) return;
    const { code, message } = error instanceof DialError
      ? error
      : new DialError("unreachable", String(error));
    how = message;
    refuse(port, { peer, target, code, reason: message });
  } finally {
    admitting.release({ how, up: moved.received, down: moved.sent });
  }
}

/** The target, behind what its rule has to say of the stream. Throws {@link DialError}. */
async function connect(
  target: StreamTarget,
  { peer, pool, port, admitting, abort, commands = noCommands, proxyRules: rules = [] }:
    & StreamIngressOptions
    & {
      readonly port: StreamPort;
      readonly admitting: AdmittedDial;
      readonly abort: AbortController;
    },
): Promise<Connection> {
  const connection = await dialTarget(target, {
    signal: abort.signal,
    startCommand: (name) => commands.start(name, provenNameOf(peer)),
    permit: (addresses) => admitting.permit(addresses),
  });
  const { grant } = admitting;
  grant.handleDialled(connection.remote);
  await greetTarget(connection, { rules, target, peer, client: port.client });
  const paced = pacedConnection(connection, grant);
  if (grant.content === undefined) return paced;
  // Most nodes have no such rule.
  const { filterOf } = await import("./filters/filter_of.ts");
  return filterOf(grant.content)(paced, {
    ...{ peer, pool, ruleName: grant.rule, client: port.client },
    onJudged: (summary, reason) => {
      grant.handleJudged(summary, reason);
      if (reason === undefined) return;
      log.warn("refused {summary} to {peer} by rule {rule}: {reason}", {
        ...{ event: "request-refused", summary: quote(summary), peer: peer.name, rule: grant.rule },
        reason,
      });
    },
    breakOff: (reason) => port.stream.reset(reason),
  });
}

/** A target whose addresses are judged as they become known. */
class AdmittedDial {
  readonly #judged: Judged;
  readonly #options: { readonly access: Access; readonly peer: AccessPeer; port: StreamPort };
  #admission: Admission | undefined;

  constructor(
    judged: Judged,
    options: { readonly access: Access; readonly peer: AccessPeer; readonly port: StreamPort },
  ) {
    this.#judged = judged;
    this.#options = options;
  }

  /** What was admitted; one that limits nothing where nothing was. */
  get grant(): Grant {
    return this.#admission?.isAllowed === true ? this.#admission.grant : freeGrant;
  }

  /** The addresses that may be dialled. Throws {@link DialError}. */
  permit(addresses: readonly string[]): readonly string[] {
    const { target: wanted, isReversed } = this.#judged;
    // This node itself asked for it.
    if (isReversed) return addresses;
    const { access, peer, port } = this.#options;
    const end = (reason: string) => port.stream.reset(reason);
    this.#admission = access.admit({ peer, wanted, addresses, end });
    if (this.#admission.isAllowed) return this.#admission.addresses;
    throw new DialError("denied", this.#admission.reason);
  }

  /** It is over; what came to no judgment, as its name has no address, was refused by that. */
  release(summary: GrantSummary): void {
    const { access, peer } = this.#options;
    const { target: asked, isReversed } = this.#judged;
    const isJudged = isReversed || this.#admission !== undefined;
    if (!isJudged) access.handleRefused({ peer, asked, reason: summary.how });
    this.grant.release(summary);
  }
}

function judge(
  channel: Channel,
  { access, peer, reversedTarget }: StreamIngressOptions,
): Judged | { code: RefusalCode; reason: string } {
  const refused = (code: RefusalCode, reason: string) => {
    access.handleRefused({ peer, asked: channel.label, reason });
    return { code, reason };
  };
  if (channel.protocol !== tcpProtocol) {
    return refused("malformed", `this node does not speak ${quote(channel.protocol)}`);
  }
  const id = parseReversedLabel(channel.label);
  if (id !== undefined) {
    // This node asked for it: that is the permission, for this target alone.
    const target = reversedTarget?.(id);
    if (target !== undefined) return { target, isReversed: true };
    return refused("denied", "this node asked for nothing such");
  }
  try {
    const target = parseStreamTarget(channel.label);
    const verdict = access.judgeUnresolved({ peer, wanted: target });
    if (verdict.isAllowed) return { target, isReversed: false };
    return { code: "denied", reason: verdict.reason };
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    return refused("malformed", error.message);
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
