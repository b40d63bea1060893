/**
 * Writes the presentation language of RFC 5246 section 4. For handshake messages only: records are
 * written in place.
 *
 * @module
 */

/** Collects numbers and vectors. */
export class WireWriter {
  readonly #bytes: number[] = [];

  uint8(value: number): this {
    this.#bytes.push(value & 0xff);
    return this;
  }

  uint16(value: number): this {
    return this.uint8(value >>> 8).uint8(value);
  }

  uint24(value: number): this {
    return this.uint8(value >>> 16).uint16(value);
  }

  bytes(bytes: Uint8Array): this {
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  /** `opaque v<0..2^8-1>` */
  vector8(bytes: Uint8Array): this {
    return this.uint8(bytes.length).bytes(bytes);
  }

  /** `opaque v<0..2^16-1>` */
  vector16(bytes: Uint8Array): this {
    return this.uint16(bytes.length).bytes(bytes);
  }

  /** `opaque v<0..2^24-1>` */
  vector24(bytes: Uint8Array): this {
    return this.uint24(bytes.length).bytes(bytes);
  }

  /** What was written, as a copy. */
  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

/** A list of uint16 without its length. */
export function writeUint16List(values: readonly number[]): Uint8Array {
  const writer = new WireWriter();
  for (const value of values) writer.uint16(value);
  return writer.finish();
}

/** Byte strings, one after the other. */
export function concatenate(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
