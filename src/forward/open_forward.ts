/** Begins to serve a forward of any kind. */
import type { BufferPool } from "../buffer_pool.ts";
import { ConnectionCount } from "./connection_count.ts";
import type { DatagramEgress } from "./datagram_flow.ts";
import type { Forward } from "./forward.ts";
import type { ServedSpec } from "./served_spec.ts";
import { SocksForward } from "./socks/socks_forward.ts";
import { type LinkSource, StreamEgress } from "./stream_egress.ts";
import { TcpForward } from "./tcp_forward.ts";

/** What forwards are served with. */
export interface ForwardOptions {
  readonly links: LinkSource;
  readonly pool: BufferPool;
  /** Undefined where datagrams are not carried. */
  readonly datagrams?: DatagramEgress | undefined;
  /** Counts what the forward carries. */
  readonly connections?: ConnectionCount;
}

/** Binds what a forward listens on. Throws an Error naming the address that cannot be bound. */
export function openForward(
  spec: ServedSpec,
  { links, pool, datagrams, connections = new ConnectionCount() }: ForwardOptions,
): Forward {
  const egress = new StreamEgress({ links, pool, connections });
  if ("socks" in spec) return new SocksForward(spec, { egress, datagrams });
  const { listen, target } = spec;
  if (listen.kind !== "tcp" || target.kind === "udp") throw new Error("not there yet");
  return new TcpForward(listen, (connection) => void egress.serve(connection, target));
}
