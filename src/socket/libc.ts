/**
 * The C library's sockets on Linux, by FFI: which functions are called, how they tell an error, and
 * the memory they work in. No function of those has a variable number of arguments, and each has the
 * same types in glibc and in musl, on x86-64 and on ARM64. `ssize_t` results are taken as 32 bits,
 * which is all they can have here, and cheaper; so are lengths, which are given in a register whose upper
 * half is zero.
 *
 * @module
 */

/** Versioned names, so that nothing else is loaded by chance. */
export const libcNames: readonly string[] = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`];

const socketSymbols = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "pointer", "u32"], result: "i32" },
  getsockname: { parameters: ["i32", "pointer", "pointer"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "pointer", "pointer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "pointer", "u32"], result: "i32" },
  sendmsg: { parameters: ["i32", "pointer", "i32"], result: "i32" },
  recvmsg: { parameters: ["i32", "pointer", "i32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  listen: { parameters: ["i32", "i32"], result: "i32" },
  accept4: { parameters: ["i32", "pointer", "pointer", "i32"], result: "i32" },
  connect: { parameters: ["i32", "pointer", "u32"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "pointer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "pointer", "i32", "i32"], result: "i32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  eventfd_write: { parameters: ["i32", "u64"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

const otherSymbols = {
  epoll_wait_elsewhere: {
    name: "epoll_wait",
    parameters: ["i32", "pointer", "i32", "i32"],
    result: "i32",
    nonblocking: true,
  },
  __errno_location: { parameters: [], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

type Address = Deno.PointerObject;

/** The calls; each returns -1 where it failed. Tests put others in their places. */
export interface Libc {
  socket(family: number, type: number, protocol: number): number;
  bind(descriptor: number, address: Address, length: number): number;
  getsockname(descriptor: number, address: Address, length: Address): number;
  getsockopt(
    descriptor: number,
    level: number,
    name: number,
    value: Address,
    length: Address,
  ): number;
  setsockopt(
    descriptor: number,
    level: number,
    name: number,
    value: Address,
    length: number,
  ): number;
  sendmsg(descriptor: number, message: Address, flags: number): number;
  recvmsg(descriptor: number, message: Address, flags: number): number;
  send(descriptor: number, bytes: Uint8Array<ArrayBuffer>, length: number, flags: number): number;
  recv(descriptor: number, bytes: Uint8Array<ArrayBuffer>, length: number, flags: number): number;
  listen(descriptor: number, backlog: number): number;
  accept4(descriptor: number, address: Address, length: Address, flags: number): number;
  connect(descriptor: number, address: Address, length: number): number;
  shutdown(descriptor: number, how: number): number;
  close(descriptor: number): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, operation: number, descriptor: number, event: Address): number;
  epoll_wait(epoll: number, events: Address, count: number, timeout: number): number;
  /** epoll_wait in a thread of its own. Its errno is that thread's, and so not to be had. */
  epoll_wait_elsewhere(
    epoll: number,
    events: Address,
    count: number,
    timeout: number,
  ): Promise<number>;
  eventfd(initial: number, flags: number): number;
  eventfd_write(descriptor: number, value: bigint): number;
  /** Why the last call failed, if it did; to be asked at once. */
  errno(): number;
}

/** The first library that has all of them; undefined where there is none, or no permission. */
export function openLibc(names: readonly string[] = libcNames): Libc | undefined {
  for (const name of names) {
    try {
      const { symbols } = Deno.dlopen(name, { ...socketSymbols, ...otherSymbols });
      const location = symbols.__errno_location();
      if (location === null) continue;
      // Calls are made by one thread, and errno has one place in a thread.
      const view = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(location, 4));
      return { ...symbols, errno: () => view[0] ?? 0 };
    } catch {
      // Not this libc, a function is missing, or FFI is not permitted: the next name, or none.
    }
  }
  return undefined;
}

/** A piece of memory that C reads and writes: it stays where it is as long as this object lives. */
export class NativeBlock {
  readonly view: DataView<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Its address as a number, for pointers that lie in other memory. */
  readonly base: number;
  readonly #pointer: Address;

  constructor(length: number) {
    const buffer = new ArrayBuffer(length);
    this.view = new DataView(buffer);
    this.bytes = new Uint8Array(buffer);
    const pointer = Deno.UnsafePointer.of(this.bytes);
    if (pointer === null) throw new RangeError("a block of no bytes has no address");
    this.#pointer = pointer;
    this.base = Number(Deno.UnsafePointer.value(pointer));
  }

  /** A pointer object for an offset; made once, and kept. */
  pointer(offset: number): Address {
    return Deno.UnsafePointer.offset(this.#pointer, offset) ?? this.#pointer;
  }

  /** Writes an address of 64 bits. */
  setAddress(offset: number, address: number): void {
    // Conversion takes a number modulo 2^32, of which addresses have two words at most.
    this.view.setUint32(offset, address, true);
    this.view.setUint32(offset + 4, Math.floor(address / 2 ** 32), true);
  }
}

/** Where the bytes of a buffer lie. A buffer's memory does not move, so it is asked for once. */
export class BufferAddresses {
  readonly #bases = new WeakMap<ArrayBufferLike, number>();
  #lastBuffer: ArrayBufferLike | undefined;
  #lastBase = 0;

  /** The address of byte 0 of the buffer. Asking for `bytes.buffer` has moved it off V8's heap. */
  baseOf(buffer: ArrayBufferLike): number {
    if (buffer === this.#lastBuffer) return this.#lastBase;
    let base = this.#bases.get(buffer);
    if (base === undefined) {
      const pointer = Deno.UnsafePointer.of(new Uint8Array(buffer));
      base = Number(Deno.UnsafePointer.value(pointer));
      this.#bases.set(buffer, base);
    }
    this.#lastBuffer = buffer;
    this.#lastBase = base;
    return base;
  }
}
