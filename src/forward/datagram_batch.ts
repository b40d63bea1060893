/**
 * Puts datagrams of one length that go to one place together, since a call costs more than a
 * datagram. They leave in order, at the end of the turn in which they came.
 */
import { blockLength, type BufferPool } from "../buffer_pool.ts";
import { copyBytes } from "../copy_bytes.ts";
import type { DatagramSocket, SocketAddress } from "../socket/datagram.ts";

/**
 * How sockets of users' datagrams are bound: those may be longer than paths take, and a burst of them
 * fits a channel's buffer.
 */
export const userSocket = { mayFragment: true, burstLength: 65_536 } as const;

/** Where they go. */
export interface DatagramRoute {
  readonly socket: DatagramSocket;
  readonly destination: SocketAddress;
}

/** What is sent by any number of sockets. */
export class DatagramBatch {
  readonly #pool: BufferPool;
  #block: Uint8Array<ArrayBuffer> | undefined;
  #end = 0;
  #segmentLength = 0;
  #route: DatagramRoute | undefined;
  #isFlushDue = false;

  /** What waits, waits in a block of the pool. */
  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /**
   * Sends `bytes[start..end)`, copied; the same route is the same object. What is too long for any
   * datagram the socket drops.
   */
  send(route: DatagramRoute, bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    const isNext = route === this.#route && length <= this.#segmentLength && length > 0 &&
      this.#end + length <= blockLength;
    if (!isNext) this.flush();
    if (length === 0 || length > blockLength) {
      route.socket.send(bytes, start, end, length, route.destination);
      return;
    }
    if (!isNext) this.#begin(route, length);
    const block = this.#block ??= this.#pool.take();
    copyBytes(bytes, start, end, block, this.#end);
    this.#end += length;
    // A shorter one is the last of its batch.
    if (length < this.#segmentLength) this.flush();
  }

  /** Sends what waits: before its socket is closed. */
  flush(): void {
    const [block, route, end] = [this.#block, this.#route, this.#end];
    this.#route = undefined;
    this.#block = undefined;
    this.#end = 0;
    if (block === undefined || route === undefined) return;
    route.socket.send(block, 0, end, this.#segmentLength, route.destination);
    this.#pool.give(block, performance.now());
  }

  #begin(route: DatagramRoute, length: number): void {
    this.#route = route;
    this.#segmentLength = length;
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    queueMicrotask(() => {
      this.#isFlushDue = false;
      this.flush();
    });
  }
}
