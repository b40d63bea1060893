/**
 * ```text
 * opaque ASN.1Cert<1..2^24-1>;
 * struct {
 *     ASN.1Cert certificate_list<0..2^24-1>;
 * } Certificate;
 * ```
 *
 * RFC 5246 section 7.4.2: the sender's own certificate comes first.
 *
 * @module
 */
import { WireReader } from "./wire_reader.ts";
import { WireWriter } from "./wire_writer.ts";

/** More certificates than in any chain of ours. */
const maxCertificateCount = 8;
/** All of them together, in bytes. */
export const maxCertificateListLength = 16_384;

/** A sender's chain in DER; empty where a client has none. */
export interface Certificate {
  readonly chain: readonly Uint8Array[];
}

/** Reads the body of a Certificate. */
export function parseCertificate(body: Uint8Array): Certificate | undefined {
  const reader = new WireReader(body);
  const list = reader.vector24();
  if (!reader.isComplete() || list.length > maxCertificateListLength) return undefined;
  const certificates = new WireReader(list);
  const chain: Uint8Array[] = [];
  while (certificates.hasMore()) {
    const certificate = certificates.vector24();
    if (certificate.length === 0 || chain.length === maxCertificateCount) return undefined;
    chain.push(certificate);
  }
  return certificates.isComplete() ? { chain } : undefined;
}

/** Writes the body of a Certificate. */
export function writeCertificate({ chain }: Certificate): Uint8Array {
  const list = new WireWriter();
  for (const certificate of chain) list.vector24(certificate);
  return new WireWriter().vector24(list.finish()).finish();
}
