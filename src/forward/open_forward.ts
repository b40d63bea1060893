/** Begins to serve a forward of any kind. */
import type { BufferPool } from "../buffer_pool.ts";
import { sharedDatagramSockets } from "../socket/choose_datagram_sockets.ts";
import type { Connection } from "../socket/connection.ts";
import { ConnectionCount } from "./connection_count.ts";
import { LinkDatagramEgress } from "./datagram_egress.ts";
import type { DatagramEgress } from "./datagram_flow.ts";
import type { Forward } from "./forward.ts";
import type { ServedSpec } from "./served_spec.ts";
import { SocksForward } from "./socks/socks_forward.ts";
import { type LinkSource, StreamEgress } from "./stream_egress.ts";
import { TcpForward } from "./tcp_forward.ts";
import { UdpForward } from "./udp_forward.ts";
import { makeWay, UnixForward } from "./unix_forward.ts";

/** What forwards are served with. */
export interface ForwardOptions {
  readonly links: LinkSource;
  readonly pool: BufferPool;
  /** Of flows of datagrams, in ms; 60 s unless said. */
  readonly idleTimeout?: number | undefined;
  /** Carries the datagrams of SOCKS5's clients; over the same links unless said. */
  readonly datagrams?: DatagramEgress | undefined;
  /** Counts what the forward carries. */
  readonly connections?: ConnectionCount;
}

/**
 * Binds what a forward of any kind listens on. Rejects with an Error naming the address that cannot
 * be bound.
 */
export async function openForward(spec: ServedSpec, options: ForwardOptions): Promise<Forward> {
  const { listen } = spec;
  if (listen.kind === "unix") await makeWay(listen);
  if ("socks" in spec || listen.kind !== "udp") return openStreamForward(spec, options);
  const { target } = spec;
  if (target.kind !== "udp") throw new Error("a forward from UDP to another kind of target");
  const { sockets } = await sharedDatagramSockets();
  const { links, pool, idleTimeout, connections } = options;
  return await UdpForward.open({ listen, target, links, pool, idleTimeout, sockets, connections });
}

/** The same where nothing has to be waited for: streams, and nothing left behind at a path. */
export function openStreamForward(
  spec: ServedSpec,
  { links, pool, idleTimeout, connections = new ConnectionCount(), ...rest }: ForwardOptions,
): Forward {
  const egress = new StreamEgress({ links, pool, connections });
  if ("socks" in spec) {
    const { datagrams = new LinkDatagramEgress({ links, idleTimeout, connections }) } = rest;
    return new SocksForward(spec, { egress, datagrams });
  }
  const { listen, target } = spec;
  if (listen.kind === "udp" || target.kind === "udp") throw new Error("no forward of streams");
  const onConnection = (connection: Connection) => void egress.serve(connection, target);
  return listen.kind === "unix"
    ? new UnixForward(listen.path, onConnection)
    : new TcpForward(listen, onConnection);
}
