/** How the value of one attribute is read and written. */
import type { AddressFamily } from "./address.ts";
import { readUint16, readUint32, readUint64 } from "../../network_order.ts";
import { writeUint16, writeUint32, writeUint64 } from "../../network_order.ts";

/** Reads and writes values, padding excluded. */
export interface AttributeCodec<Value> {
  /** The value in `bytes[start..end)`; undefined where it is malformed. */
  parse(
    bytes: Uint8Array,
    start: number,
    end: number,
    transactionId: Uint8Array,
  ): Value | undefined;
  write(value: Value, transactionId: Uint8Array): Uint8Array;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** UTF-8 of so many bytes at most. */
export function textCodec(maxLength: number): AttributeCodec<string> {
  return {
    parse: (bytes, start, end) =>
      end - start > maxLength ? undefined : parseUtf8(bytes.subarray(start, end)),
    write: (value) => encoder.encode(value),
  };
}

/** Longer ones are left to the decoder: in bytes. */
const maxAsciiLength = 128;

/** Undefined where it is none. */
function parseAscii(bytes: Uint8Array): string | undefined {
  let text = "";
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Reads UTF-8; undefined where it is none. */
export function parseUtf8(bytes: Uint8Array): string | undefined {
  // A decoder costs a microsecond, and one that throws more, at every forged message; ASCII needs none.
  const ascii = bytes.length <= maxAsciiLength ? parseAscii(bytes) : undefined;
  if (ascii !== undefined) return ascii;
  try {
    return decoder.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** 32 bits. */
export const uint32Codec: AttributeCodec<number> = {
  parse: (bytes, start, end) => end - start === 4 ? readUint32(bytes, start) : undefined,
  write(value) {
    const bytes = new Uint8Array(4);
    writeUint32(bytes, 0, value);
    return bytes;
  },
};

/** 64 bits. */
export const uint64Codec: AttributeCodec<bigint> = {
  parse: (bytes, start, end) => end - start === 8 ? readUint64(bytes, start) : undefined,
  write(value) {
    const bytes = new Uint8Array(8);
    writeUint64(bytes, 0, value);
    return bytes;
  },
};

/** An attribute that says all by being there. */
export const flagCodec: AttributeCodec<true> = {
  parse: (_bytes, start, end) => end === start ? true : undefined,
  write: () => new Uint8Array(0),
};

/** Any bytes, or just so many. They are lent. */
export function bytesCodec(length?: number): AttributeCodec<Uint8Array> {
  return {
    parse: (bytes, start, end) =>
      length === undefined || end - start === length ? bytes.subarray(start, end) : undefined,
    write: (value) => value,
  };
}

/** UNKNOWN-ATTRIBUTES (RFC 8489, section 14.9): a list of types. */
export const typeListCodec: AttributeCodec<readonly number[]> = {
  parse(bytes, start, end) {
    if ((end - start) % 2 !== 0) return undefined;
    return Array.from({ length: (end - start) / 2 }, (_, n) => readUint16(bytes, start + 2 * n));
  },
  write(value) {
    const bytes = new Uint8Array(2 * value.length);
    value.forEach((type, n) => writeUint16(bytes, 2 * n, type));
    return bytes;
  },
};

/** CHANNEL-NUMBER (RFC 8656, section 18.1): 16 bits, and 16 that are reserved. */
export const channelNumberCodec: AttributeCodec<number> = {
  parse: (bytes, start, end) => end - start === 4 ? readUint16(bytes, start) : undefined,
  write(value) {
    const bytes = new Uint8Array(4);
    writeUint16(bytes, 0, value);
    return bytes;
  },
};

/** REQUESTED-TRANSPORT (RFC 8656, section 18.7): 8 bits, and 24 that are reserved. */
export const protocolCodec: AttributeCodec<number> = {
  parse: (bytes, start, end) => end - start === 4 ? bytes[start] : undefined,
  write: (value) => Uint8Array.of(value, 0, 0, 0),
};

/** EVEN-PORT (RFC 8656, section 18.6): one bit, and 7 that are reserved. */
export const evenPortCodec: AttributeCodec<boolean> = {
  parse: (bytes, start, end) => end - start === 1 ? (bytes[start] ?? 0) >= 0x80 : undefined,
  write: (value) => Uint8Array.of(value ? 0x80 : 0),
};

/** How families are numbered (RFC 8489, section 14.1). */
export const familyNumbers = { ipv4: 1, ipv6: 2 } as const;

/** REQUESTED-ADDRESS-FAMILY (RFC 8656, section 18.10): 8 bits, and 24 that are reserved. */
export const familyCodec: AttributeCodec<AddressFamily> = {
  parse: (bytes, start, end) => end - start === 4 ? familyNumbered(bytes[start]) : undefined,
  write: (value) => Uint8Array.of(familyNumbers[value], 0, 0, 0),
};

/** The family with a number, if there is one. */
export function familyNumbered(number: number | undefined): AddressFamily | undefined {
  if (number === familyNumbers.ipv4) return "ipv4";
  return number === familyNumbers.ipv6 ? "ipv6" : undefined;
}
