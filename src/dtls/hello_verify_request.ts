/**
 * ```text
 * struct {
 *     ProtocolVersion server_version;
 *     opaque cookie<0..2^8-1>;
 * } HelloVerifyRequest;
 * ```
 *
 * RFC 6347 section 4.2.1.
 *
 * @module
 */
import { WireReader } from "./wire_reader.ts";
import { WireWriter } from "./wire_writer.ts";

/** A server's question whether the client is where it says. */
export interface HelloVerifyRequest {
  /** Says nothing: "DTLS 1.2 server implementations SHOULD use DTLS version 1.0". */
  readonly version: number;
  readonly cookie: Uint8Array;
}

/** Reads the body of a HelloVerifyRequest. */
export function parseHelloVerifyRequest(body: Uint8Array): HelloVerifyRequest | undefined {
  const reader = new WireReader(body);
  const version = reader.uint16();
  const cookie = reader.vector8();
  return reader.isComplete() ? { version, cookie } : undefined;
}

/** Writes the body of a HelloVerifyRequest. */
export function writeHelloVerifyRequest({ version, cookie }: HelloVerifyRequest): Uint8Array {
  return new WireWriter().uint16(version).vector8(cookie).finish();
}
