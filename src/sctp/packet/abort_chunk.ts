/**
 * ABORT (RFC 9260, section 3.3.7): the association is over at once.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |   Type = 6    |  Reserved   |T|            Length             |
 *     \                   zero or more Error Causes                   \
 */
import { tagReflectedFlag, writeParameterChunk } from "./chunk_header.ts";
import { chunkTypes } from "./chunk_type.ts";

/**
 * A whole ABORT with causes from error_cause.ts, padded; the T bit is set where its packet has the
 * tag of the one answered.
 */
export function writeAbort(causes: readonly Uint8Array[], isTagReflected: boolean): Uint8Array {
  const flags = isTagReflected ? tagReflectedFlag : 0;
  return writeParameterChunk(chunkTypes.abort, flags, new Uint8Array(0), causes);
}
