/** Datagrams of one client to one target, over a link: what forwards of UDP and SOCKS5 both use. */
import type { UdpTarget } from "../access/target.ts";

/** What a flow tells whoever opened it. */
export interface DatagramFlowHandler {
  /** A datagram of the target's, `bytes[start..end)`, lent until this returns; it may be empty. */
  handleDatagram(bytes: Uint8Array, start: number, end: number): void;
  /** It is over: refused, idle, crowded out, or its link has ended. Called once, not for `close`. */
  handleClosed(reason: string): void;
}

/** One flow. */
export interface DatagramFlow {
  /** Sends `bytes[start..end)`, copied, or drops it: nothing ever waits for long. */
  send(bytes: Uint8Array, start: number, end: number): void;
  close(): void;
}

/** Opens flows over the links of one route. */
export interface DatagramEgress {
  /** Begins a flow at once; what is sent before a link is there waits for it, as far as it fits. */
  open(client: string, target: UdpTarget, handler: DatagramFlowHandler): DatagramFlow;
}
