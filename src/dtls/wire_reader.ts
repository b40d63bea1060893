/**
 * Reads the presentation language of RFC 5246 section 4. A read past the end fails, and so does
 * every read after it: parsers read on and ask once, at the end, whether all went well.
 *
 * @module
 */

const nothing = new Uint8Array(0);

/** Reads numbers and vectors from bytes. What it returns are views of these bytes. */
export class WireReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #hasFailed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Whether there is more to read: false after a failure too, so that loops end. */
  hasMore(): boolean {
    return !this.#hasFailed && this.#at < this.#bytes.length;
  }

  /** Whether every read succeeded and all bytes were read. */
  isComplete(): boolean {
    return !this.#hasFailed && this.#at === this.#bytes.length;
  }

  /** Where the next read starts. */
  position(): number {
    return this.#at;
  }

  uint8(): number {
    return this.#number(1);
  }

  uint16(): number {
    return this.#number(2);
  }

  uint24(): number {
    return this.#number(3);
  }

  bytes(length: number): Uint8Array {
    const start = this.#at;
    if (!this.#take(length)) return nothing;
    return this.#bytes.subarray(start, start + length);
  }

  /** `opaque v<0..2^8-1>` */
  vector8(): Uint8Array {
    return this.bytes(this.uint8());
  }

  /** `opaque v<0..2^16-1>` */
  vector16(): Uint8Array {
    return this.bytes(this.uint16());
  }

  /** `opaque v<0..2^24-1>` */
  vector24(): Uint8Array {
    return this.bytes(this.uint24());
  }

  #number(length: number): number {
    const start = this.#at;
    if (!this.#take(length)) return 0;
    let value = 0;
    for (let at = start; at < start + length; at++) value = value * 256 + (this.#bytes[at] ?? 0);
    return value;
  }

  #take(length: number): boolean {
    if (this.#hasFailed || length > this.#bytes.length - this.#at) {
      this.#hasFailed = true;
      return false;
    }
    this.#at += length;
    return true;
  }
}

/** The numbers of a list of uint8; undefined where it is empty. */
export function parseUint8List(bytes: Uint8Array): readonly number[] | undefined {
  return bytes.length === 0 ? undefined : [...bytes];
}

/** The numbers of a list of uint16; undefined where it is empty or its length is odd. */
export function parseUint16List(bytes: Uint8Array): readonly number[] | undefined {
  if (bytes.length === 0 || bytes.length % 2 !== 0) return undefined;
  const reader = new WireReader(bytes);
  const list: number[] = [];
  while (reader.hasMore()) list.push(reader.uint16());
  return list;
}
