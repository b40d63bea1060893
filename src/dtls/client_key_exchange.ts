/**
 * ```text
 * struct {
 *     opaque point <1..2^8-1>;
 * } ECPoint;
 * struct {
 *     ECPoint ecdh_Yc;
 * } ClientECDiffieHellmanPublic;
 * ```
 *
 * RFC 8422 section 5.7, always explicit.
 *
 * @module
 */
import { WireReader } from "./wire_reader.ts";
import { WireWriter } from "./wire_writer.ts";

/** A client's half of the key exchange. */
export interface ClientKeyExchange {
  readonly publicKey: Uint8Array;
}

/** Reads the body of a ClientKeyExchange. */
export function parseClientKeyExchange(body: Uint8Array): ClientKeyExchange | undefined {
  const reader = new WireReader(body);
  const publicKey = reader.vector8();
  return reader.isComplete() && publicKey.length > 0 ? { publicKey } : undefined;
}

/** Writes the body of a ClientKeyExchange. */
export function writeClientKeyExchange({ publicKey }: ClientKeyExchange): Uint8Array {
  return new WireWriter().vector8(publicKey).finish();
}
