/**
 * UDP sockets: one interface, which `native_datagram.ts` and `portable_datagram.ts` implement and
 * `choose_datagram_sockets.ts` chooses between. Datagrams come and go in batches, since a call costs
 * more than a datagram.
 *
 * @module
 */

/** An address and a port. Two of them that are the same place need not be the same object. */
export interface SocketAddress {
  /** IPv4 or IPv6, in its canonical spelling (see `canonicalAddress`), without a zone. */
  readonly address: string;
  readonly port: number;
}

/** Told what a socket receives. None of the calls comes before the socket is bound. */
export interface DatagramHandler {
  /**
   * Datagrams of `segmentLength` bytes each, of which the last may be shorter, in
   * `bytes[start..end)`; all from one source. An empty datagram comes alone, with a segment length
   * of 0. The bytes are lent until this returns, and may be changed in place.
   */
  handleDatagrams(
    bytes: Uint8Array,
    start: number,
    end: number,
    segmentLength: number,
    source: SocketAddress,
  ): void;
  /** Called after a burst of datagrams, before anything else gets its turn: a time to answer. */
  handleDrained(): void;
  /** The socket is of no use any more, and is closed. */
  handleFailed(reason: string): void;
}

/**
 * What became of datagrams: `sent`, as far as is known here; `dropped` where there was no room or a
 * filter took them, and later ones may pass; `too-long` for the way to the destination;
 * `unreachable` where no way leads there, or the socket is closed.
 */
export type SendOutcome = "sent" | "dropped" | "too-long" | "unreachable";

/** A bound UDP socket. It keeps the process running until it is closed. */
export interface DatagramSocket {
  /** Where it is bound. */
  readonly local: SocketAddress;
  /**
   * Whether the system may carry a datagram that is too long for the path in fragments, so that its
   * arrival tells nothing about the path's MTU.
   */
  readonly mayFragment: boolean;
  /**
   * Sends datagrams of `segmentLength` bytes each, of which the last may be shorter, from
   * `bytes[start..end)`; an empty range is one empty datagram. All are taken before it returns. The
   * first that is not sent decides the outcome, and those after it are dropped. Those of this call
   * may go in fragments where `mayFragment` is set, whatever the socket was bound with. Throws a
   * RangeError where there are no such bytes, and nothing else.
   */
  send(
    bytes: Uint8Array,
    start: number,
    end: number,
    segmentLength: number,
    destination: SocketAddress,
    mayFragment?: boolean,
  ): SendOutcome;
  /**
   * Closes; the handler hears nothing any more, and the port is free. Resolves when nothing of the
   * socket is left. A second call does nothing more.
   */
  close(): Promise<void>;
}

/** Where to bind, and what to do with what comes. */
export interface BindOptions {
  /** An address of this host, or `0.0.0.0` or `::`. `::` takes no IPv4. */
  readonly address: string;
  /** By default, or where 0, the system chooses one. */
  readonly port?: number;
  readonly handler: DatagramHandler;
  /**
   * Memory of at least 65536 bytes to receive into, where the implementation has a say in that. It
   * may be shared by many sockets. It serves to receive where libcrypto opens in place.
   */
  readonly receiveBuffer?: Uint8Array;
  /** Whether datagrams that are too long for a path go in fragments; false, unless the system decides. */
  readonly mayFragment?: boolean;
  /**
   * What is received before anything else gets its turn, in bytes, where the implementation has a say
   * in that: no more than its handler has room for at once.
   */
  readonly burstLength?: number;
}

/** One way to have UDP sockets. */
export interface DatagramSockets {
  readonly name: "native" | "portable";
  /** Rejects with a {@link BindError}. */
  bind(options: BindOptions): Promise<DatagramSocket>;
}

/** Why there is no socket at an address. */
export class BindError extends Error {
  override readonly name = "BindError";

  constructor(
    readonly code: BindErrorCode,
    { address, port = 0 }: { readonly address: string; readonly port?: number },
    detail: string,
  ) {
    super(`cannot bind UDP to ${JSON.stringify(address)}, port ${port}: ${detail}`);
  }
}

/** What a caller can do something about. */
export type BindErrorCode = "address-in-use" | "address-unavailable" | "not-permitted" | "failed";

/** The name of an errno, such as `EADDRINUSE`, as a code. */
export function bindErrorCode(errnoName: string): BindErrorCode {
  switch (errnoName) {
    case "EADDRINUSE":
      return "address-in-use";
    case "EADDRNOTAVAIL":
    case "EAFNOSUPPORT":
      return "address-unavailable";
    case "EACCES":
    case "EPERM":
      return "not-permitted";
    default:
      return "failed";
  }
}

/** Longest payload of a UDP datagram over IPv4, and of a batch that the kernel cuts. */
export const maxDatagramLength = 65_507;

/** Datagrams that one call sends at most: UDP_MAX_SEGMENTS of the kernels that allow fewest. */
export const maxSegmentCount = 64;

/** The bytes that a receive takes at most: more than any datagram. */
export const receiveBufferLength = 65_536;

/** Throws where a caller's range lies outside its bytes, which C would read all the same. */
export function requireRange(
  bytes: Uint8Array,
  start: number,
  end: number,
  segmentLength: number,
): void {
  const isWithin = Number.isInteger(start) && Number.isInteger(end) &&
    0 <= start && start <= end && end <= bytes.length;
  const isSegment = Number.isInteger(segmentLength) && segmentLength >= (start === end ? 0 : 1);
  if (isWithin && isSegment) return;
  throw new RangeError(
    `cannot send ${start} to ${end} of ${bytes.length} bytes in segments of ${segmentLength}`,
  );
}
