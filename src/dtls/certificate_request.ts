/**
 * ```text
 * struct {
 *     ClientCertificateType certificate_types<1..2^8-1>;
 *     SignatureAndHashAlgorithm supported_signature_algorithms<2..2^16-2>;
 *     DistinguishedName certificate_authorities<0..2^16-1>;
 * } CertificateRequest;
 * ```
 *
 * RFC 5246 section 7.4.4.
 *
 * @module
 */
import { parseUint16List, parseUint8List, WireReader } from "./wire_reader.ts";
import { WireWriter, writeUint16List } from "./wire_writer.ts";

/** `ecdsa_sign(64)` of RFC 8422 section 5.5. */
export const ecdsaSign = 64;

/** What certificates a server takes. */
export interface CertificateRequest {
  readonly certificateTypes: readonly number[];
  readonly signatureSchemes: readonly number[];
  /** Distinguished names in DER, each behind its length; we neither send nor heed any. */
  readonly authorities: Uint8Array;
}

/** Reads the body of a CertificateRequest. */
export function parseCertificateRequest(body: Uint8Array): CertificateRequest | undefined {
  const reader = new WireReader(body);
  const certificateTypes = parseUint8List(reader.vector8());
  const signatureSchemes = parseUint16List(reader.vector16());
  const authorities = reader.vector16();
  if (!reader.isComplete()) return undefined;
  if (certificateTypes === undefined || signatureSchemes === undefined) return undefined;
  return { certificateTypes, signatureSchemes, authorities };
}

/** Writes the body of a CertificateRequest. */
export function writeCertificateRequest(request: CertificateRequest): Uint8Array {
  return new WireWriter()
    .vector8(Uint8Array.from(request.certificateTypes))
    .vector16(writeUint16List(request.signatureSchemes))
    .vector16(request.authorities)
    .finish();
}
