/**
 * INIT (RFC 9260, section 3.3.2) and INIT ACK (section 3.3.3), which has the same form.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |  Type = 1, 2  |  Chunk Flags  |         Chunk Length          |
 *     |                         Initiate Tag                          |
 *     |          Advertised Receiver Window Credit (a_rwnd)           |
 *     |  Number of Outbound Streams   |   Number of Inbound Streams   |
 *     |                          Initial TSN                          |
 *     \              Optional/Variable-Length Parameters              \
 *
 * What is read outlives the packet: nothing of it is borrowed.
 */
import { chunkHeaderLength, writeParameterChunk } from "./chunk_header.ts";
import { unknownAction } from "./chunk_type.ts";
import {
  type Parameter,
  parameterHeaderLength,
  parseParameters,
  writeParameter,
} from "./parameter.ts";
import { readUint16, readUint32, writeUint16, writeUint32 } from "../../network_order.ts";

/** The fields before the parameters, without the chunk header, in bytes. */
const fixedLength = 16;

const initType = 1;
const stateCookieType = 7;
const unrecognizedParameterType = 8;
/** RFC 9653, section 4. */
const zeroChecksumAcceptableType = 0x8001;
/** RFC 5061, section 4.2.7. */
const supportedExtensionsType = 0x8008;
/** RFC 3758, section 3.1. */
const forwardTsnSupportedType = 0xc000;

/**
 * Parameters we know and make nothing of. RFC 8261 section 6: address parameters (5, 6, 11, and the
 * types of them, 12) are ignored. 9 (Cookie Preservative) asks for nothing we would do, and 8
 * is the peer's word on what it did not know.
 */
const ignoredTypes: ReadonlySet<number> = new Set([5, 6, unrecognizedParameterType, 9, 11, 12]);

/** A peer that lists more chunk types than this does not list chunk types. */
const maxSupportedExtensionCount = 64;
/** What we report is to fit beside a State Cookie in one packet. */
const maxUnrecognizedLength = 256;

/** The Error Detection Method Identifier of DTLS (RFC 9653, section 4): the one we offer. */
export const dtlsErrorDetectionMethod = 1;

/** An INIT or INIT ACK. */
export interface InitFields {
  readonly initiateTag: number;
  readonly advertisedReceiverWindowCredit: number;
  readonly outboundStreams: number;
  readonly inboundStreams: number;
  readonly initialTsn: number;
  /** Chunk types. */
  readonly supportedExtensions: readonly number[];
  readonly isForwardTsnSupported: boolean;
  /** The Error Detection Method Identifier that makes up for a checksum of zero. */
  readonly zeroChecksumMethod: number | undefined;
  /** Of an INIT ACK. */
  readonly stateCookie: Uint8Array | undefined;
  /**
   * Read: unknown parameters of this chunk which ask to be reported, with their headers, without
   * their padding. Written: those of the chunk that is answered.
   */
  readonly unrecognized: readonly Uint8Array[];
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/**
 * Reads the INIT or INIT ACK chunk in `bytes[start..end)`, padding excluded. What values are
 * acceptable (a tag, streams or a cookie at all) is the caller's to judge.
 */
export function parseInit(bytes: Uint8Array, start: number, end: number): InitFields | undefined {
  const at = start + chunkHeaderLength;
  if (end - at < fixedLength) return undefined;
  const parameters = parseParameters(bytes, at + fixedLength, end);
  if (parameters === undefined) return undefined;
  const fields: Writable<InitFields> = {
    initiateTag: readUint32(bytes, at),
    advertisedReceiverWindowCredit: readUint32(bytes, at + 4),
    outboundStreams: readUint16(bytes, at + 8),
    inboundStreams: readUint16(bytes, at + 10),
    initialTsn: readUint32(bytes, at + 12),
    supportedExtensions: [],
    isForwardTsnSupported: false,
    zeroChecksumMethod: undefined,
    stateCookie: undefined,
    unrecognized: [],
  };
  return readParameters(parameters, fields) ? fields : undefined;
}

/** False where a parameter we know is malformed. */
function readParameters(parameters: readonly Parameter[], into: Writable<InitFields>): boolean {
  const unknown: Parameter[] = [];
  for (const parameter of parameters) {
    const { type, value } = parameter;
    if (type === stateCookieType) into.stateCookie = Uint8Array.from(value);
    else if (type === forwardTsnSupportedType) into.isForwardTsnSupported = true;
    else if (type === supportedExtensionsType) {
      into.supportedExtensions = [...value.subarray(0, maxSupportedExtensionCount)];
    } else if (type === zeroChecksumAcceptableType) {
      if (value.length !== 4) return false;
      into.zeroChecksumMethod = readUint32(value, 0);
    } else if (!ignoredTypes.has(type)) {
      unknown.push(parameter);
      if (unknownAction(type, "parameter").startsWith("stop")) break;
    }
  }
  into.unrecognized = reportable(unknown);
  return true;
}

/** Those of the unknown parameters that are to be reported, as many as there is room for. */
function reportable(unknown: readonly Parameter[]): Uint8Array[] {
  const reported: Uint8Array[] = [];
  let room = maxUnrecognizedLength;
  for (const { type, value } of unknown) {
    if (!unknownAction(type, "parameter").endsWith("report")) continue;
    const length = parameterHeaderLength + value.length;
    room -= length;
    if (room < 0) break;
    reported.push(writeParameter(type, value).subarray(0, length));
  }
  return reported;
}

/**
 * Reads what is to be a whole INIT chunk and nothing else, from outside a packet. Undefined also
 * where its tag or its counts of streams are 0 (RFC 9260, section 3.3.2).
 */
export function parseLoneInit(bytes: Uint8Array): InitFields | undefined {
  const isWhole = bytes.length >= chunkHeaderLength && bytes[0] === initType &&
    readUint16(bytes, 2) === bytes.length;
  const init = isWhole ? parseInit(bytes, 0, bytes.length) : undefined;
  return init !== undefined && isUsableInit(init) ? init : undefined;
}

/** RFC 9260, section 3.3.2: a tag of 0 and no streams are errors. */
export function isUsableInit(
  { initiateTag, outboundStreams, inboundStreams }: InitFields,
): boolean {
  return initiateTag !== 0 && outboundStreams !== 0 && inboundStreams !== 0;
}

/** A whole INIT (1) or INIT ACK (2), padded. */
export function writeInit(type: 1 | 2, fields: InitFields): Uint8Array {
  const fixed = new Uint8Array(fixedLength);
  writeUint32(fixed, 0, fields.initiateTag);
  writeUint32(fixed, 4, fields.advertisedReceiverWindowCredit);
  writeUint16(fixed, 8, fields.outboundStreams);
  writeUint16(fixed, 10, fields.inboundStreams);
  writeUint32(fixed, 12, fields.initialTsn);
  return writeParameterChunk(type, 0, fixed, parametersOf(fields));
}

function parametersOf(fields: InitFields): Uint8Array[] {
  const { stateCookie, supportedExtensions, zeroChecksumMethod } = fields;
  const parameters: Uint8Array[] = [];
  if (stateCookie !== undefined) parameters.push(writeParameter(stateCookieType, stateCookie));
  if (supportedExtensions.length > 0) {
    const types = Uint8Array.from(supportedExtensions);
    parameters.push(writeParameter(supportedExtensionsType, types));
  }
  if (fields.isForwardTsnSupported) {
    parameters.push(writeParameter(forwardTsnSupportedType, new Uint8Array(0)));
  }
  if (zeroChecksumMethod !== undefined) {
    const method = new Uint8Array(4);
    writeUint32(method, 0, zeroChecksumMethod);
    parameters.push(writeParameter(zeroChecksumAcceptableType, method));
  }
  for (const unrecognized of fields.unrecognized) {
    parameters.push(writeParameter(unrecognizedParameterType, unrecognized));
  }
  return parameters;
}
