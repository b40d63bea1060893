/**
 * ERROR-CODE (RFC 8489, section 14.8).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |           Reserved, should be 0         |Class|     Number    |
 *     |      Reason Phrase (variable)                                ..
 */
import type { AttributeCodec } from "./attribute_codec.ts";
import { parseUtf8 } from "./attribute_codec.ts";

/** Why a request was refused. */
export interface ErrorCode {
  /** 300 to 699. */
  readonly code: number;
  /** For people. */
  readonly reason: string;
}

/** The codes that are acted upon (RFC 8489 section 14.8, RFC 8445 section 16.2). */
export const errorCodes = {
  tryAlternate: 300,
  badRequest: 400,
  unauthenticated: 401,
  unknownAttribute: 420,
  staleNonce: 438,
  roleConflict: 487,
} as const;

const reasonOffset = 4;
/** "(which can be as long as 509 bytes when encoding them or 763 bytes when decoding them)" */
const maxReasonLength = 763;

/** Reads and writes it. A reason that is no text is none. */
export const errorCodeCodec: AttributeCodec<ErrorCode> = {
  parse(bytes, start, end) {
    if (end - start < reasonOffset || end - start > reasonOffset + maxReasonLength) {
      return undefined;
    }
    const hundreds = (bytes[start + 2] ?? 0) & 7;
    const rest = bytes[start + 3] ?? 0;
    // "The Class ... value MUST be between 3 and 6. The Number ... MUST be between 0 and 99."
    if (hundreds < 3 || hundreds > 6 || rest > 99) return undefined;
    const reason = parseUtf8(bytes.subarray(start + reasonOffset, end)) ?? "";
    return { code: hundreds * 100 + rest, reason };
  },
  write({ code, reason }) {
    const text = new TextEncoder().encode(reason);
    const bytes = new Uint8Array(reasonOffset + text.length);
    bytes[2] = Math.floor(code / 100);
    bytes[3] = code % 100;
    bytes.set(text, reasonOffset);
    return bytes;
  },
};
