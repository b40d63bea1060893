/**
 * Error causes of ABORT and ERROR chunks (RFC 9260, section 3.3.10).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |          Cause Code           |         Cause Length          |
 *     \                  Cause-Specific Information                   \
 */
import { type Parameter, parseParameters, writeParameter } from "./parameter.ts";
import { padded, readUint32, writeUint32 } from "../../network_order.ts";

/** The cause codes. */
export const causeCodes = {
  invalidStreamIdentifier: 1,
  missingMandatoryParameter: 2,
  staleCookie: 3,
  outOfResource: 4,
  unresolvableAddress: 5,
  unrecognizedChunkType: 6,
  invalidMandatoryParameter: 7,
  unrecognizedParameters: 8,
  noUserData: 9,
  cookieReceivedWhileShuttingDown: 10,
  restartWithNewAddresses: 11,
  userInitiatedAbort: 12,
  protocolViolation: 13,
} as const;

const causeNames: ReadonlyMap<number, string> = new Map([
  [causeCodes.invalidStreamIdentifier, "invalid stream identifier"],
  [causeCodes.missingMandatoryParameter, "missing mandatory parameter"],
  [causeCodes.staleCookie, "stale cookie"],
  [causeCodes.outOfResource, "out of resource"],
  [causeCodes.unresolvableAddress, "unresolvable address"],
  [causeCodes.unrecognizedChunkType, "unrecognized chunk type"],
  [causeCodes.invalidMandatoryParameter, "invalid mandatory parameter"],
  [causeCodes.unrecognizedParameters, "unrecognized parameters"],
  [causeCodes.noUserData, "no user data"],
  [causeCodes.cookieReceivedWhileShuttingDown, "cookie received while shutting down"],
  [causeCodes.restartWithNewAddresses, "restart with new addresses"],
  [causeCodes.userInitiatedAbort, "user-initiated abort"],
  [causeCodes.protocolViolation, "protocol violation"],
]);

/** What we say of anything is cut off here: one cause always fits in an ERROR chunk of 512 bytes. */
const maxInformationLength = 504;
/** Of what a peer says so many causes are told, */
const maxDescribedCount = 4;
/** and of its texts so many characters, */
const maxTextLength = 64;
/** which cannot have more bytes than this. */
const maxTextBytes = maxTextLength * 4;

/** All but letters, marks, digits, punctuation, symbols and the space. */
const unprintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A whole error cause, padded; of its information the first 504 bytes. */
export function writeErrorCause(code: number, value: Uint8Array): Uint8Array {
  return writeParameter(code, value.subarray(0, maxInformationLength));
}

/** Stale Cookie (3.3.10.3): by how much the cookie's lifetime was over. */
export function staleCookie(stalenessMicroseconds: number): Uint8Array {
  return writeErrorCause(causeCodes.staleCookie, uint32(stalenessMicroseconds));
}

/** Unrecognized Chunk Type (3.3.10.6), with the chunk: header and value. */
export function unrecognizedChunkType(chunkBytes: Uint8Array): Uint8Array {
  return writeErrorCause(causeCodes.unrecognizedChunkType, chunkBytes);
}

/** Unrecognized Parameters (3.3.10.8), with the parameters: header and value, padded or not. */
export function unrecognizedParameters(parameters: readonly Uint8Array[]): Uint8Array {
  const value = new Uint8Array(parameters.reduce((sum, { length }) => sum + padded(length), 0));
  let at = 0;
  for (const parameter of parameters) {
    value.set(parameter, at);
    at += padded(parameter.length);
  }
  return writeErrorCause(causeCodes.unrecognizedParameters, value);
}

/** No User Data (3.3.10.9): the DATA chunk with this TSN was empty. */
export function noUserData(tsn: number): Uint8Array {
  return writeErrorCause(causeCodes.noUserData, uint32(tsn));
}

/** Cookie Received While Shutting Down (3.3.10.10). */
export function cookieReceivedWhileShuttingDown(): Uint8Array {
  return writeErrorCause(causeCodes.cookieReceivedWhileShuttingDown, new Uint8Array(0));
}

/** User-Initiated Abort (3.3.10.12): why the layer above ended the association. */
export function userInitiatedAbort(reason: string): Uint8Array {
  return writeErrorCause(causeCodes.userInitiatedAbort, encodeText(reason));
}

/** Protocol Violation (3.3.10.13): what was violated. */
export function protocolViolation(text: string): Uint8Array {
  return writeErrorCause(causeCodes.protocolViolation, encodeText(text));
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeUint32(bytes, 0, value);
  return bytes;
}

/** Whole characters only, as many as there is room for. */
function encodeText(text: string): Uint8Array {
  const bytes = new Uint8Array(maxInformationLength);
  return bytes.subarray(0, encoder.encodeInto(text, bytes).written);
}

/**
 * The causes in `bytes[start..end)`, the value of an ABORT or ERROR chunk, for people to read:
 * `protocol violation "no such stream", cause 99`. What the peer wrote is short and printable.
 */
export function describeErrorCauses(bytes: Uint8Array, start: number, end: number): string {
  const causes = parseParameters(bytes, start, end);
  if (causes === undefined) return "malformed causes";
  if (causes.length === 0) return "no cause";
  const texts = causes.slice(0, maxDescribedCount).map(describe);
  const more = causes.length - texts.length;
  return texts.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function describe({ type, value }: Parameter): string {
  const name = causeNames.get(type) ?? `cause ${type}`;
  const detail = detailOf(type, value);
  return detail === "" ? name : `${name} ${detail}`;
}

function detailOf(code: number, value: Uint8Array): string {
  switch (code) {
    case causeCodes.userInitiatedAbort:
    case causeCodes.protocolViolation: {
      const text = printable(value);
      return text === "" ? "" : `"${text}"`;
    }
    case causeCodes.unrecognizedChunkType:
      return value.length === 0 ? "" : `${value[0]}`;
    case causeCodes.noUserData:
      return value.length < 4 ? "" : `(TSN ${readUint32(value, 0)})`;
    default:
      return "";
  }
}

function printable(value: Uint8Array): string {
  const text = decoder.decode(value.subarray(0, maxTextBytes)).replaceAll(unprintable, "");
  return [...text].slice(0, maxTextLength).join("").trim();
}
