/**
 * ```text
 * struct {
 *     SignatureAndHashAlgorithm algorithm;
 *     opaque signature<0..2^16-1>;                       // over handshake_messages
 * } CertificateVerify;
 * ```
 *
 * RFC 5246 sections 4.7 and 7.4.8.
 *
 * @module
 */
import { WireReader } from "./wire_reader.ts";
import { WireWriter } from "./wire_writer.ts";

/** A client's proof that its certificate's key is its own. */
export interface CertificateVerify {
  readonly signatureScheme: number;
  readonly signature: Uint8Array;
}

/** Reads the body of a CertificateVerify. The signature is not verified by that. */
export function parseCertificateVerify(body: Uint8Array): CertificateVerify | undefined {
  const reader = new WireReader(body);
  const signatureScheme = reader.uint16();
  const signature = reader.vector16();
  return reader.isComplete() ? { signatureScheme, signature } : undefined;
}

/** Writes the body of a CertificateVerify. */
export function writeCertificateVerify(verify: CertificateVerify): Uint8Array {
  return new WireWriter().uint16(verify.signatureScheme).vector16(verify.signature).finish();
}
