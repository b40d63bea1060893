/**
 * How a protocol core is driven. It does no I/O, starts no timer, reads no clock and draws no
 * randomness of its own: bytes and time come in, bytes, deadlines and events go out. The same core
 * so runs under a simulated network and under real sockets.
 */

/** A point on a monotonic clock, in ms. Only differences mean anything. */
export type Instant = number;

/** One batch to send: `length` bytes at the start of the buffer that was lent. */
export interface Transmit {
  readonly length: number;
  /** The batch is cut into datagrams of so many bytes, the last of which may be shorter. */
  readonly segmentSize: number;
}

/**
 * A protocol core. After any call the driver polls until undefined, then asks `nextTimeout` again.
 * Buffers are lent: what the core wants to keep of them it copies.
 */
export interface SansIo<Event> {
  /** Takes one datagram; never throws on the peer's account. The bytes may be overwritten. */
  handleDatagram(bytes: Uint8Array, now: Instant): void;
  /** Lets timers expire; harmless when nothing is due. */
  handleTimeout(now: Instant): void;
  /** Writes what is to be sent into the buffer; undefined when there is nothing. */
  pollTransmit(out: Uint8Array, now: Instant): Transmit | undefined;
  /** The next event; bytes in it are lent until the next call of any method. */
  pollEvent(): Event | undefined;
  /** When `handleTimeout` is to be called next, if nothing happens before. */
  nextTimeout(): Instant | undefined;
}
