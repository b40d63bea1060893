/** The egress side of TCP forwarding: local listeners, each connection a stream over a link. */
import { getLogger } from "@logtape/logtape";
import type { BufferPool } from "../buffer_pool.ts";
import type { Link } from "../link/link.ts";
import { messageOf } from "../message_of.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import { listenTcp } from "../socket/choose_tcp_sockets.ts";
import type { TcpConnection, TcpListener } from "../socket/tcp.ts";
import { tcpProtocol, TunnelStream } from "../tunnel/tunnel_stream.ts";
import type { ForwardSpec } from "./forward_spec.ts";
import { relay } from "./relay.ts";
import { StreamPort } from "./stream_port.ts";

const log = getLogger(["aetherport", "egress"]);

/** Attempts to find a free port that both loopback addresses have. */
const portAttemptCount = 16;

/**
 * A link that was silent for so long, in ms, may be dead: a heartbeat is missing. A connection sends
 * nothing over it before it is answered, so that it can move to another link.
 */
const doubtfulAfter = 1_200;
/** A new connection waits so long for its answer before another link is looked for, in ms. */
const answerTimeout = 3_000;

/** Where a forward gets its link from. */
export interface LinkSource {
  /**
   * A link that is up and heard, now or soon; undefined where none came in time. Where there are only
   * silent ones, another is asked for.
   */
  acquire(): Promise<Link | undefined>;
}

/** One `--forward`, listening. */
export class TcpForward {
  readonly #target: string;
  readonly #links: LinkSource;
  readonly #pool: BufferPool;
  readonly #listeners: TcpListener[];

  /** Binds its listeners. Throws an Error naming the address that cannot be bound. */
  constructor(
    spec: ForwardSpec,
    { links, pool }: { links: LinkSource; pool: BufferPool },
  ) {
    this.#target = formatEndpoint(spec.target);
    this.#links = links;
    this.#pool = pool;
    this.#listeners = bindAll(spec, (connection) => void this.#serve(connection));
  }

  /** The bound addresses as `host:port`. */
  get addresses(): string[] {
    return this.#listeners.map(({ address }) => address);
  }

  /** The target as `host:port`. */
  get target(): string {
    return this.#target;
  }

  /** Stops listening; connections that are under way go on. */
  close(): void {
    for (const listener of this.#listeners) listener.close();
  }

  async #serve(connection: TcpConnection): Promise<void> {
    const client = connection.remote;
    const port = await this.#connect(client);
    if (port === undefined) return connection.reset();
    const { closed, sent, received } = await relay(connection, port, { pool: this.#pool });
    if (closed.how === "refused") {
      log.warn("{client} to {target}: refused by the other node: {reason}", {
        event: "refused",
        client,
        target: this.#target,
        code: closed.code,
        reason: closed.reason,
      });
      return;
    }
    log.debug("{client} to {target}: {how}, {sent} bytes out, {received} in", {
      event: "stream-closed",
      client,
      target: this.#target,
      how: closed.how === "reset" ? closed.reason : "finished",
      sent,
      received,
    });
  }

  /** A stream to the target, over a link that is heard; undefined, with a line in the log, for none. */
  async #connect(client: string): Promise<StreamPort | undefined> {
    for (let link = await this.#links.acquire(); link !== undefined;) {
      const port = this.#open(link);
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
      event: "no-link",
      client,
      target: this.#target,
    });
    return undefined;
  }

  #open(link: Link): StreamPort | undefined {
    try {
      const channel = link.openChannel({ label: this.#target, protocol: tcpProtocol });
      const stream = new TunnelStream(channel, { role: "opener" });
      return new StreamPort(stream, { pool: this.#pool });
    } catch (error) {
      log.warn("cannot open a stream to {target}: {problem}", {
        target: this.#target,
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

function bindAll(
  { listenHost, listenPort }: ForwardSpec,
  onConnection: (connection: TcpConnection) => void,
): TcpListener[] {
  const bind = (host: string, port: number) => bindOne({ host, port, onConnection });
  if (listenHost !== "localhost") return [bind(listenHost, listenPort)];
  for (let attempt = 1;; attempt++) {
    const first = bind("127.0.0.1", listenPort);
    try {
      return [first, bind("::1", first.port)];
    } catch (error) {
      const { cause } = error as Error;
      // A host without IPv6 has no ::1; localhost is then 127.0.0.1 alone.
      if (!(cause instanceof Deno.errors.AddrInUse)) return [first];
      first.close();
      if (listenPort !== 0 || attempt === portAttemptCount) throw error;
    }
  }
}

function bindOne(
  options: { host: string; port: number; onConnection: (connection: TcpConnection) => void },
): TcpListener {
  try {
    return listenTcp(options);
  } catch (cause) {
    const problem = messageOf(cause);
    throw new Error(`cannot listen on ${formatEndpoint(options)}: ${problem}`, { cause });
  }
}
