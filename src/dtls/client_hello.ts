/**
 * ```text
 * struct {
 *     ProtocolVersion client_version;
 *     Random random;
 *     SessionID session_id;                              // <0..32>
 *     opaque cookie<0..2^8-1>;                           // New field
 *     CipherSuite cipher_suites<2..2^16-1>;
 *     CompressionMethod compression_methods<1..2^8-1>;
 *     Extension extensions<0..2^16-1>;                   // or absent
 * } ClientHello;
 * ```
 *
 * RFC 6347 section 4.2.1.
 *
 * @module
 */
import { type Extensions, parseExtensions, writeExtensions } from "./extension.ts";
import { parseUint16List, parseUint8List, WireReader } from "./wire_reader.ts";
import { WireWriter, writeUint16List } from "./wire_writer.ts";

/** The length of client_random and of server_random. */
export const randomLength = 32;
/** Longer session ids are malformed. */
const maxSessionIdLength = 32;

/** What a client offers. */
export interface ClientHello {
  readonly version: number;
  readonly random: Uint8Array;
  readonly sessionId: Uint8Array;
  readonly cookie: Uint8Array;
  readonly cipherSuites: readonly number[];
  readonly compressionMethods: readonly number[];
  readonly extensions: Extensions;
}

/** Reads the body of a ClientHello. */
export function parseClientHello(body: Uint8Array): ClientHello | undefined {
  const reader = new WireReader(body);
  const version = reader.uint16();
  const random = reader.bytes(randomLength);
  const sessionId = reader.vector8();
  const cookie = reader.vector8();
  const cipherSuites = parseUint16List(reader.vector16());
  const compressionMethods = parseUint8List(reader.vector8());
  const extensions = parseExtensions(reader);
  if (!reader.isComplete() || sessionId.length > maxSessionIdLength) return undefined;
  if (cipherSuites === undefined || compressionMethods === undefined) return undefined;
  if (extensions === undefined) return undefined;
  return { version, random, sessionId, cookie, cipherSuites, compressionMethods, extensions };
}

/** Writes the body of a ClientHello. */
export function writeClientHello(hello: ClientHello): Uint8Array {
  return new WireWriter()
    .uint16(hello.version)
    .bytes(hello.random)
    .vector8(hello.sessionId)
    .vector8(hello.cookie)
    .vector16(writeUint16List(hello.cipherSuites))
    .vector8(Uint8Array.from(hello.compressionMethods))
    .bytes(writeExtensions(hello.extensions))
    .finish();
}
