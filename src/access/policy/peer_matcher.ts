/** Which peers a rule is for. */
import type { AccessPeer } from "../access.ts";
import { isKeyId } from "../../identity/key_id.ts";
import type { PeerAuthority } from "../../identity/verify.ts";
import { matcherOfPatterns } from "./name_pattern.ts";
import { type KeyPath, ValueDefect } from "./policy_error.ts";
import type { RuleDocument } from "./schema.ts";

/** What rules see of a peer: only what was proven. */
export interface PeerFacts {
  /** Undefined where no authority vouches for it. */
  readonly name: string | undefined;
  readonly labels: ReadonlyMap<string, string>;
  readonly authorities: readonly PeerAuthority[];
  /** Undefined on a link without certificates. */
  readonly keyId: string | undefined;
  readonly serialNumber: string | undefined;
}

/** Whether a peer is meant. */
export type PeerMatcher = (peer: PeerFacts) => boolean;

const noLabels: ReadonlyMap<string, string> = new Map();

/** What was proven of a peer. */
export function peerFactsOf({ identity }: AccessPeer): PeerFacts {
  const isVouchedFor = identity?.vouchedBy === "chain";
  return {
    name: isVouchedFor ? identity.name : undefined,
    labels: isVouchedFor ? identity.labels : noLabels,
    authorities: isVouchedFor ? identity.authorities : [],
    keyId: identity?.keyId,
    serialNumber: identity?.serialNumber,
  };
}

/** Makes a matcher of a rule's `peer`. Throws {@link ValueDefect}. */
export function peerMatcherOf(
  { name, label, ca, key, pasted }: NonNullable<RuleDocument["peer"]>,
  path: KeyPath,
): PeerMatcher {
  const isCertified = [name, label, ca, key].some((each) => each !== undefined);
  if (pasted === true && isCertified) {
    throw new ValueDefect([...path, "pasted"], "it without what certificates say", "both");
  }
  const matchers: PeerMatcher[] = [];
  if (name !== undefined) {
    const matches = matcherOfPatterns(name);
    matchers.push((peer) => peer.name !== undefined && matches(peer.name));
  }
  for (const [labelKey, values] of Object.entries(label ?? {})) {
    matchers.push(({ labels }) => {
      const value = labels.get(labelKey);
      return value !== undefined && values.includes(value);
    });
  }
  if (ca !== undefined) matchers.push(authorityMatcherOf(ca));
  if (key !== undefined) matchers.push(keyMatcherOf(key, [...path, "key"]));
  if (pasted !== undefined) matchers.push(({ keyId }) => (keyId === undefined) === pasted);
  return (peer) => {
    for (const matches of matchers) if (!matches(peer)) return false;
    return true;
  };
}

/** Makes a matcher of key ids. Throws {@link ValueDefect}. */
export function keyMatcherOf(keys: readonly string[], path: KeyPath): PeerMatcher {
  const wrong = keys.find((key) => !isKeyId(key));
  if (wrong !== undefined) {
    const expected = 'a key id, as "aetherport cert show" prints it';
    throw new ValueDefect(path, expected, JSON.stringify(wrong));
  }
  const known = new Set(keys);
  return ({ keyId }) => keyId !== undefined && known.has(keyId);
}

function authorityMatcherOf(cas: readonly string[]): PeerMatcher {
  const names = new Set(cas);
  const fingerprints = new Set(cas.map(hexOf));
  return ({ authorities }) =>
    authorities.some(({ name, fingerprint }) =>
      (name !== undefined && names.has(name)) || fingerprints.has(hexOf(fingerprint))
    );
}

/** A fingerprint without what tells its spellings apart. */
function hexOf(text: string): string {
  return text.replaceAll(":", "").toUpperCase();
}
