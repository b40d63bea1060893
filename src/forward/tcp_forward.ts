/** Forwards of TCP ports: local listeners whose connections go to a target. */
import { messageOf } from "../message_of.ts";
import { listenTcp } from "../socket/choose_tcp_sockets.ts";
import type { Connection } from "../socket/connection.ts";
import { formatEndpoint } from "../socket/endpoint.ts";
import type { TcpListener } from "../socket/tcp.ts";
import type { Forward } from "./forward.ts";

/** Attempts to find a free port that both loopback addresses have. */
const portAttemptCount = 16;

/** Takes a client's connection over. */
export type OnConnection = (connection: Connection) => void;

/** Listeners of one address, or of both loopback addresses. */
export class TcpForward implements Forward {
  readonly #listeners: TcpListener[];

  /** Binds its listeners. Throws an Error naming the address that cannot be bound. */
  constructor(
    listen: { readonly host: string; readonly port: number },
    onConnection: OnConnection,
  ) {
    this.#listeners = bindAll(listen, onConnection);
  }

  get addresses(): string[] {
    return this.#listeners.map(({ address }) => address);
  }

  close(): void {
    for (const listener of this.#listeners) listener.close();
  }
}

function bindAll(
  { host, port }: { readonly host: string; readonly port: number },
  onConnection: OnConnection,
): TcpListener[] {
  const bind = (host: string, port: number) => bindOne({ host, port, onConnection });
  if (host !== "localhost") return [bind(host, port)];
  for (let attempt = 1;; attempt++) {
    const first = bind("127.0.0.1", port);
    try {
      return [first, bind("::1", first.port)];
    } catch (error) {
      const { cause } = error as Error;
      // A host without IPv6 has no ::1; localhost is then 127.0.0.1 alone.
      if (!(cause instanceof Deno.errors.AddrInUse)) return [first];
      first.close();
      if (port !== 0 || attempt === portAttemptCount) throw error;
    }
  }
}

function bindOne(
  options: { readonly host: string; readonly port: number; readonly onConnection: OnConnection },
): TcpListener {
  try {
    return listenTcp(options);
  } catch (cause) {
    const problem = messageOf(cause);
    throw new Error(`cannot listen on ${formatEndpoint(options)}: ${problem}`, { cause });
  }
}
