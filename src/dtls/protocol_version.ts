/**
 * Versions on the wire. DTLS counts downwards: a smaller number is a newer version (RFC 6347
 * section 4.1).
 *
 * @module
 */

/** DTLS 1.0, as which first ClientHellos and HelloVerifyRequests come. */
export const dtls10 = 0xfeff;
/** DTLS 1.2, the only version we speak. */
export const dtls12 = 0xfefd;

/** Whether a client that offers this version as its newest may speak DTLS 1.2. */
export function offersDtls12(version: number): boolean {
  return version >>> 8 === 0xfe && version <= dtls12;
}
