/** A connection that came where this node listens for another: it goes back to that node. */
import { getLogger } from "@logtape/logtape";
import type { Budget } from "../budget.ts";
import type { BufferPool } from "../buffer_pool.ts";
import type { Link } from "../link/link.ts";
import { messageOf } from "../message_of.ts";
import type { Connection } from "../socket/connection.ts";
import { tcpProtocol, TunnelStream } from "../tunnel/tunnel_stream.ts";
import { formatClient } from "./client_address.ts";
import type { ListenGrant } from "./listen_grant.ts";
import { pacedConnection } from "./paced_connection.ts";
import { relay } from "./relay.ts";
import { writeReversedLabel } from "./reverse_protocol.ts";
import { StreamPort } from "./stream_port.ts";

const log = getLogger(["aetherport", "reverse"]);

/** Where it goes. */
export interface ReversedOptions {
  readonly link: Link;
  /** What the other node knows its target by. */
  readonly id: string;
  /** The other node, as the log names it. */
  readonly peer: string;
  /** Where it is listened, as the other node has asked for it. */
  readonly address: string;
  /** By which it is listened there. */
  readonly grant: ListenGrant;
  readonly pool: BufferPool;
  /** What waits for its answer counts one each. */
  readonly waiters: Budget;
}

/**
 * Joins a client to the node that asked for it, until both ways have ended or its grant has. Never
 * throws.
 */
export async function serveReversed(
  client: Connection,
  options: ReversedOptions,
): Promise<void> {
  const { peer, address, grant, pool } = options;
  const properties = { client: client.remote, address, peer };
  const sharing = grant.share();
  const connection = sharing.isAllowed ? pacedConnection(client, sharing) : client;
  const port = sharing.isAllowed ? open(connection, options) : sharing.reason;
  if (typeof port === "string") {
    log.warn("{client} on {address} for {peer}: {problem}", {
      ...{ event: "no-stream", ...properties, problem: port },
    });
    return connection.reset();
  }
  grant.add(port);
  const { closed, sent, received } = await relay(connection, port, { pool });
  grant.remove(port, { up: received, down: sent });
  if (closed.how === "refused") {
    const { code, reason } = closed;
    log.warn("{client} on {address} for {peer}: refused by that node: {reason}", {
      ...{ event: "refused", ...properties, code, reason },
    });
    return;
  }
  const how = closed.how === "reset" ? closed.reason : "finished";
  log.debug("{client} on {address} for {peer}: {how}, {sent} bytes out, {received} in", {
    ...{ event: "stream-closed", ...properties, how, sent, received },
  });
}

/** A stream to the other node, or why there is none. */
function open(
  { remote }: Connection,
  { link, id, pool, waiters }: ReversedOptions,
): StreamPort | string {
  if (!waiters.take(1)) return "too many connections wait";
  try {
    const label = writeReversedLabel(id);
    const channel = link.openChannel({ label, protocol: tcpProtocol });
    const stream = new TunnelStream(channel, { role: "opener" });
    stream.introduce(formatClient(remote));
    const port = new StreamPort(stream, { pool });
    void port.answered.then(() => waiters.give(1));
    return port;
  } catch (error) {
    waiters.give(1);
    return messageOf(error);
  }
}
