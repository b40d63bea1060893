/** Which of the two implementations of TCP is used here. */
import { canonicalAddress } from "./endpoint.ts";
import { nativeObstacle, nativeSystem } from "./native_system.ts";
import { NativeTcpSockets } from "./native_tcp.ts";
import { PortableTcpListener } from "./portable_tcp.ts";
import type { Connection } from "./connection.ts";
import type { DialOptions, ListenOptions, TcpListener, TcpSockets } from "./tcp.ts";

/** TCP by Deno and node:net: everywhere. */
export const portableTcpSockets: TcpSockets = {
  listen: (options) => new PortableTcpListener(options),
  // node:net is slow to load, and most nodes never need it.
  dial: async (options) => (await import("./dial_tcp.ts")).dialTcp(options),
};

let chosen: TcpSockets | undefined;

function tcpSockets(): TcpSockets {
  if (chosen === undefined) {
    const system = nativeObstacle() === undefined ? nativeSystem() : undefined;
    chosen = system === undefined ? portableTcpSockets : new NativeTcpSockets(system);
  }
  return chosen;
}

/** Listens; throws what the system says. A name is resolved by Deno. */
export function listenTcp(options: ListenOptions): TcpListener {
  const isAddress = canonicalAddress(options.host) !== undefined;
  return (isAddress ? tcpSockets() : portableTcpSockets).listen(options);
}

/** Connects to an address. Throws what the system says, with its `code`, or the signal's reason. */
export function dialTcp(options: DialOptions): Promise<Connection> {
  return tcpSockets().dial(options);
}
