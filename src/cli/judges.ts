/** Whom a node lets in, and whom it calls. */
import { type Judge, judgeByChain, judgeByKeyId } from "../identity/judge.ts";
import type { NodeIdentity } from "../identity/node_identity.ts";

/**
 * Nodes are admitted for a trusted authority or for their key. Undefined where neither is named:
 * then the pasted texts alone say who it is.
 */
export function judgeOfNodes(
  identity: NodeIdentity | undefined,
  allowedPeers: readonly string[],
): Judge | undefined {
  const byKeyId = allowedPeers.length === 0 ? undefined : judgeByKeyId(new Set(allowedPeers));
  const hasTrust = identity !== undefined && identity.trust.cas.length > 0;
  const byChain = hasTrust ? judgeByChain(identity.trust) : undefined;
  if (byKeyId === undefined || byChain === undefined) return byKeyId ?? byChain;
  return (chain, now) => {
    const verdict = byKeyId(chain, now);
    return verdict.ok ? verdict : byChain(chain, now);
  };
}

/** As {@link judgeOfNodes}; where neither is named, nobody is admitted. */
export function judgeOfCallers(
  identity: NodeIdentity,
  allowedPeers: readonly string[],
): Judge {
  return judgeOfNodes(identity, allowedPeers) ?? nobody;
}

/** New certificate files may have come without authorities. */
const nobody: Judge = () => ({
  ok: false,
  reason: "neither --cacert nor --allow-peer admits any node",
});

/** The ingress URL names the ingress's key; where there are authorities, they must vouch too. */
export function judgeOfIngress({ trust }: NodeIdentity, ingressId: string): Judge {
  const byKeyId = judgeByKeyId(new Set([ingressId]));
  if (trust.cas.length === 0) return byKeyId;
  const byChain = judgeByChain(trust);
  return (chain, now) => {
    const verdict = byKeyId(chain, now);
    return verdict.ok ? byChain(chain, now) : verdict;
  };
}
