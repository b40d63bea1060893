/**
 * ```text
 * struct {
 *     ProtocolVersion server_version;
 *     Random random;
 *     SessionID session_id;                              // <0..32>
 *     CipherSuite cipher_suite;
 *     CompressionMethod compression_method;
 *     Extension extensions<0..2^16-1>;                   // or absent
 * } ServerHello;
 * ```
 *
 * RFC 5246 section 7.4.1.3.
 *
 * @module
 */
import { randomLength } from "./client_hello.ts";
import { type Extensions, parseExtensions, writeExtensions } from "./extension.ts";
import { WireReader } from "./wire_reader.ts";
import { WireWriter } from "./wire_writer.ts";

/** Longer session ids are malformed. */
const maxSessionIdLength = 32;

/** What a server chose. */
export interface ServerHello {
  readonly version: number;
  readonly random: Uint8Array;
  readonly sessionId: Uint8Array;
  readonly cipherSuite: number;
  readonly compressionMethod: number;
  readonly extensions: Extensions;
}

/** Reads the body of a ServerHello. */
export function parseServerHello(body: Uint8Array): ServerHello | undefined {
  const reader = new WireReader(body);
  const version = reader.uint16();
  const random = reader.bytes(randomLength);
  const sessionId = reader.vector8();
  const cipherSuite = reader.uint16();
  const compressionMethod = reader.uint8();
  const extensions = parseExtensions(reader);
  if (!reader.isComplete() || sessionId.length > maxSessionIdLength) return undefined;
  if (extensions === undefined) return undefined;
  return { version, random, sessionId, cipherSuite, compressionMethod, extensions };
}

/** Writes the body of a ServerHello. */
export function writeServerHello(hello: ServerHello): Uint8Array {
  return new WireWriter()
    .uint16(hello.version)
    .bytes(hello.random)
    .vector8(hello.sessionId)
    .uint16(hello.cipherSuite)
    .uint8(hello.compressionMethod)
    .bytes(writeExtensions(hello.extensions))
    .finish();
}
