/**
 * Datagram sockets by the C library's own calls, on Linux: up to 64 datagrams are sent by one call
 * (UDP_SEGMENT) and received by one (UDP_GRO), from and to memory that is not copied.
 *
 * @module
 */
import { callHandler } from "./call_handler.ts";
import {
  BindError,
  bindErrorCode,
  type BindOptions,
  type DatagramHandler,
  type DatagramSocket,
  type DatagramSockets,
  maxDatagramLength,
  maxSegmentCount,
  receiveBufferLength,
  requireRange,
  type SendOutcome,
  type SocketAddress,
} from "./datagram.ts";
import type { Libc } from "./libc.ts";
import { errno, errnoName } from "./linux_constants.ts";
import { IncomingMessage, OutgoingMessage } from "./message_header.ts";
import { type OpenDescriptor, openDescriptor, setFragmenting } from "./open_descriptor.ts";
import { ReadinessPoller } from "./readiness_poller.ts";
import { SocketOptions } from "./socket_options.ts";

/** Calls of recvmsg until others get their turn. */
const burstCount = 32;
/** Bytes until then: who sends waits for what the answer to them allows, and is not to wait long. */
const defaultBurstLength = 393_216;

/** Errors in a row, without a datagram, that a socket lives through. */
const maxErrorCount = 1000;

/** Native sockets; all of them share one poller, and one buffer where they bring none. */
export class NativeDatagramSockets implements DatagramSockets {
  readonly name = "native";
  readonly #libc: Libc;
  readonly #poller: ReadinessPoller;
  #receiveBuffer: Uint8Array | undefined;

  /** With a poller of its own, or one that other sockets wait with too. */
  constructor(libc: Libc, poller: ReadinessPoller = new ReadinessPoller(libc)) {
    this.#libc = libc;
    this.#poller = poller;
  }

  // deno-lint-ignore require-await -- What it throws is to reject.
  async bind(
    {
      address,
      port = 0,
      handler,
      receiveBuffer,
      mayFragment = false,
      burstLength = defaultBurstLength,
    }: BindOptions,
  ): Promise<NativeDatagramSocket> {
    const memory = receiveBuffer ??
      (this.#receiveBuffer ??= new Uint8Array(receiveBufferLength));
    if (memory.length < receiveBufferLength) {
      throw new RangeError(`a buffer of ${memory.length} bytes cannot take any datagram`);
    }
    const { descriptor, family, local } = openDescriptor(
      this.#libc,
      { address, port },
      mayFragment,
    );
    const socket = new NativeDatagramSocket({
      libc: this.#libc,
      poller: this.#poller,
      descriptor,
      family,
      local,
      mayFragment,
      burstLength,
      handler,
      memory,
    });
    const problem = this.#poller.add(descriptor, socket);
    if (problem === undefined) return socket;
    this.#libc.close(descriptor);
    throw new BindError(bindErrorCode(problem), { address, port }, problem);
  }
}

/** A native socket; {@link NativeDatagramSockets} makes them. */
export class NativeDatagramSocket implements DatagramSocket {
  readonly local: SocketAddress;
  readonly mayFragment: boolean;
  readonly #libc: Libc;
  readonly #poller: ReadinessPoller;
  readonly #handler: DatagramHandler;
  readonly #burstLength: number;
  readonly #family: number;
  readonly #options: SocketOptions;
  readonly #outgoing: OutgoingMessage;
  readonly #incoming: IncomingMessage;
  /** -1 when closed. */
  #descriptor: number;
  #closed: Promise<void> | undefined;
  #isSegmenting = true;
  #errorCount = 0;

  constructor(
    { libc, poller, descriptor, family, local, mayFragment, burstLength, handler, memory }:
      & OpenDescriptor
      & {
        readonly libc: Libc;
        readonly poller: ReadinessPoller;
        readonly mayFragment: boolean;
        readonly burstLength: number;
        readonly handler: DatagramHandler;
        readonly memory: Uint8Array;
      },
  ) {
    this.#libc = libc;
    this.#poller = poller;
    this.#descriptor = descriptor;
    this.local = local;
    this.mayFragment = mayFragment;
    this.#burstLength = burstLength;
    this.#handler = handler;
    this.#family = family;
    this.#options = new SocketOptions(libc, descriptor);
    this.#outgoing = new OutgoingMessage(family);
    this.#incoming = new IncomingMessage(memory);
  }

  /** Whether several datagrams go out by one call: until the system refuses that. */
  get isSegmenting(): boolean {
    return this.#isSegmenting;
  }

  send(
    bytes: Uint8Array,
    start: number,
    end: number,
    segmentLength: number,
    destination: SocketAddress,
    mayFragment = false,
  ): SendOutcome {
    requireRange(bytes, start, end, segmentLength);
    if (this.#descriptor < 0 || !this.#outgoing.setDestination(destination)) return "unreachable";
    this.#outgoing.setBytes(bytes);
    if (mayFragment && !this.mayFragment) return this.#sendInFragments(start, end, segmentLength);
    if (end - start <= segmentLength) return outcomeOf(this.#transmit(start, end, 0));
    const perBatch = Math.min(maxSegmentCount, Math.floor(maxDatagramLength / segmentLength));
    if (perBatch < 2) return this.#sendSingly(start, end, segmentLength);
    return this.#sendBatches(start, end, { segmentLength, batchLength: perBatch * segmentLength });
  }

  /** Rare enough for two more calls. */
  #sendInFragments(start: number, end: number, segmentLength: number): SendOutcome {
    setFragmenting(this.#options, this.#family, true);
    const outcome = this.#sendSingly(start, end, segmentLength);
    setFragmenting(this.#options, this.#family, false);
    return outcome;
  }

  #sendBatches(
    start: number,
    end: number,
    { segmentLength, batchLength }: {
      readonly segmentLength: number;
      readonly batchLength: number;
    },
  ): SendOutcome {
    for (let at = start; at < end; at += batchLength) {
      if (!this.#isSegmenting) return this.#sendSingly(at, end, segmentLength);
      const batchEnd = Math.min(end, at + batchLength);
      const error = this.#transmit(at, batchEnd, segmentLength);
      const outcome = isSegmentingRefused(error)
        ? this.#sendRefused(at, batchEnd, segmentLength, error)
        : outcomeOf(error);
      if (outcome !== "sent") return outcome;
    }
    return "sent";
  }

  /**
   * Sends singly what was refused as a batch. EIO says that the way out cannot cut batches. EINVAL
   * says so too, unless the segments are too long for the way out: then they do not pass singly
   * either.
   */
  #sendRefused(start: number, end: number, segmentLength: number, error: number): SendOutcome {
    const outcome = this.#sendSingly(start, end, segmentLength);
    if (error === errno.EIO || outcome === "sent") this.#isSegmenting = false;
    return outcome;
  }

  #sendSingly(start: number, end: number, segmentLength: number): SendOutcome {
    for (let at = start; at < end; at += segmentLength) {
      const outcome = outcomeOf(this.#transmit(at, Math.min(end, at + segmentLength), 0));
      if (outcome !== "sent") return outcome;
    }
    return "sent";
  }

  /** The errno, or 0. A segment length of 0 is for one datagram. */
  #transmit(start: number, end: number, segmentLength: number): number {
    // One datagram needs no cutting, and some systems refuse to.
    const cut = end - start <= segmentLength ? 0 : segmentLength;
    this.#outgoing.setRange(start, end - start, cut);
    const error = this.#trySending();
    // Those are about a datagram sent before (ICMP), or about none, and are told once.
    return isOfBefore(error) ? this.#trySending() : error;
  }

  #trySending(): number {
    const sent = this.#libc.sendmsg(this.#descriptor, this.#outgoing.pointer, 0);
    return sent < 0 ? this.#libc.errno() : 0;
  }

  /** Reads a burst of datagrams. */
  handleReady(): void {
    let hasRead = false;
    let burst = 0;
    for (let count = 0; count < burstCount && this.#descriptor >= 0; count++) {
      if (burst >= this.#burstLength) break;
      this.#incoming.prepare();
      const length = this.#libc.recvmsg(this.#descriptor, this.#incoming.pointer, 0);
      if (length >= 0) {
        this.#errorCount = 0;
        burst += length;
        hasRead = this.#deliver(length) || hasRead;
      } else if (!this.#livesOn(this.#libc.errno())) break;
    }
    if (hasRead && this.#descriptor >= 0) callHandler(() => this.#handler.handleDrained());
  }

  #deliver(length: number): boolean {
    const incoming = this.#incoming;
    const source = incoming.source;
    if (source === undefined || incoming.isTruncated) return false;
    const segmentLength = incoming.segmentLength ?? length;
    try {
      this.#handler.handleDatagrams(incoming.bytes, 0, length, segmentLength, source);
    } catch (error) {
      reportError(error);
    }
    return true;
  }

  /** Whether there may be more to read after an error. */
  #livesOn(error: number): boolean {
    if (error === errno.EAGAIN || error === errno.ENOMEM || error === errno.ENOBUFS) return false;
    this.#errorCount++;
    const isFatal = error === errno.EBADF || error === errno.ENOTSOCK || error === errno.EFAULT ||
      error === errno.EINVAL || this.#errorCount > maxErrorCount;
    if (isFatal) this.handleFailed(`cannot receive: ${errnoName(error)}`);
    return !isFatal;
  }

  /** Closes, and says so. */
  handleFailed(reason: string): void {
    if (this.#descriptor < 0) return;
    void this.close();
    callHandler(() => this.#handler.handleFailed(reason));
  }

  close(): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = this.#poller.remove(this.#descriptor);
      this.#libc.close(this.#descriptor);
      this.#descriptor = -1;
    }
    return this.#closed;
  }
}

function isSegmentingRefused(error: number): boolean {
  return error === errno.EIO || error === errno.EINVAL;
}

function isOfBefore(error: number): boolean {
  return error === errno.ECONNREFUSED || error === errno.EHOSTUNREACH || error === errno.EINTR;
}

function outcomeOf(error: number): SendOutcome {
  switch (error) {
    case 0:
      return "sent";
    case errno.EMSGSIZE:
      return "too-long";
    case errno.EAGAIN:
    case errno.ENOBUFS:
    case errno.ENOMEM:
    case errno.EINTR:
    // What a packet filter says that takes a datagram.
    // Falls through.
    case errno.EPERM:
      return "dropped";
    default:
      return "unreachable";
  }
}
