/**
 * RE-CONFIG (RFC 6525, section 3.1), with one or two parameters (section 4).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |  Type = 130   |  Chunk Flags  |         Chunk Length          |
 *     \                  Re-configuration Parameter                   \
 *     \             Re-configuration Parameter (optional)             \
 *
 *     |     Parameter Type = 13       | Parameter Length = 16 + 2 * N |
 *     |           Re-configuration Request Sequence Number            |
 *     |           Re-configuration Response Sequence Number           |
 *     |                Sender's Last Assigned TSN                     |
 *     |  Stream Number 1 (optional)   |    Stream Number 2 (optional) |
 *
 *     |     Parameter Type = 14       |  Parameter Length = 8 + 2 * N |
 *     |           Re-configuration Request Sequence Number            |
 *     |  Stream Number 1 (optional)   |    Stream Number 2 (optional) |
 *
 *     |     Parameter Type = 15       |      Parameter Length = 8     |
 *     |           Re-configuration Request Sequence Number            |
 *
 *     |     Parameter Type = 16       |   Parameter Length = 12, 20   |
 *     |           Re-configuration Response Sequence Number           |
 *     |                            Result                             |
 *     |                   Sender's Next TSN (optional)                |
 *     |                  Receiver's Next TSN (optional)               |
 *
 *     |   Parameter Type = 17, 18     |      Parameter Length = 12    |
 *     |           Re-configuration Request Sequence Number            |
 *     |      Number of new streams    |         Reserved              |
 */
import { chunkHeaderLength, writeParameterChunk } from "./chunk_header.ts";
import { chunkTypes } from "./chunk_type.ts";
import { type Parameter, parseParameters, writeParameter } from "./parameter.ts";
import { readUint16, readUint32, writeUint16, writeUint32 } from "../../network_order.ts";

/** The results in a response: section 4.4. */
export const reConfigResults = {
  successNothingToDo: 0,
  successPerformed: 1,
  denied: 2,
  errorWrongSsn: 3,
  errorRequestAlreadyInProgress: 4,
  errorBadSequenceNumber: 5,
  inProgress: 6,
} as const;

/** The sender sets the SSNs of these of its outgoing streams back to 0; of all, where none is named. */
export interface OutgoingSsnResetRequest {
  readonly type: "outgoing-ssn-reset-request";
  readonly requestSequenceNumber: number;
  /** Of the request that this one answers, or of the last that came, less one. */
  readonly responseSequenceNumber: number;
  readonly lastAssignedTsn: number;
  readonly streamIds: readonly number[];
}

/** The receiver is to do so with its own; with all, where none is named. */
export interface IncomingSsnResetRequest {
  readonly type: "incoming-ssn-reset-request";
  readonly requestSequenceNumber: number;
  readonly streamIds: readonly number[];
}

/** All SSNs and the TSNs are to start again. */
export interface SsnTsnResetRequest {
  readonly type: "ssn-tsn-reset-request";
  readonly requestSequenceNumber: number;
}

/** More streams, of the sender's outgoing ones or of its incoming ones. */
export interface AddStreamsRequest {
  readonly type: "add-outgoing-streams-request" | "add-incoming-streams-request";
  readonly requestSequenceNumber: number;
  readonly newStreamCount: number;
}

/** What has become of a request. */
export interface ReConfigResponse {
  readonly type: "response";
  readonly responseSequenceNumber: number;
  /** One of `reConfigResults`, or a number we do not know. */
  readonly result: number;
  /** In answer to an SSN/TSN reset request. */
  readonly nextTsns?: { readonly sender: number; readonly receiver: number };
}

/** A parameter of a RE-CONFIG chunk. */
export type ReConfigParameter =
  | OutgoingSsnResetRequest
  | IncomingSsnResetRequest
  | SsnTsnResetRequest
  | AddStreamsRequest
  | ReConfigResponse;

const parameterTypes: Readonly<Record<ReConfigParameter["type"], number>> = {
  "outgoing-ssn-reset-request": 13,
  "incoming-ssn-reset-request": 14,
  "ssn-tsn-reset-request": 15,
  "response": 16,
  "add-outgoing-streams-request": 17,
  "add-incoming-streams-request": 18,
};

/** What two parameters may be together, in either order: section 3.1. */
const pairs: readonly (readonly [ReConfigParameter["type"], ReConfigParameter["type"]])[] = [
  ["outgoing-ssn-reset-request", "incoming-ssn-reset-request"],
  ["add-outgoing-streams-request", "add-incoming-streams-request"],
  ["response", "outgoing-ssn-reset-request"],
  ["response", "response"],
];

/**
 * Reads the RE-CONFIG chunk in `bytes[start..end)`, padding excluded. Undefined where a parameter
 * is malformed or unknown, or where they may not stand together.
 */
export function parseReConfig(
  bytes: Uint8Array,
  start: number,
  end: number,
): ReConfigParameter[] | undefined {
  const parameters: ReConfigParameter[] = [];
  for (const raw of parseParameters(bytes, start + chunkHeaderLength, end) ?? []) {
    const parameter = parameters.length < 2 ? parseParameter(raw) : undefined;
    if (parameter === undefined) return undefined;
    parameters.push(parameter);
  }
  return mayStandTogether(parameters) ? parameters : undefined;
}

function mayStandTogether([first, second]: readonly ReConfigParameter[]): boolean {
  if (first === undefined || second === undefined) return first !== undefined;
  return pairs.some(([one, other]) =>
    (first.type === one && second.type === other) || (first.type === other && second.type === one)
  );
}

function parseParameter({ type, value }: Parameter): ReConfigParameter | undefined {
  switch (type) {
    case parameterTypes["outgoing-ssn-reset-request"]:
      return parseOutgoingSsnReset(value);
    case parameterTypes["incoming-ssn-reset-request"]:
      return parseIncomingSsnReset(value);
    case parameterTypes["ssn-tsn-reset-request"]:
      if (value.length !== 4) return undefined;
      return { type: "ssn-tsn-reset-request", requestSequenceNumber: readUint32(value, 0) };
    case parameterTypes["response"]:
      return parseResponse(value);
    case parameterTypes["add-outgoing-streams-request"]:
      return parseAddStreams("add-outgoing-streams-request", value);
    case parameterTypes["add-incoming-streams-request"]:
      return parseAddStreams("add-incoming-streams-request", value);
    default:
      return undefined;
  }
}

function parseOutgoingSsnReset(value: Uint8Array): OutgoingSsnResetRequest | undefined {
  const streamIds = parseStreamIds(value, 12);
  if (streamIds === undefined) return undefined;
  return {
    type: "outgoing-ssn-reset-request",
    requestSequenceNumber: readUint32(value, 0),
    responseSequenceNumber: readUint32(value, 4),
    lastAssignedTsn: readUint32(value, 8),
    streamIds,
  };
}

function parseIncomingSsnReset(value: Uint8Array): IncomingSsnResetRequest | undefined {
  const streamIds = parseStreamIds(value, 4);
  if (streamIds === undefined) return undefined;
  const requestSequenceNumber = readUint32(value, 0);
  return { type: "incoming-ssn-reset-request", requestSequenceNumber, streamIds };
}

function parseStreamIds(value: Uint8Array, start: number): number[] | undefined {
  const count = (value.length - start) / 2;
  if (count < 0 || !Number.isInteger(count)) return undefined;
  return Array.from({ length: count }, (_, n) => readUint16(value, start + n * 2));
}

function parseResponse(value: Uint8Array): ReConfigResponse | undefined {
  if (value.length !== 8 && value.length !== 16) return undefined;
  const response = {
    type: "response",
    responseSequenceNumber: readUint32(value, 0),
    result: readUint32(value, 4),
  } as const;
  if (value.length === 8) return response;
  return {
    ...response,
    nextTsns: { sender: readUint32(value, 8), receiver: readUint32(value, 12) },
  };
}

function parseAddStreams(
  type: AddStreamsRequest["type"],
  value: Uint8Array,
): AddStreamsRequest | undefined {
  if (value.length !== 8) return undefined;
  const requestSequenceNumber = readUint32(value, 0);
  return { type, requestSequenceNumber, newStreamCount: readUint16(value, 4) };
}

/** A whole RE-CONFIG, padded. */
export function writeReConfig(parameters: readonly ReConfigParameter[]): Uint8Array {
  const written = parameters.map((one) => writeParameter(parameterTypes[one.type], valueOf(one)));
  return writeParameterChunk(chunkTypes.reConfig, 0, new Uint8Array(0), written);
}

function valueOf(parameter: ReConfigParameter): Uint8Array {
  switch (parameter.type) {
    case "outgoing-ssn-reset-request": {
      const { requestSequenceNumber, responseSequenceNumber, lastAssignedTsn } = parameter;
      const numbers = [requestSequenceNumber, responseSequenceNumber, lastAssignedTsn];
      return writeNumbers(numbers, parameter.streamIds);
    }
    case "incoming-ssn-reset-request":
      return writeNumbers([parameter.requestSequenceNumber], parameter.streamIds);
    case "ssn-tsn-reset-request":
      return writeNumbers([parameter.requestSequenceNumber], []);
    case "response": {
      const { responseSequenceNumber, result, nextTsns } = parameter;
      const tsns = nextTsns === undefined ? [] : [nextTsns.sender, nextTsns.receiver];
      return writeNumbers([responseSequenceNumber, result, ...tsns], []);
    }
    case "add-outgoing-streams-request":
    case "add-incoming-streams-request":
      return writeNumbers([parameter.requestSequenceNumber], [parameter.newStreamCount, 0]);
    default:
      return parameter satisfies never;
  }
}

/** Numbers of 32 bits, then numbers of 16 bits. */
function writeNumbers(longs: readonly number[], shorts: readonly number[]): Uint8Array {
  const value = new Uint8Array(longs.length * 4 + shorts.length * 2);
  longs.forEach((one, n) => writeUint32(value, n * 4, one));
  shorts.forEach((one, n) => writeUint16(value, longs.length * 4 + n * 2, one));
  return value;
}
