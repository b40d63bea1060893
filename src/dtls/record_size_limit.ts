/**
 * ```text
 * uint16 RecordSizeLimit;
 * ```
 *
 * RFC 8449 section 4: "the maximum size of record in octets that the endpoint is willing to receive",
 * which in DTLS 1.2 is that of the plaintext. It binds the other end, and protected records only.
 *
 * @module
 */
import { type Extensions, extensionTypes } from "./extension.ts";
import { failure, type HandshakeFailure, malformed } from "./handshake_failure.ts";
import { maxPlaintextLength } from "./record.ts";
import { WireReader } from "./wire_reader.ts";
import { WireWriter } from "./wire_writer.ts";

/** "Endpoints MUST NOT send a "record_size_limit" extension with a value smaller than 64." */
const smallestLimit = 64;

/** Reads the data of the extension; whether the limit may be so small is not asked. */
export function parseRecordSizeLimit(data: Uint8Array): number | undefined {
  const reader = new WireReader(data);
  const limit = reader.uint16();
  return reader.isComplete() ? limit : undefined;
}

/** Writes the data of the extension. */
export function writeRecordSizeLimit(limit: number): Uint8Array {
  return new WireWriter().uint16(limit).finish();
}

/** The longest payload of a protected record that the sender of a hello says it takes. */
export function maxPayloadLengthOf(
  hello: "ClientHello" | "ServerHello",
  extensions: Extensions,
): number | HandshakeFailure | undefined {
  const data = extensions.get(extensionTypes.recordSizeLimit);
  if (data === undefined) return undefined;
  const limit = parseRecordSizeLimit(data);
  if (limit === undefined) return malformed(hello);
  // "An endpoint MUST treat receipt of a smaller value as a fatal error and generate an
  // "illegal_parameter" alert." CHECK D24
  if (limit < smallestLimit) {
    const reason = `the peer takes no records of more than ${limit} bytes`;
    return failure("no-agreement", "illegal_parameter", reason);
  }
  // A larger one than the protocol allows may be meant for another version.
  return Math.min(limit, maxPlaintextLength);
}
