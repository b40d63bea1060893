/**
 * ERROR (RFC 9260, section 3.3.10): something is wrong, and the association goes on.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |   Type = 9    |  Chunk Flags  |            Length             |
 *     \                   one or more Error Causes                    \
 */
import { chunkHeaderLength, writeParameterChunk } from "./chunk_header.ts";
import { chunkTypes } from "./chunk_type.ts";

/** What an ERROR chunk of ours may have at most, in bytes: it is to fit beside others. */
export const maxErrorLength = 512;

/**
 * A whole ERROR with causes from error_cause.ts, padded, of at most `maxLength` bytes: what would
 * go beyond is left out, from the first cause on that does.
 */
export function writeError(causes: readonly Uint8Array[], maxLength: number): Uint8Array {
  let length = chunkHeaderLength;
  const beyond = causes.findIndex((cause) => (length += cause.length) > maxLength);
  const fitting = beyond < 0 ? causes : causes.slice(0, beyond);
  return writeParameterChunk(chunkTypes.error, 0, new Uint8Array(0), fitting);
}
