/** The options of the system's sockets. */
import { type Libc, NativeBlock } from "./libc.ts";

/** What a fast path holds in the time that this process may be kept from reading. */
const kernelBufferLength = 4 * 1024 * 1024;

/** Level and name. */
type Option = readonly [level: number, name: number];

/** Calls are made by one thread, each of which is over when it returns: all use the same memory. */
let sharedBlock: NativeBlock | undefined;

/** Options of one socket that are an int. */
export class SocketOptions {
  readonly #libc: Libc;
  readonly #descriptor: number;
  readonly #block = sharedBlock ??= new NativeBlock(64);

  constructor(libc: Libc, descriptor: number) {
    this.#libc = libc;
    this.#descriptor = descriptor;
  }

  /** Sets it; false where it cannot be set, with errno. */
  set([level, name]: Option, value: number): boolean {
    this.#block.view.setInt32(0, value, true);
    return this.#libc.setsockopt(this.#descriptor, level, name, this.#block.pointer(0), 4) === 0;
  }

  /** Its value; undefined where it cannot be had, with errno. */
  get([level, name]: Option): number | undefined {
    const [value, length] = [this.#block.pointer(0), this.#block.pointer(8)];
    this.#block.view.setUint32(8, 4, true);
    const result = this.#libc.getsockopt(this.#descriptor, level, name, value, length);
    return result === 0 ? this.#block.view.getInt32(0, true) : undefined;
  }

  /** Sets the length of a kernel's buffer as far as allowed; `forced` is allowed to root. */
  raise(plain: Option, forced: Option): void {
    // The kernel doubles what it is told, for its bookkeeping, and tells the double.
    if ((this.get(plain) ?? 0) >= 2 * kernelBufferLength) return;
    if (!this.set(forced, kernelBufferLength)) this.set(plain, kernelBufferLength);
  }

  /** A closed connection lingers for so many seconds; with 0 the other end sees a reset. */
  setLinger([level, name]: Option, seconds: number): void {
    this.#block.view.setInt32(0, 1, true);
    this.#block.view.setInt32(4, seconds, true);
    this.#libc.setsockopt(this.#descriptor, level, name, this.#block.pointer(0), 8);
  }
}
