/** The egress side of streams: each connection of a client becomes a stream over a link. */
import { getLogger } from "@logtape/logtape";
import { formatTarget, type StreamTarget } from "../access/target.ts";
import type { BufferPool } from "../buffer_pool.ts";
import type { Link } from "../link/link.ts";
import { messageOf } from "../message_of.ts";
import type { Connection } from "../socket/connection.ts";
import { type StreamClosed, tcpProtocol, TunnelStream } from "../tunnel/tunnel_stream.ts";
import { formatClient } from "./client_address.ts";
import { ConnectionCount } from "./connection_count.ts";
import { relay } from "./relay.ts";
import { StreamPort } from "./stream_port.ts";

const log = getLogger(["aetherport", "egress"]);

/**
 * A link that was silent for so long, in ms, may be dead: a heartbeat is missing. A connection sends
 * nothing over it before it is answered, so that it can move to another link.
 */
const doubtfulAfter = 1_200;
/** A new connection waits so long for its answer before another link is looked for, in ms. */
const answerTimeout = 3_000;

/** Where forwards get their link from. */
export interface LinkSource {
  /**
   * A link that is up and heard, now or soon; undefined where none came in time. Where there are only
   * silent ones, another is asked for.
   */
  acquire(): Promise<Link | undefined>;
}

/** Carries clients' connections over the links of one route. */
export class StreamEgress {
  readonly #links: LinkSource;
  readonly #pool: BufferPool;
  readonly #connections: ConnectionCount;

  constructor({ links, pool, connections = new ConnectionCount() }: {
    readonly links: LinkSource;
    readonly pool: BufferPool;
    /** Counts the connections, from when they look for a link. */
    readonly connections?: ConnectionCount;
  }) {
    this.#links = links;
    this.#pool = pool;
    this.#connections = connections;
  }

  /** Joins a client to the target until both ways have ended, or resets it where there is no link. */
  async serve(connection: Connection, target: StreamTarget): Promise<StreamClosed | undefined> {
    const client = connection.remote;
    const port = await this.connect(client, target);
    if (port !== undefined) return await this.carry(connection, port, target);
    connection.reset();
    return undefined;
  }

  /** Joins a client to a stream that was opened for it. */
  async carry(
    connection: Connection,
    port: StreamPort,
    target: StreamTarget,
  ): Promise<StreamClosed> {
    const properties = { client: connection.remote, target: formatTarget(target) };
    const { closed, sent, received } = await relay(connection, port, { pool: this.#pool });
    if (closed.how === "refused") {
      const { code, reason } = closed;
      log.warn("{client} to {target}: refused by the other node: {reason}", {
        ...{ event: "refused", ...properties, code, reason },
      });
      return closed;
    }
    const how = closed.how === "reset" ? closed.reason : "finished";
    log.debug("{client} to {target}: {how}, {sent} bytes out, {received} in", {
      ...{ event: "stream-closed", ...properties, how, sent, received },
    });
    return closed;
  }

  /**
   * A stream to the target, over a link that is heard, which the other node may not have accepted
   * yet; undefined, with a line in the log, where there is no link.
   */
  connect(client: string, target: StreamTarget): Promise<StreamPort | undefined> {
    const connecting = this.#connect(client, target);
    this.#connections.add(connecting.then((port) => port?.closed));
    return connecting;
  }

  async #connect(client: string, target: StreamTarget): Promise<StreamPort | undefined> {
    for (let link = await this.#links.acquire(); link !== undefined;) {
      const port = this.#open(link, client, target);
      if (port === undefined) return undefined;
      const overdue = isUnanswered(port);
      if (link.silence < doubtfulAfter) {
        // Where the link is silent, another is asked for by this.
        void overdue.then((isOverdue) => isOverdue ? this.#links.acquire() : undefined);
        return port;
      }
      const other = await overdue ? await this.#links.acquire() : link;
      const isSettled = other === link && (await port.answered || link.state !== "closed");
      if (isSettled) return port;
      port.stream.reset("another link is taken");
      link = other === link ? await this.#links.acquire() : other;
    }
    log.warn("{client} to {target}: no link came up in time", {
      ...{ event: "no-link", client, target: formatTarget(target) },
    });
    return undefined;
  }

  #open(link: Link, client: string, target: StreamTarget): StreamPort | undefined {
    const label = formatTarget(target);
    try {
      const channel = link.openChannel({ label, protocol: tcpProtocol });
      const stream = new TunnelStream(channel, { role: "opener" });
      stream.introduce(formatClient(client));
      return new StreamPort(stream, { pool: this.#pool });
    } catch (error) {
      log.warn("cannot open a stream to {target}: {problem}", {
        target: label,
        problem: messageOf(error),
      });
      return undefined;
    }
  }
}

/** Whether the time for an answer passes without any. */
function isUnanswered(port: StreamPort): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(true), answerTimeout);
    void port.answered.then(() => {
      clearTimeout(timer);
      resolve(false);
    });
  });
}
