/**
 * Which peers are admitted, as one function for the two ways of trust, so that signaling and link
 * ask the same question. A judge decides on certificates; that the peer holds the key is proven by
 * its signature, elsewhere.
 */
import {
  type Peer,
  peerOfCertificate,
  type PeerVerdict,
  type Trust,
  verifyCertificateChain,
} from "./verify.ts";

/**
 * Judges a peer by its chain (DER, its own certificate first).
 *
 * @param now milliseconds since 1970
 */
export type Judge = (chain: readonly Uint8Array[], now: number) => PeerVerdict;

/** Admits whom a trusted authority vouches for. */
export function judgeByChain(trust: Trust): Judge {
  return (chain, now) => verifyCertificateChain(chain, trust, now);
}

/** Admits the owners of these keys, whatever their certificates say (ssh's authorized_keys). */
export function judgeByKeyId(allowed: ReadonlySet<string>): Judge {
  return ([leaf]) => {
    const verdict = peerOfLeaf(leaf);
    if (!verdict.ok || allowed.has(verdict.peer.keyId)) return verdict;
    return { ok: false, reason: `the key ${verdict.peer.keyId} is not allowed` };
  };
}

/**
 * Admits the owner of one certificate, who was judged by his whole chain before: DTLS may show less
 * of it than signaling did.
 */
export function judgeByCertificate(judged: Peer): Judge {
  return ([leaf]) => {
    const verdict = peerOfLeaf(leaf);
    if (!verdict.ok) return verdict;
    // CHECK X2: who signed the offer or answer is who holds the link.
    return verdict.peer.fingerprint === judged.fingerprint
      ? { ok: true, peer: judged }
      : { ok: false, reason: "its certificate is not the one that signed for the link" };
  };
}

function peerOfLeaf(leaf: Uint8Array | undefined): PeerVerdict {
  return leaf === undefined
    ? { ok: false, reason: "no certificate was given" }
    : peerOfCertificate(leaf);
}
