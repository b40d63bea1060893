/** Begins to serve a forward of any kind. */
import type { BufferPool } from "../buffer_pool.ts";
import type { Connection } from "../socket/connection.ts";
import { ConnectionCount } from "./connection_count.ts";
import type { DatagramEgress } from "./datagram_flow.ts";
import type { Forward } from "./forward.ts";
import type { ServedSpec } from "./served_spec.ts";
import { SocksForward } from "./socks/socks_forward.ts";
import { type LinkSource, StreamEgress } from "./stream_egress.ts";
import { TcpForward } from "./tcp_forward.ts";
import { makeWay, UnixForward } from "./unix_forward.ts";

/** What forwards are served with. */
export interface ForwardOptions {
  readonly links: LinkSource;
  readonly pool: BufferPool;
  /** Undefined where datagrams are not carried. */
  readonly datagrams?: DatagramEgress | undefined;
  /** Counts what the forward carries. */
  readonly connections?: ConnectionCount;
}

/**
 * Binds what a forward of any kind listens on. Rejects with an Error naming the address that cannot
 * be bound.
 */
export async function openForward(spec: ServedSpec, options: ForwardOptions): Promise<Forward> {
  if (spec.listen.kind === "unix") await makeWay(spec.listen);
  return openStreamForward(spec, options);
}

/** The same where nothing has to be waited for: streams, and nothing left behind at a path. */
export function openStreamForward(
  spec: ServedSpec,
  { links, pool, datagrams, connections = new ConnectionCount() }: ForwardOptions,
): Forward {
  const egress = new StreamEgress({ links, pool, connections });
  if ("socks" in spec) return new SocksForward(spec, { egress, datagrams });
  const { listen, target } = spec;
  if (listen.kind === "udp" || target.kind === "udp") throw new Error("no forward of streams");
  const onConnection = (connection: Connection) => void egress.serve(connection, target);
  return listen.kind === "unix"
    ? new UnixForward(listen.path, onConnection)
    : new TcpForward(listen, onConnection);
}
