/**
 * TCP by the C library's own calls, on Linux. Data is read and written at once where it can be, and
 * all native sockets are waited for together: a turn of the event loop serves datagrams and streams.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { messageOf } from "../message_of.ts";
import { AcceptPause } from "./accept_pause.ts";
import { formatEndpoint } from "./endpoint.ts";
import { type Libc, NativeBlock } from "./libc.ts";
import {
  acceptFlags,
  epollEvents,
  epollTold,
  errno,
  errnoName,
  noSignal,
  option,
  shutdownWrite,
  streamType,
} from "./linux_constants.ts";
import type { SocketAddress } from "./datagram.ts";
import type { NativeSystem } from "./native_system.ts";
import { bindAddress } from "./open_descriptor.ts";
import type { Pollable } from "./readiness_poller.ts";
import { encodeSockaddr, readSockaddr, sockaddrLength } from "./sockaddr.ts";
import { SocketOptions } from "./socket_options.ts";
import type { ByteParts, Connection } from "./connection.ts";
import {
  backlog,
  type DialOptions,
  type ListenOptions,
  type TcpListener,
  type TcpSockets,
} from "./tcp.ts";

const log = getLogger(["aetherport", "socket"]);

/** Connections accepted in one turn. */
const acceptCount = 64;
/** Room for any address, and for its length behind it. */
const addressRoom = 32;

/** Native TCP; addresses only, as names are resolved elsewhere. */
export class NativeTcpSockets implements TcpSockets {
  readonly #system: NativeSystem;

  constructor(system: NativeSystem) {
    this.#system = system;
  }

  listen(options: ListenOptions): TcpListener {
    return new NativeTcpListener(this.#system, options);
  }

  async dial({ address, port, signal }: DialOptions): Promise<Connection> {
    signal.throwIfAborted();
    const { libc } = this.#system;
    const encoded = requireSockaddr(address, port);
    const descriptor = openSocket(libc, encoded);
    const remote = formatEndpoint({ host: address, port });
    const connection = new NativeTcpConnection(this.#system, { descriptor, remote });
    const block = new NativeBlock(addressRoom);
    block.bytes.set(encoded);
    const giveUp = () => connection.close();
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      if (libc.connect(descriptor, block.pointer(0), encoded.length) !== 0) {
        const error = libc.errno();
        if (error !== errno.EINPROGRESS) throw systemError("connect", error);
        await connection.untilConnected();
      }
      return connection;
    } catch (error) {
      connection.close();
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }
}

/** One connection. */
class NativeTcpConnection implements Connection, Pollable {
  readonly remote: string;
  readonly #system: NativeSystem;
  readonly #libc: Libc;
  /** -1 when closed. */
  #descriptor: number;
  /** Whether a call may succeed: until one says that it would have to wait. */
  #isReadable = true;
  #isWritable = true;
  /** The other end has ended or reset: reading never has to wait. */
  #hasEnded = false;
  #hasFailed = false;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  constructor(
    system: NativeSystem,
    { descriptor, remote }: { readonly descriptor: number; readonly remote: string },
  ) {
    this.#system = system;
    this.#libc = system.libc;
    this.#descriptor = descriptor;
    this.remote = remote;
    const options = new SocketOptions(system.libc, descriptor);
    options.set(option.noDelay, 1);
    options.set(option.keepAlive, 1);
    const problem = system.poller.add(descriptor, this, epollEvents.changes);
    if (problem === undefined) return;
    this.close();
    throw new Error(`cannot wait for a connection: ${problem}`);
  }

  /** After connect has begun. Throws where it fails. */
  async untilConnected(): Promise<void> {
    this.#isWritable = false;
    await this.#untilWritable();
    const error = new SocketOptions(this.#libc, this.#descriptor).get(option.error);
    if (error !== 0) throw systemError("connect", error ?? this.#libc.errno());
  }

  async read(buffer: Uint8Array<ArrayBuffer>): Promise<number | null> {
    while (true) {
      while (!this.#isReadable && !this.#hasEnded) {
        await new Promise<void>((resolve) => this.#wakeReader = resolve);
      }
      this.#requireOpen();
      const count = this.#libc.recv(this.#descriptor, buffer, buffer.length, 0);
      if (count === 0) return null;
      if (count > 0) {
        // The next bytes, or the end, are told of as a change.
        if (count < buffer.length) this.#isReadable = false;
        return count;
      }
      const error = this.#libc.errno();
      if (error === errno.EAGAIN) this.#isReadable = this.#hasEnded = false;
      else if (error !== errno.EINTR) throw systemError("read", error);
    }
  }

  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (!this.#isWritable) await this.#untilWritable();
      this.#requireOpen();
      const rest = at === 0 ? bytes : bytes.subarray(at);
      const count = this.#libc.send(this.#descriptor, rest, rest.length, noSignal);
      if (count >= 0) {
        at += count;
        continue;
      }
      const error = this.#libc.errno();
      if (error === errno.EAGAIN) this.#isWritable = false;
      else if (error !== errno.EINTR) throw systemError("write", error);
    }
  }

  writeAtOnce(parts: ByteParts): number {
    if (!this.#isWritable || this.#descriptor < 0) return 0;
    const { parts: message } = this.#system;
    message.set(parts);
    const count = this.#libc.sendmsg(this.#descriptor, message.pointer, noSignal);
    if (count >= 0) return count;
    if (this.#libc.errno() === errno.EAGAIN) this.#isWritable = false;
    return 0;
  }

  endWrite(): Promise<void> {
    const isFailed = this.#descriptor < 0 ||
      this.#libc.shutdown(this.#descriptor, shutdownWrite) !== 0;
    // The other end may have closed both ways already: then there is nothing left to end.
    if (!isFailed || this.#libc.errno() === errno.ENOTCONN) return Promise.resolve();
    return Promise.reject(new Error("the connection is closed"));
  }

  probe(): Promise<void> {
    return this.#hasFailed
      ? Promise.reject(systemError("read", errno.ECONNRESET))
      : Promise.resolve();
  }

  reset(): void {
    if (this.#descriptor < 0) return;
    new SocketOptions(this.#libc, this.#descriptor).setLinger(option.linger, 0);
    this.close();
  }

  close(): void {
    if (this.#descriptor < 0) return;
    void this.#system.poller.remove(this.#descriptor);
    this.#libc.close(this.#descriptor);
    this.#descriptor = -1;
    this.#wakeAll();
  }

  handleReady(events: number): void {
    if ((events & epollTold.ended) !== 0) this.#hasEnded = true;
    if ((events & epollTold.error) !== 0) this.#hasFailed = true;
    if ((events & (epollTold.readable | epollTold.ended)) !== 0) {
      this.#isReadable = true;
      this.#wakeReader?.();
    }
    if ((events & (epollTold.writable | epollTold.error)) !== 0) {
      this.#isWritable = true;
      this.#wakeWriter?.();
    }
  }

  handleFailed(): void {
    this.close();
  }

  async #untilWritable(): Promise<void> {
    while (!this.#isWritable && this.#descriptor >= 0) {
      await new Promise<void>((resolve) => this.#wakeWriter = resolve);
    }
    this.#requireOpen();
  }

  #requireOpen(): void {
    if (this.#descriptor < 0) throw new Error("the connection is closed");
  }

  #wakeAll(): void {
    this.#hasEnded = true;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }
}

/** One listening socket. */
class NativeTcpListener implements TcpListener, Pollable {
  readonly port: number;
  readonly address: string;
  readonly #system: NativeSystem;
  readonly #onConnection: (connection: Connection) => void;
  readonly #peer = new NativeBlock(2 * addressRoom);
  /** -1 when closed. */
  #descriptor: number;
  readonly #pause = new AcceptPause();
  #pauseTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(system: NativeSystem, { host, port, onConnection }: ListenOptions) {
    this.#system = system;
    this.#onConnection = onConnection;
    const { libc } = system;
    const encoded = requireSockaddr(host, port);
    this.#descriptor = openSocket(libc, encoded);
    try {
      const local = listenAt(libc, this.#descriptor, encoded);
      this.port = local.port;
      this.address = formatEndpoint({ host: local.address, port: local.port });
      const problem = system.poller.add(this.#descriptor, this);
      if (problem !== undefined) throw new Error(`cannot wait for connections: ${problem}`);
    } catch (error) {
      libc.close(this.#descriptor);
      throw error;
    }
  }

  close(): void {
    if (this.#descriptor < 0) return;
    clearTimeout(this.#pauseTimer);
    void this.#system.poller.remove(this.#descriptor);
    this.#system.libc.close(this.#descriptor);
    this.#descriptor = -1;
  }

  handleReady(): void {
    for (let count = 0; count < acceptCount && this.#descriptor >= 0; count++) {
      if (!this.#acceptOne()) return;
    }
  }

  handleFailed(): void {
    this.close();
  }

  /** False where there is none, or none can be had. */
  #acceptOne(): boolean {
    const { libc } = this.#system;
    this.#peer.view.setUint32(addressRoom, sockaddrLength.ipv6, true);
    const [address, length] = [this.#peer.pointer(0), this.#peer.pointer(addressRoom)];
    const descriptor = libc.accept4(this.#descriptor, address, length, acceptFlags);
    if (descriptor < 0) return this.#handleRefused(libc.errno());
    this.#pause.end();
    const { address: host = "", port = 0 } = readSockaddr(this.#peer.view, 0) ?? {};
    const remote = formatEndpoint({ host, port });
    try {
      this.#onConnection(new NativeTcpConnection(this.#system, { descriptor, remote }));
    } catch (error) {
      log.warn("a connection of {remote} is lost: {problem}", {
        remote,
        problem: messageOf(error),
      });
    }
    return true;
  }

  /** Whether to go on at once. */
  #handleRefused(error: number): boolean {
    if (error === errno.EAGAIN) return false;
    // A client that reset before it was accepted shows here; it is no trouble of ours.
    if (error === errno.ECONNABORTED || error === errno.EINTR) return true;
    void this.#system.poller.remove(this.#descriptor);
    this.#pauseTimer = setTimeout(
      () => this.#resume(),
      this.#pause.begin(this.address, systemError("accept", error)),
    );
    return false;
  }

  /** Where the system has nothing for that either, it is tried again as well. */
  #resume(): void {
    const problem = this.#system.poller.add(this.#descriptor, this);
    if (problem === undefined) return;
    this.#pauseTimer = setTimeout(
      () => this.#resume(),
      this.#pause.begin(this.address, new Error(`cannot wait for connections: ${problem}`)),
    );
  }
}

function requireSockaddr(host: string, port: number): Uint8Array {
  const encoded = encodeSockaddr({ address: host, port });
  if (encoded === undefined) throw new Error(`${formatEndpoint({ host, port })} is no address`);
  return encoded;
}

function openSocket(libc: Libc, encoded: Uint8Array): number {
  const descriptor = libc.socket(encoded[0] ?? 0, streamType, 0);
  if (descriptor < 0) throw systemError("socket", libc.errno());
  return descriptor;
}

/** Binds and listens; where that is. */
function listenAt(libc: Libc, descriptor: number, encoded: Uint8Array): SocketAddress {
  // As with Deno: [::] takes IPv4 too, where the system has it so.
  new SocketOptions(libc, descriptor).set(option.reuseAddress, 1);
  const local = bindAddress(libc, descriptor, encoded);
  if (local === undefined) throw systemError("bind", libc.errno());
  if (libc.listen(descriptor, backlog) !== 0) throw systemError("listen", libc.errno());
  return local;
}

/** What Deno and node would throw, as far as anybody looks at it. */
function systemError(call: string, error: number): Error {
  const [type, what] = kinds.get(error) ?? [Error, "failed"];
  const code = errnoName(error);
  return Object.assign(new type(`${what} (${call}: ${code})`), { code });
}

const kinds = new Map<number, readonly [new (message: string) => Error, string]>([
  [errno.EADDRINUSE, [Deno.errors.AddrInUse, "the address is in use"]],
  [errno.EADDRNOTAVAIL, [Deno.errors.AddrNotAvailable, "the address is not of this host"]],
  [errno.EACCES, [Deno.errors.PermissionDenied, "not permitted"]],
  [errno.EPERM, [Deno.errors.PermissionDenied, "not permitted"]],
  [errno.ECONNREFUSED, [Deno.errors.ConnectionRefused, "the connection is refused"]],
  [errno.ECONNRESET, [Deno.errors.ConnectionReset, "the connection was reset"]],
  [errno.EPIPE, [Deno.errors.BrokenPipe, "the other end is gone"]],
  [errno.ETIMEDOUT, [Deno.errors.TimedOut, "the other end does not answer"]],
  [errno.ENETUNREACH, [Deno.errors.NetworkUnreachable, "there is no way there"]],
  [errno.EHOSTUNREACH, [Error, "there is no way there"]],
  [errno.EMFILE, [Error, "no descriptors are left"]],
  [errno.ENFILE, [Error, "the system has no descriptors left"]],
]);
