/**
 * HEARTBEAT (RFC 9260, section 3.3.5) and HEARTBEAT ACK (section 3.3.6), which sends back the
 * information of the first as it came.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |  Type = 4, 5  |  Chunk Flags  |       Heartbeat Length        |
 *     |    Heartbeat Info Type = 1    |      HB Info Length           |
 *     \               Sender-Specific Heartbeat Info                  \
 */
import { chunkHeaderLength, writeParameterChunk } from "./chunk_header.ts";
import { chunkTypes } from "./chunk_type.ts";
import { parseParameters, writeParameter } from "./parameter.ts";

const heartbeatInfoType = 1;
/** Longer ones are not echoed: the ack is to fit in a packet on any path. */
const maxInfoLength = 1024;

/** A whole HEARTBEAT, padded. */
export function writeHeartbeat(info: Uint8Array): Uint8Array {
  return writeWithInfo(chunkTypes.heartbeat, info);
}

/** A whole HEARTBEAT ACK, padded. */
export function writeHeartbeatAck(info: Uint8Array): Uint8Array {
  return writeWithInfo(chunkTypes.heartbeatAck, info);
}

function writeWithInfo(type: number, info: Uint8Array): Uint8Array {
  return writeParameterChunk(type, 0, new Uint8Array(0), [writeParameter(heartbeatInfoType, info)]);
}

/**
 * A copy of the information in the HEARTBEAT or HEARTBEAT ACK chunk in `bytes[start..end)`, padding
 * excluded. Undefined where the chunk is malformed or has none, or more than 1024 bytes of it.
 */
export function parseHeartbeatInfo(
  bytes: Uint8Array,
  start: number,
  end: number,
): Uint8Array | undefined {
  const parameters = parseParameters(bytes, start + chunkHeaderLength, end);
  const info = parameters?.find(({ type }) => type === heartbeatInfoType)?.value;
  return info === undefined || info.length > maxInfoLength ? undefined : Uint8Array.from(info);
}
