/**
 * ```text
 * struct {
 *     ContentType type;
 *     ProtocolVersion version;
 *     uint16 epoch;                                      // New field
 *     uint48 sequence_number;                            // New field
 *     uint16 length;
 *     opaque fragment[DTLSPlaintext.length];
 * } DTLSPlaintext;
 * ```
 *
 * RFC 6347 section 4.1. A protected record's fragment is a GenericAEADCipher: the nonce's explicit
 * part, the ciphertext and the tag (RFC 5246 section 6.2.3.3).
 *
 * @module
 */

/** What a record carries, as numbers on the wire. */
export const contentTypes = {
  changeCipherSpec: 20,
  alert: 21,
  handshake: 22,
  applicationData: 23,
} as const;

/** The length of a record's header. */
export const recordHeaderLength = 13;

/** The length of the tag of all our AEADs. */
export const tagLength = 16;

/** "The length MUST NOT exceed 2^14." */
export const maxPlaintextLength = 2 ** 14;

/** Sequence numbers are 48-bit, kept as a Number. */
export const maxSequenceNumber = 2 ** 48 - 1;

/** Where the header's fields stand. */
export const recordFields = { version: 1, epoch: 3, sequence: 5, length: 11 } as const;

/** Reads a 48-bit sequence number. */
export function readSequence(view: DataView, at: number): number {
  return view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2);
}

/** Writes a 48-bit sequence number. */
export function writeSequence(view: DataView, at: number, sequence: number): void {
  view.setUint16(at, Math.floor(sequence / 2 ** 32));
  view.setUint32(at + 2, sequence >>> 0);
}
