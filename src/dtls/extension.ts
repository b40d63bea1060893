/**
 * ```text
 * struct {
 *     ExtensionType extension_type;
 *     opaque extension_data<0..2^16-1>;
 * } Extension;
 * Extension extensions<0..2^16-1>;
 * ```
 *
 * RFC 5246 section 7.4.1.4, and those of the extensions we know that hellos share.
 *
 * @module
 */
import { parseUint16List, parseUint8List, WireReader } from "./wire_reader.ts";
import { WireWriter, writeUint16List } from "./wire_writer.ts";

/** The numbers of the extensions we know. */
export const extensionTypes = {
  /** RFC 8422 section 5.1.1. */
  supportedGroups: 10,
  /** RFC 8422 section 5.1.2. */
  ecPointFormats: 11,
  /** RFC 5246 section 7.4.1.4.1. */
  signatureAlgorithms: 13,
  /** RFC 5764 section 4.1.1. */
  useSrtp: 14,
  /** RFC 7627 section 5.1. */
  extendedMasterSecret: 23,
  /** RFC 8449 section 4. */
  recordSizeLimit: 28,
  /** RFC 5746 section 3.2. */
  renegotiationInfo: 0xff01,
} as const;

/** The extensions of a hello, by type. */
export type Extensions = ReadonlyMap<number, Uint8Array>;

/** The only point format: `uncompressed(0)`. */
const uncompressedFormat = 0;

/**
 * Reads what follows the fixed part of a hello: nothing, or a block of extensions that fills the
 * rest of the message.
 */
export function parseExtensions(reader: WireReader): Extensions | undefined {
  const extensions = new Map<number, Uint8Array>();
  if (!reader.hasMore()) return extensions;
  const block = new WireReader(reader.vector16());
  while (block.hasMore()) {
    const type = block.uint16();
    const data = block.vector16();
    // "There MUST NOT be more than one extension of the same type." CHECK D23
    if (extensions.has(type)) return undefined;
    extensions.set(type, data);
  }
  return block.isComplete() ? extensions : undefined;
}

/** Writes a block of extensions. */
export function writeExtensions(extensions: Extensions): Uint8Array {
  const block = new WireWriter();
  for (const [type, data] of extensions) block.uint16(type).vector16(data);
  return new WireWriter().vector16(block.finish()).finish();
}

/** A vector of uint16 with a length of two bytes, as groups and signature schemes come. */
export function parseUint16Vector(data: Uint8Array): readonly number[] | undefined {
  const reader = new WireReader(data);
  const list = parseUint16List(reader.vector16());
  return reader.isComplete() ? list : undefined;
}

/** Writes a vector of uint16 with a length of two bytes. */
export function writeUint16Vector(values: readonly number[]): Uint8Array {
  return new WireWriter().vector16(writeUint16List(values)).finish();
}

/** Whether a list of point formats is well formed and has the uncompressed one. */
export function allowsUncompressedPoints(data: Uint8Array): boolean {
  const reader = new WireReader(data);
  const formats = parseUint8List(reader.vector8());
  return reader.isComplete() && (formats?.includes(uncompressedFormat) ?? false);
}

/** The list with the uncompressed point format alone. */
export function writePointFormats(): Uint8Array {
  return new WireWriter().vector8(Uint8Array.of(uncompressedFormat)).finish();
}

/**
 * `struct { opaque renegotiated_connection<0..255>; } RenegotiationInfo;` with nothing in it: in
 * first handshakes there is no other.
 */
export function writeRenegotiationInfo(): Uint8Array {
  return Uint8Array.of(0);
}

/** Whether this is the RenegotiationInfo of a first handshake. */
export function isInitialRenegotiationInfo(data: Uint8Array): boolean {
  return data.length === 1 && data[0] === 0;
}
