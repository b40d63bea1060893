/**
 * ```text
 * struct {
 *     opaque verify_data[verify_data_length];            // 12
 * } Finished;
 * ```
 *
 * RFC 5246 section 7.4.9.
 *
 * @module
 */

/** 12 unless a cipher suite says otherwise; none of ours does. */
export const verifyDataLength = 12;

/** Reads the body of a Finished: the verify_data, which is not compared by that. */
export function parseFinished(body: Uint8Array): Uint8Array | undefined {
  return body.length === verifyDataLength ? body : undefined;
}

/** Writes the body of a Finished. */
export function writeFinished(verifyData: Uint8Array): Uint8Array {
  return verifyData.slice();
}
