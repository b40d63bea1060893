/**
 * ```text
 * struct {
 *     ECCurveType curve_type;                            // named_curve(3)
 *     NamedCurve namedcurve;
 * } ECParameters;
 * struct {
 *     ECParameters curve_params;
 *     ECPoint public;                                    // <1..2^8-1>
 * } ServerECDHParams;
 * struct {
 *     ServerECDHParams params;
 *     SignatureAndHashAlgorithm algorithm;
 *     opaque signature<0..2^16-1>;
 * } ServerKeyExchange;
 * ```
 *
 * RFC 8422 section 5.4, RFC 5246 section 7.4.3.
 *
 * @module
 */
import { WireReader } from "./wire_reader.ts";
import { concatenate, WireWriter } from "./wire_writer.ts";

/** `named_curve(3)`; those before it are deprecated. */
const namedCurve = 3;

/** A server's half of the key exchange. */
export interface ServerKeyExchange {
  /** A number of a named group. */
  readonly group: number;
  readonly publicKey: Uint8Array;
  /** The ServerECDHParams as they stand in the message: what is signed is what is used. */
  readonly params: Uint8Array;
  readonly signatureScheme: number;
  readonly signature: Uint8Array;
}

/** Reads the body of a ServerKeyExchange. The signature is not verified by that. */
export function parseServerKeyExchange(body: Uint8Array): ServerKeyExchange | undefined {
  const reader = new WireReader(body);
  const curveType = reader.uint8();
  const group = reader.uint16();
  const publicKey = reader.vector8();
  const params = body.subarray(0, reader.position());
  const signatureScheme = reader.uint16();
  const signature = reader.vector16();
  if (!reader.isComplete() || curveType !== namedCurve || publicKey.length === 0) return undefined;
  return { group, publicKey, params, signatureScheme, signature };
}

/** Writes ServerECDHParams, as they are signed and sent. */
export function writeServerEcdhParams(group: number, publicKey: Uint8Array): Uint8Array {
  return new WireWriter().uint8(namedCurve).uint16(group).vector8(publicKey).finish();
}

/** Writes the body of a ServerKeyExchange. */
export function writeServerKeyExchange(
  { params, signatureScheme, signature }: Pick<
    ServerKeyExchange,
    "params" | "signatureScheme" | "signature"
  >,
): Uint8Array {
  const signed = new WireWriter().uint16(signatureScheme).vector16(signature).finish();
  return concatenate(params, signed);
}
