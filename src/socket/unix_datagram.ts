/** One datagram to a Unix socket, on Linux. Deno has these only with a flag. */
import { errnoName, noSignal, option } from "./linux_constants.ts";
import { type Libc, NativeBlock } from "./libc.ts";

/** AF_UNIX; SOCK_DGRAM with SOCK_CLOEXEC. */
const [unixFamily, blockingDatagramType] = [1, 0x2 | 0x80000];
/** Bytes of struct sockaddr_un's path. */
const maxPathLength = 108;
/** How long a receiver whose queue is full is waited for, in s: nothing else runs meanwhile. */
const sendTimeoutSeconds = 1n;

/**
 * Sends it. `path` names a file, or begins with `@` where the name is abstract (unix(7)). Throws an
 * Error saying why it did not go out.
 */
export function sendUnixDatagram(
  { path, bytes, libc }: {
    readonly path: string;
    readonly bytes: Uint8Array<ArrayBuffer>;
    readonly libc: Libc;
  },
): void {
  const address = encodeAddress(path);
  const descriptor = libc.socket(unixFamily, blockingDatagramType, 0);
  try {
    if (
      descriptor < 0 || !setSendTimeout(libc, descriptor) ||
      libc.connect(descriptor, address.pointer(0), address.bytes.length) < 0 ||
      libc.send(descriptor, bytes, bytes.length, noSignal) < 0
    ) throw new Error(`cannot send to ${path}: ${errnoName(libc.errno())}`);
  } finally {
    if (descriptor >= 0) libc.close(descriptor);
  }
}

//  sockaddr_un:   0 family (host order)  2 path
function encodeAddress(path: string): NativeBlock {
  const name = new TextEncoder().encode(path);
  const isAbstract = path.startsWith("@");
  // A path ends with a zero, an abstract name begins with one and has the rest of the length.
  const length = name.length + (isAbstract ? 0 : 1);
  if (!(isAbstract || path.startsWith("/")) || length > maxPathLength) {
    throw new Error(`${JSON.stringify(path)} is no Unix socket: a path, or @ and a name`);
  }
  const address = new NativeBlock(2 + length);
  address.view.setUint16(0, unixFamily, true);
  address.bytes.set(name, 2);
  if (isAbstract) address.bytes[2] = 0;
  return address;
}

//  struct timeval: 0 seconds  8 microseconds
function setSendTimeout(libc: Libc, descriptor: number): boolean {
  const time = new NativeBlock(16);
  time.view.setBigInt64(0, sendTimeoutSeconds, true);
  const [level, name] = option.sendTimeout;
  return libc.setsockopt(descriptor, level, name, time.pointer(0), time.bytes.length) === 0;
}
