/** Begins to serve a forward of any kind. */
import type { BufferPool } from "../buffer_pool.ts";
import { ConnectionCount } from "./connection_count.ts";
import type { Forward } from "./forward.ts";
import type { ForwardSpec } from "./forward_spec.ts";
import { type LinkSource, StreamEgress } from "./stream_egress.ts";
import { TcpForward } from "./tcp_forward.ts";

/** Binds what a forward listens on. Throws an Error naming the address that cannot be bound. */
export function openForward(
  { listen, target }: ForwardSpec,
  { links, pool, connections = new ConnectionCount() }: {
    readonly links: LinkSource;
    readonly pool: BufferPool;
    /** Counts what the forward carries. */
    readonly connections?: ConnectionCount;
  },
): Forward {
  if (listen.kind !== "tcp" || target.kind === "udp") throw new Error("not there yet");
  const egress = new StreamEgress({ links, pool, connections });
  return new TcpForward(listen, (connection) => void egress.serve(connection, target));
}
