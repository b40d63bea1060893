/**
 * Who a certificate's owner is, at run time: a chain checked against the authorities that are
 * trusted (RFC 5280 section 6, in Aetherport's narrower profile), or, where there is no authority,
 * the key alone. Nothing here throws on a peer's account; a refusal has its reason, for the log.
 */
import { verify as verifySignature } from "node:crypto";
import {
  type Certificate,
  dnsNamesOf,
  equalBytes,
  fingerprintOf,
  parseCertificate,
  urisOf,
} from "./certificate.ts";
import { keyPurpose, keyUsageBit } from "./certificate_extensions.ts";
import { nameConstraintDefect } from "./name_constraints.ts";
import { namesFromUris, type NodeNames, type Outcome } from "./node_names.ts";
import { quoted } from "./quoted.ts";

/** Certificates in a presented chain, at most. */
export const maxChainLength = 8;

/** How far the clocks of two nodes may differ where validity is judged, in milliseconds. */
export const maxClockSkew = 5 * 60_000;

/**
 * The authorities that are trusted. A self-signed certificate that is no authority vouches for
 * itself only.
 */
export interface Trust {
  readonly cas: readonly Certificate[];
}

/** The owner of a certificate, as far as it was proven. */
export interface Peer extends NodeNames {
  readonly keyId: string;
  /**
   * What vouches for the name and labels: "chain", a trusted authority; "key", nobody: they are
   * what the key's owner claims, and no access rule may go by them.
   */
  readonly vouchedBy: "chain" | "key";
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Uint8Array;
  /** SHA-256 of the certificate, "AB:CD:...". */
  readonly fingerprint: string;
  /** Of the certificate: hexadecimal, upper case. */
  readonly serialNumber: string;
  /** The authorities that vouch for it, the nearest first; none where nobody does. */
  readonly authorities: readonly PeerAuthority[];
  /** When the first certificate of the chain ends; milliseconds since 1970. */
  readonly notAfter: number;
}

/** An authority in a peer's chain. */
export interface PeerAuthority {
  readonly name: string | undefined;
  /** SHA-256 of its certificate, "AB:CD:...". */
  readonly fingerprint: string;
}

/** A peer, or the reason for refusing it: one line, safe to log. */
export type PeerVerdict =
  | { readonly ok: true; readonly peer: Peer }
  | { readonly ok: false; readonly reason: string };

/**
 * Judges a chain (DER, the peer's certificate first, each signed by the next, as in RFC 5246
 * section 7.4.2; the authority itself may be left out). Possession of the key is not proven here.
 *
 * @param now milliseconds since 1970
 */
export function verifyCertificateChain(
  chain: readonly Uint8Array[],
  trust: Trust,
  now: number,
): PeerVerdict {
  const parsed = parseChain(chain);
  if (!parsed.ok) return parsed;
  const [leaf] = parsed.value;
  if (leaf === undefined) return refused("no certificate was given");
  const names = nodeNamesOf(leaf);
  if (!names.ok) return refused(names.reason);
  let reason: string | undefined;
  for (const path of pathsToTrust(parsed.value, trust)) {
    const defect = leafDefect(leaf) ?? pathDefect({ path, name: names.value.name, now });
    if (defect === undefined) return { ok: true, peer: peerOf({ leaf, path, names: names.value }) };
    reason ??= defect;
  }
  return refused(reason ?? unknownIssuer(parsed.value));
}

/**
 * Reads a certificate that stands for its key alone, as an ssh key in authorized_keys does: no
 * issuer, validity or purpose is looked at, and the name and labels are claims.
 */
export function peerOfCertificate(der: Uint8Array): PeerVerdict {
  const parsed = parseCertificate(der);
  if (!parsed.ok) return refused(`the certificate is malformed: ${parsed.reason}`);
  const names = nodeNamesOf(parsed.value);
  if (!names.ok) return refused(names.reason);
  const leaf = parsed.value;
  const peer = peerOf({ leaf, path: [leaf], names: names.value });
  return { ok: true, peer: { ...peer, vouchedBy: "key" } };
}

/**
 * The name and labels of a node's certificate. The common name must agree with the URI, or a
 * reader that looks at the one would see another node than a reader of the other.
 */
export function nodeNamesOf(certificate: Certificate): Outcome<NodeNames> {
  const names = namesFromUris(urisOf(certificate));
  if (!names.ok) return { ok: false, reason: `the certificate is no node's: ${names.reason}` };
  if (certificate.subjectName !== names.value.name) {
    return { ok: false, reason: "the certificate's common name is not the node's name" };
  }
  return names;
}

/** Why a certificate cannot be a node's, whoever signed it; undefined where it can. */
export function leafDefect({ extensions }: Certificate): string | undefined {
  const { basicConstraints, keyUsage, extendedKeyUsage, nameConstraints } = extensions;
  if (basicConstraints?.isCa) return "the certificate is an authority's, not a node's";
  if (basicConstraints?.pathLength !== undefined || nameConstraints !== undefined) {
    return "the certificate has constraints that only an authority's may have";
  }
  if (!keyUsage?.has(keyUsageBit.digitalSignature)) {
    return "the certificate's key usage does not allow digital signatures";
  }
  if (keyUsage.has(keyUsageBit.keyCertSign)) {
    return "the certificate's key usage allows certificate signing, but it is no authority's";
  }
  const { serverAuth, clientAuth } = keyPurpose;
  if (!extendedKeyUsage?.includes(serverAuth) || !extendedKeyUsage.includes(clientAuth)) {
    return "the certificate's extended key usage lacks serverAuth or clientAuth";
  }
  return criticalDefect(extensions.unknownCritical, "the certificate");
}

/** Why a certificate cannot be an authority's; undefined where it can (RFC 5280 section 6.1.4). */
export function authorityDefect(certificate: Certificate): string | undefined {
  const { basicConstraints, keyUsage, extendedKeyUsage } = certificate.extensions;
  const who = `the issuer ${shownName(certificate.subjectName)}`;
  if (!basicConstraints?.isCa) return `${who} is no authority (basicConstraints)`;
  // RFC 5280 section 4.2.1.9: "Conforming CAs MUST ... mark the extension as critical".
  if (!basicConstraints.isCritical) return `${who} has basicConstraints that are not critical`;
  if (!keyUsage?.has(keyUsageBit.keyCertSign)) return `${who} may not sign certificates (keyUsage)`;
  if (extendedKeyUsage !== undefined && !allowsBothPurposes(extendedKeyUsage)) {
    return `${who} may not vouch for servers and clients (extendedKeyUsage)`;
  }
  if (isEmptyName(certificate.subject)) return `${who} has an empty name`;
  return criticalDefect(certificate.extensions.unknownCritical, who);
}

/** Why a certificate is not valid at a time (milliseconds since 1970), give or take the skew. */
export function validityDefect(certificate: Certificate, now: number): string | undefined {
  const who = `the certificate of ${shownName(certificate.subjectName)}`;
  if (now > certificate.notAfter + maxClockSkew) {
    return `${who} ended on ${new Date(certificate.notAfter).toISOString()}`;
  }
  if (now < certificate.notBefore - maxClockSkew) {
    return `${who} begins on ${new Date(certificate.notBefore).toISOString()}: is the clock right?`;
  }
  return undefined;
}

/** Whether a certificate is its own issuer by name and signature. */
export function isSelfSigned(certificate: Certificate): boolean {
  return isNamedIssuer(certificate, certificate) && isSignedBy(certificate, certificate);
}

/** Whether the authority's key signed the certificate: ECDSA on P-256 with SHA-256, DER-coded. */
export function isSignedBy(certificate: Certificate, authority: Certificate): boolean {
  return verifySignature(
    "sha256",
    certificate.tbs,
    authority.publicKey,
    certificate.signature,
  );
}

function parseChain(chain: readonly Uint8Array[]): Outcome<Certificate[]> {
  if (chain.length > maxChainLength) {
    return { ok: false, reason: `the chain has over ${maxChainLength} certificates` };
  }
  const certificates: Certificate[] = [];
  for (const [at, der] of chain.entries()) {
    const parsed = parseCertificate(der);
    if (!parsed.ok) {
      return { ok: false, reason: `certificate ${at + 1} is malformed: ${parsed.reason}` };
    }
    certificates.push(parsed.value);
  }
  return { ok: true, value: certificates };
}

/**
 * The ways from the leaf to something trusted, by name only: the leaf itself where it is trusted
 * and self-issued, else the chain up to a certificate that a trusted authority is named to have
 * issued. Several authorities may bear one name (a CA that was renewed), so there may be several.
 */
function* pathsToTrust(chain: readonly Certificate[], trust: Trust): Generator<Certificate[]> {
  const [leaf] = chain;
  const isPinned = leaf !== undefined && isNamedIssuer(leaf, leaf) &&
    trust.cas.some(({ der }) => equalBytes(der, leaf.der));
  if (isPinned) yield [leaf];
  for (const [at, certificate] of chain.entries()) {
    for (const ca of trust.cas) {
      if (isNamedIssuer(ca, certificate)) yield [...chain.slice(0, at + 1), ca];
    }
  }
}

interface PathInput {
  readonly path: readonly Certificate[];
  readonly name: string;
  readonly now: number;
}

/** Cheap checks first; signatures last, from the trusted end, so a stranger's chain costs one. */
function pathDefect({ path, name, now }: PathInput): string | undefined {
  for (const certificate of path) {
    const defect = validityDefect(certificate, now);
    if (defect !== undefined) return defect;
  }
  for (const [below, authority] of path.slice(1).entries()) {
    const subjects = path.slice(0, below + 1);
    const defect = authorityDefect(authority) ?? pathLengthDefect(authority, subjects) ??
      constraintsDefect({ authority, subjects, name });
    if (defect !== undefined) return defect;
  }
  return signaturesDefect(path);
}

function signaturesDefect(path: readonly Certificate[]): string | undefined {
  const [leaf] = path;
  if (leaf !== undefined && path.length === 1) {
    return isSelfSigned(leaf) ? undefined : "the certificate's own signature is wrong";
  }
  for (let at = path.length - 2; at >= 0; at--) {
    const [certificate, authority] = path.slice(at, at + 2);
    if (certificate === undefined || authority === undefined) continue;
    if (!isNamedIssuer(authority, certificate) || !isSignedBy(certificate, authority)) {
      const [who, by] = [certificate.subjectName, authority.subjectName].map(shownName);
      return `the certificate of ${who} is not signed by ${by}`;
    }
  }
  return undefined;
}

/** pathLenConstraint bounds the intermediates below that are not self-issued (section 4.2.1.9). */
function pathLengthDefect(
  authority: Certificate,
  subjects: readonly Certificate[],
): string | undefined {
  const limit = authority.extensions.basicConstraints?.pathLength ?? maxChainLength;
  const between = subjects.slice(1).filter((each) => !equalBytes(each.subject, each.issuer));
  return between.length <= limit
    ? undefined
    : `the path below the issuer ${shownName(authority.subjectName)} is longer than it allows`;
}

/** The node's name counts as a DNS name here, whether or not the certificate repeats it as one. */
function constraintsDefect(
  { authority, subjects, name }: {
    authority: Certificate;
    subjects: readonly Certificate[];
    name: string;
  },
): string | undefined {
  const constraints = authority.extensions.nameConstraints;
  return constraints && nameConstraintDefect(constraints, [name, ...subjects.flatMap(dnsNamesOf)]);
}

/**
 * Whether one certificate is named as the other's issuer: the same name byte for byte (RFC 5280
 * section 4.1.2.4 has issuers copy it) and, where both say which key, the same key id.
 */
function isNamedIssuer(authority: Certificate, certificate: Certificate): boolean {
  const { subjectKeyId } = authority.extensions;
  const { authorityKeyId } = certificate.extensions;
  return equalBytes(authority.subject, certificate.issuer) &&
    (subjectKeyId === undefined || authorityKeyId === undefined ||
      equalBytes(subjectKeyId, authorityKeyId));
}

function allowsBothPurposes(purposes: readonly string[]): boolean {
  const { any, serverAuth, clientAuth } = keyPurpose;
  return purposes.includes(any) ||
    (purposes.includes(serverAuth) && purposes.includes(clientAuth));
}

function criticalDefect(oid: string | undefined, who: string): string | undefined {
  return oid === undefined ? undefined : `${who} has an unknown critical extension (${oid})`;
}

function isEmptyName(name: Uint8Array): boolean {
  return name.length === 2;
}

function peerOf(
  { leaf, path, names }: {
    leaf: Certificate;
    path: readonly Certificate[];
    names: NodeNames;
  },
): Peer {
  return {
    ...names,
    keyId: leaf.keyId,
    vouchedBy: "chain",
    publicKey: leaf.spki,
    fingerprint: fingerprintOf(leaf.der),
    serialNumber: leaf.serialNumber,
    authorities: path.slice(1).map(({ subjectName, der }) => ({
      name: subjectName,
      fingerprint: fingerprintOf(der),
    })),
    notAfter: Math.min(...path.map(({ notAfter }) => notAfter)),
  };
}

function unknownIssuer(chain: readonly Certificate[]): string {
  return `no trusted authority issued the certificate (its issuer: ${
    shownName(chain.at(-1)?.issuerName)
  })`;
}

function shownName(name: string | undefined): string {
  return name === undefined ? "(unnamed)" : quoted(name);
}

function refused(reason: string): { ok: false; reason: string } {
  return { ok: false, reason };
}
