/**
 * Whom we are willing to talk to: judged by the chain the peer shows, by the fingerprint that came
 * over signaling, or by both.
 *
 * @module
 */
import type { HandshakeCrypto, HashName } from "./handshake_crypto.ts";

/** RFC 8122 section 5: the hash of a certificate. */
export interface Fingerprint {
  /** As in SDP, in lower case: "sha-256". */
  readonly algorithm: string;
  readonly value: Uint8Array;
}

/**
 * Returns what is wrong with a chain, the peer's own certificate first; undefined where nothing is.
 * The certificates are as the peer sent them, perhaps no certificates at all: it must not throw.
 */
export type ChainJudge = (chain: readonly Uint8Array[]) => string | undefined;

/** At least one way to know the peer. */
export type PeerExpectation =
  | { readonly judge: ChainJudge; readonly fingerprints?: readonly Fingerprint[] }
  | { readonly judge?: ChainJudge; readonly fingerprints: readonly Fingerprint[] };

/** Strongest first. Others, such as SHA-1, prove nothing. */
const hashes: readonly (readonly [algorithm: string, hash: HashName])[] = [
  ["sha-384", "sha384"],
  ["sha-256", "sha256"],
];

/**
 * Returns why this is not the peer we are to talk to; undefined where it is. That the peer has the
 * certificate's key is not proved by that.
 */
export function peerDefect(
  crypto: Pick<HandshakeCrypto, "createHash" | "equal">,
  { judge, fingerprints }: PeerExpectation,
  chain: readonly Uint8Array[],
): string | undefined {
  const [leaf] = chain;
  // RFC 5246 section 7.4.6: "If the client does not send any certificates, the server MAY ...
  // respond with a fatal handshake_failure alert." CHECK D2
  if (leaf === undefined) return "the peer shows no certificate";
  if (judge === undefined && fingerprints === undefined) return "no peer is expected";
  if (fingerprints !== undefined && !matches(crypto, fingerprints, leaf)) { // CHECK D7
    return "the peer's certificate has not the fingerprint that was announced";
  }
  return judge?.(chain);
}

/**
 * RFC 8122 section 5: of several hash functions the most preferred one counts, and the certificate
 * has to match one of the fingerprints made with it.
 */
function matches(
  crypto: Pick<HandshakeCrypto, "createHash" | "equal">,
  fingerprints: readonly Fingerprint[],
  certificate: Uint8Array,
): boolean {
  for (const [algorithm, hashName] of hashes) {
    const candidates = fingerprints.filter((one) => one.algorithm === algorithm);
    if (candidates.length === 0) continue;
    const hash = crypto.createHash(hashName);
    hash.update(certificate);
    const digest = hash.digest();
    return candidates.some(({ value }) => crypto.equal(value, digest)); // CHECK D29
  }
  return false;
}
