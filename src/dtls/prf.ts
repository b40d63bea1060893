/**
 * ```text
 * P_hash(secret, seed) = HMAC_hash(secret, A(1) + seed) +
 *                        HMAC_hash(secret, A(2) + seed) + ...
 * A(0) = seed
 * A(i) = HMAC_hash(secret, A(i-1))
 * PRF(secret, label, seed) = P_<hash>(secret, label + seed)
 * ```
 *
 * RFC 5246 section 5.
 *
 * @module
 */
import type { HandshakeCrypto, HashName } from "./handshake_crypto.ts";
import { concatenate } from "./wire_writer.ts";

const encoder = new TextEncoder();

/** What the PRF is asked. */
export interface PrfInput {
  readonly hash: HashName;
  readonly secret: Uint8Array;
  readonly label: string;
  readonly seed: Uint8Array;
  readonly length: number;
}

/** The TLS 1.2 PRF. */
export function prf(
  crypto: Pick<HandshakeCrypto, "hmac">,
  { hash, secret, label, seed, length }: PrfInput,
): Uint8Array {
  const labelled = concatenate(encoder.encode(label), seed);
  const output = new Uint8Array(length);
  let a = labelled;
  for (let at = 0; at < length;) {
    a = crypto.hmac(hash, secret, a);
    const block = crypto.hmac(hash, secret, concatenate(a, labelled));
    output.set(block.subarray(0, length - at), at);
    at += block.length;
    block.fill(0);
  }
  return output;
}
