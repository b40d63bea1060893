/** Peers that are let in no more, whatever the rules say. */
import { matcherOfPatterns } from "./name_pattern.ts";
import { keyMatcherOf, type PeerMatcher } from "./peer_matcher.ts";
import { ValueDefect } from "./policy_error.ts";
import type { PolicyDocument } from "./schema.ts";

/** Makes a matcher of a policy's `revoked`. Throws {@link ValueDefect}. */
export function revocationOf(
  { serial = [], name = [], key = [] }: NonNullable<PolicyDocument["revoked"]>,
): PeerMatcher {
  const serials = new Set(serial.map(canonicalSerial));
  const matchesName = matcherOfPatterns(name);
  const matchesKey = keyMatcherOf(key, ["revoked", "key"]);
  return (peer) =>
    matchesKey(peer) || (peer.name !== undefined && matchesName(peer.name)) ||
    (peer.serialNumber !== undefined && serials.has(canonicalSerial(peer.serialNumber)));
}

/** Whether a text is a serial number in hexadecimal. */
export function isSerial(text: string): boolean {
  return /^[0-9A-F]+$/i.test(text.replaceAll(":", ""));
}

/** Upper case, without colons and leading zeros. */
function canonicalSerial(text: string): string {
  if (isSerial(text)) return text.replaceAll(":", "").toUpperCase().replace(/^0+(?=.)/, "");
  const expected = 'a serial number in hexadecimal, as "aetherport cert show" prints it';
  throw new ValueDefect(["revoked", "serial"], expected, JSON.stringify(text));
}
