/**
 * ```text
 * struct { } ServerHelloDone;
 * ```
 *
 * RFC 5246 section 7.4.5.
 *
 * @module
 */

/** Whether this is the body of a ServerHelloDone: it has none. */
export function isServerHelloDone(body: Uint8Array): boolean {
  return body.length === 0;
}

/** Writes the body of a ServerHelloDone. */
export function writeServerHelloDone(): Uint8Array {
  return new Uint8Array(0);
}
