/** UDP sockets of the system, opened by the C library and set to carry much. */
import { BindError, bindErrorCode, type SocketAddress } from "./datagram.ts";
import { type Libc, NativeBlock } from "./libc.ts";
import { datagramType, errnoName, family, mtuProbe, option } from "./linux_constants.ts";
import { encodeSockaddr, readSockaddr, sockaddrLength } from "./sockaddr.ts";

/** What a fast path holds in the time that this process may be kept from reading. */
const kernelBufferLength = 4 * 1024 * 1024;

/** A bound UDP socket of the system. */
export interface OpenDescriptor {
  readonly descriptor: number;
  /** AF_INET or AF_INET6. */
  readonly family: number;
  /** Where it is bound. */
  readonly local: SocketAddress;
}

/** A bound descriptor with its options set. Throws a BindError. */
export function openDescriptor(libc: Libc, wanted: SocketAddress): OpenDescriptor {
  const encoded = encodeSockaddr(wanted);
  if (encoded === undefined) {
    throw new BindError("address-unavailable", wanted, "it is not an address");
  }
  const addressFamily = encoded[0] ?? 0;
  const descriptor = libc.socket(addressFamily, datagramType, 0);
  if (descriptor < 0) throw bindError(libc, wanted);
  try {
    const local = bindDescriptor(libc, { descriptor, family: addressFamily, encoded });
    if (local !== undefined) return { descriptor, family: addressFamily, local };
    throw bindError(libc, wanted);
  } catch (error) {
    libc.close(descriptor);
    throw error;
  }
}

/** What the call that has just failed says. */
function bindError(libc: Libc, wanted: SocketAddress): BindError {
  const name = errnoName(libc.errno());
  return new BindError(bindErrorCode(name), wanted, name);
}

/** Sets the options, binds, and tells where; undefined, with errno set, where it cannot. */
function bindDescriptor(
  libc: Libc,
  { descriptor, family, encoded }: {
    readonly descriptor: number;
    readonly family: number;
    readonly encoded: Uint8Array;
  },
): SocketAddress | undefined {
  setOptions(libc, { descriptor, addressFamily: family });
  const block = new NativeBlock(64);
  block.bytes.set(encoded);
  if (libc.bind(descriptor, block.pointer(0), encoded.length) !== 0) return undefined;
  const lengthOffset = 32;
  block.view.setUint32(lengthOffset, sockaddrLength.ipv6, true);
  if (libc.getsockname(descriptor, block.pointer(0), block.pointer(lengthOffset)) !== 0) {
    return undefined;
  }
  return readSockaddr(block.view, 0);
}

/** None of them is needed to carry datagrams, so that nobody asks whether they could be set. */
function setOptions(
  libc: Libc,
  { descriptor, addressFamily }: { readonly descriptor: number; readonly addressFamily: number },
): void {
  const options = new SocketOptions(libc, descriptor);
  if (addressFamily === family.ipv6) {
    options.set(option.ipv6Only, 1);
    options.set(option.mtuDiscoverIpv6, mtuProbe);
  } else {
    options.set(option.mtuDiscoverIpv4, mtuProbe);
  }
  options.set(option.udpGro, 1);
  options.raise(option.receiveBuffer, option.receiveBufferForced);
  options.raise(option.sendBuffer, option.sendBufferForced);
}

type Option = readonly [level: number, name: number];

/** Socket options that are an int. */
class SocketOptions {
  readonly #libc: Libc;
  readonly #descriptor: number;
  readonly #block = new NativeBlock(64);

  constructor(libc: Libc, descriptor: number) {
    this.#libc = libc;
    this.#descriptor = descriptor;
  }

  set([level, name]: Option, value: number): boolean {
    this.#block.view.setInt32(0, value, true);
    return this.#libc.setsockopt(this.#descriptor, level, name, this.#block.pointer(0), 4) === 0;
  }

  #get([level, name]: Option): number {
    const [value, length] = [this.#block.pointer(0), this.#block.pointer(8)];
    this.#block.view.setUint32(8, 4, true);
    const result = this.#libc.getsockopt(this.#descriptor, level, name, value, length);
    return result === 0 ? this.#block.view.getInt32(0, true) : 0;
  }

  /** Sets the length of a kernel's buffer as far as allowed; `forced` is allowed to root. */
  raise(plain: Option, forced: Option): void {
    // The kernel doubles what it is told, for its bookkeeping, and tells the double.
    if (this.#get(plain) >= 2 * kernelBufferLength) return;
    if (!this.set(forced, kernelBufferLength)) this.set(plain, kernelBufferLength);
  }
}
