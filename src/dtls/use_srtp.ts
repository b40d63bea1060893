/**
 * ```text
 * struct {
 *     SRTPProtectionProfiles SRTPProtectionProfiles;  // uint8[2] <2..2^16-1>
 *     opaque srtp_mki<0..255>;
 * } UseSRTPData;
 * ```
 *
 * RFC 5764 section 4.1.1. There are no media here, and nobody derives a key from it; but some other
 * implementations end a handshake that agrees on no profile.
 */
import { parseUint16List, WireReader } from "./wire_reader.ts";
import { WireWriter, writeUint16List } from "./wire_writer.ts";

/** SRTP_AEAD_AES_128_GCM (RFC 7714) and SRTP_AES128_CM_HMAC_SHA1_80, which all others know. */
export const srtpProfiles: readonly number[] = [0x0007, 0x0001];

/** Writes the extension, without a master key identifier. */
export function writeUseSrtp(profiles: readonly number[]): Uint8Array {
  return new WireWriter().vector16(writeUint16List(profiles)).vector8(new Uint8Array(0)).finish();
}

/** The first profile of a client's that we know: none where it is malformed, too. */
export function chooseSrtpProfile(data: Uint8Array): number | undefined {
  const reader = new WireReader(data);
  const offered = parseUint16List(reader.vector16());
  reader.vector8();
  if (!reader.isComplete()) return undefined;
  return offered?.find((profile) => srtpProfiles.includes(profile));
}

/**
 * Whether this is a server's choice among what we have offered. Section 4.1.1: "If there is more than
 * one profile or the profile is not in the client's list, the client MUST abort the handshake"; section
 * 4.1.3 has it the same with an MKI that is not the client's.
 */
export function isSrtpChoice(data: Uint8Array): boolean {
  const reader = new WireReader(data);
  const chosen = parseUint16List(reader.vector16());
  const identifier = reader.vector8();
  const [profile] = chosen ?? [];
  return reader.isComplete() && identifier.length === 0 && chosen?.length === 1 &&
    profile !== undefined && srtpProfiles.includes(profile);
}
