/** UDP sockets of the system, opened by the C library and set to carry much. */
import { BindError, bindErrorCode, type SocketAddress } from "./datagram.ts";
import { type Libc, NativeBlock } from "./libc.ts";
import {
  datagramType,
  errnoName,
  family,
  minMtuIpv6,
  mtuDont,
  mtuProbe,
  option,
} from "./linux_constants.ts";
import { SocketOptions } from "./socket_options.ts";
import { encodeSockaddr, readSockaddr, sockaddrLength } from "./sockaddr.ts";

/** A bound UDP socket of the system. */
export interface OpenDescriptor {
  readonly descriptor: number;
  /** AF_INET or AF_INET6. */
  readonly family: number;
  /** Where it is bound. */
  readonly local: SocketAddress;
}

/** A bound descriptor with its options set. Throws a BindError. */
export function openDescriptor(
  libc: Libc,
  wanted: SocketAddress,
  mayFragment: boolean,
): OpenDescriptor {
  const encoded = encodeSockaddr(wanted);
  if (encoded === undefined) {
    throw new BindError("address-unavailable", wanted, "it is not an address");
  }
  const addressFamily = encoded[0] ?? 0;
  const descriptor = libc.socket(addressFamily, datagramType, 0);
  if (descriptor < 0) throw bindError(libc, wanted);
  try {
    setOptions(libc, { descriptor, addressFamily, mtuDiscovery: mayFragment ? mtuDont : mtuProbe });
    const local = bindAddress(libc, descriptor, encoded);
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

/** Binds a descriptor of either type, and tells where; undefined, with errno set, where it cannot. */
export function bindAddress(
  libc: Libc,
  descriptor: number,
  encoded: Uint8Array,
): SocketAddress | undefined {
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

/** Has what is too long for a path go in fragments, or be refused. */
export function setFragmenting(
  options: SocketOptions,
  addressFamily: number,
  mayFragment: boolean,
): void {
  setMtuDiscovery(options, addressFamily, mayFragment ? mtuDont : mtuProbe);
  // Fragments are cut here, and by nobody on the way.
  if (addressFamily === family.ipv6) options.set(option.mtuIpv6, mayFragment ? minMtuIpv6 : 0);
}

function setMtuDiscovery(options: SocketOptions, addressFamily: number, discovery: number): void {
  const isIpv6 = addressFamily === family.ipv6;
  options.set(isIpv6 ? option.mtuDiscoverIpv6 : option.mtuDiscoverIpv4, discovery);
}

/** None of them is needed to carry datagrams, so that nobody asks whether they could be set. */
function setOptions(
  libc: Libc,
  { descriptor, addressFamily, mtuDiscovery }: {
    readonly descriptor: number;
    readonly addressFamily: number;
    readonly mtuDiscovery: number;
  },
): void {
  const options = new SocketOptions(libc, descriptor);
  if (addressFamily === family.ipv6) options.set(option.ipv6Only, 1);
  setMtuDiscovery(options, addressFamily, mtuDiscovery);
  options.set(option.udpGro, 1);
  options.raise(option.receiveBuffer, option.receiveBufferForced);
  options.raise(option.sendBuffer, option.sendBufferForced);
}
