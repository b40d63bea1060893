/** Begins to serve a forward of any kind. */
import type { BufferPool } from "../buffer_pool.ts";
import type { Connection } from "../socket/connection.ts";
import type { ConnectionCount } from "./connection_count.ts";
import type { Forward } from "./forward.ts";
import type { ForwardSpec } from "./forward_spec.ts";
import type { ServedSpec } from "./served_spec.ts";
import type { SocksSpec } from "./socks/socks_spec.ts";
import { type LinkSource, StreamEgress } from "./stream_egress.ts";
import { TcpForward } from "./tcp_forward.ts";
import { makeWay, UnixForward } from "./unix_forward.ts";

/** What forwards are served with. */
export interface ForwardOptions {
  readonly links: LinkSource;
  readonly pool: BufferPool;
  /** Of flows of datagrams, in ms; 60 s unless said. */
  readonly idleTimeout?: number | undefined;
  /** Counts what the forward carries. */
  readonly connections?: ConnectionCount | undefined;
}

/**
 * Binds what a forward of any kind listens on. Rejects with an Error naming the address that cannot
 * be bound.
 */
export async function openForward(spec: ServedSpec, options: ForwardOptions): Promise<Forward> {
  if ("socks" in spec) return await openSocks(spec, options);
  const { listen } = spec;
  if (listen.kind === "unix") await makeWay(listen);
  return listen.kind === "udp" ? await openUdp(spec, options) : openStreamForward(spec, options);
}

/** The same where nothing has to be waited for: streams, and nothing left behind at a path. */
export function openStreamForward(
  { listen, target }: ForwardSpec,
  { links, pool, connections }: ForwardOptions,
): Forward {
  if (listen.kind === "udp" || target.kind === "udp") throw new Error("no forward of streams");
  const egress = new StreamEgress({ links, pool, connections });
  const onConnection = (connection: Connection) => void egress.serve(connection, target);
  return listen.kind === "unix"
    ? new UnixForward(listen.path, onConnection)
    : new TcpForward(listen, onConnection);
}

// What follows is loaded by those only that ask for it: a forward is to listen at once.

async function openSocks(
  spec: SocksSpec,
  { links, pool, idleTimeout, connections }: ForwardOptions,
): Promise<Forward> {
  const { SocksForward } = await import("./socks/socks_forward.ts");
  const { LinkDatagramEgress } = await import("./datagram_egress.ts");
  return new SocksForward(spec, {
    egress: new StreamEgress({ links, pool, connections }),
    datagrams: new LinkDatagramEgress({ links, idleTimeout, connections }),
  });
}

async function openUdp(
  { listen, target }: ForwardSpec,
  { links, pool, idleTimeout, connections }: ForwardOptions,
): Promise<Forward> {
  if (listen.kind !== "udp" || target.kind !== "udp") throw new Error("no forward of datagrams");
  const { UdpForward } = await import("./udp_forward.ts");
  const { sharedDatagramSockets } = await import("../socket/choose_datagram_sockets.ts");
  const { sockets } = await sharedDatagramSockets();
  return await UdpForward.open({ listen, target, links, pool, idleTimeout, sockets, connections });
}
