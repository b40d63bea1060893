/**
 * COOKIE ECHO (RFC 9260, section 3.3.11) and COOKIE ACK (section 3.3.12). The cookie of a COOKIE
 * ECHO is all of its value, so that it needs no reader.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |   Type = 10   |  Chunk Flags  |            Length             |
 *     \                            Cookie                             \
 *
 *     |   Type = 11   |  Chunk Flags  |          Length = 4           |
 */
import { writeChunk } from "./chunk_header.ts";
import { chunkTypes } from "./chunk_type.ts";

/** A whole COOKIE ECHO, padded. */
export function writeCookieEcho(cookie: Uint8Array): Uint8Array {
  return writeChunk(chunkTypes.cookieEcho, 0, cookie);
}

/** A whole COOKIE ACK. */
export function writeCookieAck(): Uint8Array {
  return writeChunk(chunkTypes.cookieAck, 0, new Uint8Array(0));
}
