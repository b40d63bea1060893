/**
 * A TCP connection in memory. It is read and written by the code under test; the test supplies what
 * is read, and lets writes go through. Bytes that change while they are being written are found out.
 */
import { Buffer } from "node:buffer";
import type { ByteParts, Connection } from "../../src/socket/connection.ts";

interface Pending<Value> {
  readonly bytes: Uint8Array;
  readonly resolve: (value: Value) => void;
  readonly reject: (error: Error) => void;
}

/** One connection. */
export class FakeConnection implements Connection {
  readonly remote = "192.0.2.9:50000";
  /** What was written, write by write. */
  readonly writes: Uint8Array[] = [];
  /** Whether writes wait for `letWrite`. */
  isStalled = false;
  /** What is taken at once, in bytes, before writes have to wait. */
  promptLength = 0;
  /** Whether nobody writes any more. */
  isWriteEnded = false;
  /** How it was ended by the code under test. */
  ended: "closed" | "reset" | undefined;
  /** What `probe` throws. */
  probeError: Error | undefined;
  #supply: Uint8Array = new Uint8Array(0);
  #isSupplyEnded = false;
  #reading: Pending<number | null> | undefined;
  #writing: Pending<void> & { readonly copy: Uint8Array } | undefined;

  /** All that was written. */
  get written(): Uint8Array {
    return Uint8Array.from(Buffer.concat(this.writes));
  }

  /** The length of the buffer of the read that is pending. */
  get readingLength(): number | undefined {
    return this.#reading?.bytes.length;
  }

  /** The length of the write that is pending. */
  get writingLength(): number | undefined {
    return this.#writing?.bytes.length;
  }

  /** Has something to be read, after what there was. */
  supply(bytes: Uint8Array): void {
    this.#supply = Buffer.concat([this.#supply, bytes]);
    this.#serveRead();
  }

  /** The other end sends no more. */
  supplyEnd(): void {
    this.#isSupplyEnded = true;
    this.#serveRead();
  }

  /** The pending write goes through. */
  letWrite(): void {
    const writing = this.#writing;
    this.#writing = undefined;
    if (writing === undefined) throw new Error("nothing is being written");
    this.#finishWrite(writing);
  }

  /** What is pending fails, as it does when the other end resets. */
  fail(error: Error): void {
    const [reading, writing] = [this.#reading, this.#writing];
    this.#reading = undefined;
    this.#writing = undefined;
    reading?.reject(error);
    writing?.reject(error);
  }

  read(buffer: Uint8Array): Promise<number | null> {
    const { promise, resolve, reject } = Promise.withResolvers<number | null>();
    this.#reading = { bytes: buffer, resolve, reject };
    this.#serveRead();
    return promise;
  }

  write(bytes: Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (this.#writing !== undefined) throw new Error("two writes at once");
    const writing = { bytes, resolve, reject, copy: bytes.slice() };
    if (this.isStalled) this.#writing = writing;
    else this.#finishWrite(writing);
    return promise;
  }

  writeAtOnce({ bytes, bounds }: ByteParts): number {
    if (this.#writing !== undefined) throw new Error("two writes at once");
    const parts: Uint8Array[] = [];
    for (let part = 0; part < bounds.length; part += 2) {
      parts.push(bytes.subarray(bounds[part], bounds[part + 1]));
    }
    const taken = Buffer.concat(parts).subarray(0, this.promptLength);
    this.promptLength -= taken.length;
    if (taken.length > 0) this.writes.push(Uint8Array.from(taken));
    return taken.length;
  }

  endWrite(): Promise<void> {
    this.isWriteEnded = true;
    return Promise.resolve();
  }

  probe(): Promise<void> {
    return this.probeError === undefined ? Promise.resolve() : Promise.reject(this.probeError);
  }

  reset(): void {
    this.ended ??= "reset";
    this.fail(new Error("the connection is closed"));
  }

  close(): void {
    this.ended ??= "closed";
    this.fail(new Error("the connection is closed"));
  }

  #serveRead(): void {
    const reading = this.#reading;
    const count = Math.min(reading?.bytes.length ?? 0, this.#supply.length);
    if (reading === undefined || (count === 0 && !this.#isSupplyEnded)) return;
    reading.bytes.set(this.#supply.subarray(0, count));
    this.#supply = this.#supply.slice(count);
    this.#reading = undefined;
    reading.resolve(count === 0 ? null : count);
  }

  #finishWrite({ bytes, copy, resolve, reject }: Pending<void> & { copy: Uint8Array }): void {
    if (bytes.some((byte, at) => byte !== copy[at])) {
      return reject(new Error("the bytes changed while they were written"));
    }
    this.writes.push(copy);
    resolve();
  }
}
