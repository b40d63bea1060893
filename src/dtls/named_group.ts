/**
 * Groups of the key exchange, and the one signature scheme, as numbers on the wire (RFC 8422
 * section 5.1.1, RFC 8446 section 4.2.3).
 *
 * @module
 */
import type { NamedGroup } from "./handshake_crypto.ts";

/** The number of a group. */
export const namedGroupCodes: Readonly<Record<NamedGroup, number>> = {
  x25519: 29,
  secp256r1: 23,
};

/** The length of a share. */
const shareLengths: Readonly<Record<NamedGroup, number>> = {
  x25519: 32,
  secp256r1: 65,
};

/** `uncompressed` of X9.62: the first byte of a secp256r1 share. */
const uncompressed = 4;

/** Both groups, in the order in which we prefer them. */
export const namedGroups: readonly NamedGroup[] = ["x25519", "secp256r1"];

/** ECDSA with SHA-256; in certificates, by a key on P-256. */
export const ecdsaSecp256r1Sha256 = 0x0403;

/** Whether a share has the one length and form there is for its group; it may yet be off the curve. */
export function isShareWellFormed(group: NamedGroup, share: Uint8Array): boolean {
  // RFC 8422 section 5.1.2 leaves the uncompressed format as the only one.
  const hasForm = group === "x25519" || share[0] === uncompressed;
  return share.length === shareLengths[group] && hasForm;
}
