/**
 * The messages of the Data Channel Establishment Protocol (RFC 8832 section 5).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |  Type = 0x03  |  Channel Type |            Priority           |
 *     |                     Reliability Parameter                     |
 *     |          Label Length         |        Protocol Length        |
 *     \                             Label                             \
 *     \                            Protocol                           \
 *
 *     |  Type = 0x02  |
 */
import { readUint16, readUint32, writeUint16, writeUint32 } from "../network_order.ts";
import { decodeUtf8, encodeUtf8 } from "./utf8.ts";

const ackType = 0x02;
const openType = 0x03;

/** What stands before the label, in bytes. */
const openHeaderLength = 12;

/** The longest label, in bytes: a target's name fits, and a peer cannot have us hold 64 KiB. */
export const maxLabelLength = 1_024;
/** The longest protocol, in bytes. */
export const maxProtocolLength = 256;

/** RFC 8831 section 6.4: the priority called "normal". */
export const normalPriority = 256;

/** In the channel type: messages need not be delivered in order. */
const unorderedBit = 0x80;

/** The channel type without `unorderedBit`. */
const channelTypes = { reliable: 0x00, rexmit: 0x01, timed: 0x02 } as const;

/** DATA_CHANNEL_OPEN: what the opener asks for. */
export interface DataChannelOpen {
  readonly label: string;
  readonly protocol: string;
  readonly isOrdered: boolean;
  /** Messages are given up after so many retransmissions. */
  readonly maxRetransmissions?: number;
  /** Messages are given up after so long, in ms. Never together with `maxRetransmissions`. */
  readonly lifetime?: number;
  /** The higher, the sooner: 128, 256, 512 or 1,024, and any other. */
  readonly priority: number;
}

/** Whether `bytes[start..end)` means to be a DATA_CHANNEL_OPEN, well formed or not. */
export function isDataChannelOpen(bytes: Uint8Array, start: number, end: number): boolean {
  return end > start && bytes[start] === openType;
}

/** Whether `bytes[start..end)` is a DATA_CHANNEL_ACK. */
export function isDataChannelAck(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start === 1 && bytes[start] === ackType;
}

/** A DATA_CHANNEL_ACK. */
export function writeDataChannelAck(): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(ackType);
}

/** Reads the DATA_CHANNEL_OPEN in `bytes[start..end)`; undefined where it is malformed. */
export function parseDataChannelOpen(
  bytes: Uint8Array,
  start: number,
  end: number,
): DataChannelOpen | undefined {
  if (end - start < openHeaderLength || !isDataChannelOpen(bytes, start, end)) return undefined;
  const reliability = parseReliability(bytes[start + 1] ?? 0, readUint32(bytes, start + 4));
  if (reliability === undefined) return undefined;
  const labelLength = readUint16(bytes, start + 8);
  const protocolLength = readUint16(bytes, start + 10);
  if (labelLength > maxLabelLength || protocolLength > maxProtocolLength) return undefined;
  const labelStart = start + openHeaderLength;
  const protocolStart = labelStart + labelLength;
  if (protocolStart + protocolLength !== end) return undefined;
  const label = decodeUtf8(bytes, labelStart, protocolStart);
  const protocol = decodeUtf8(bytes, protocolStart, end);
  if (label === undefined || protocol === undefined) return undefined;
  return { label, protocol, priority: readUint16(bytes, start + 2), ...reliability };
}

type Reliability = Pick<DataChannelOpen, "isOrdered" | "maxRetransmissions" | "lifetime">;

function parseReliability(channelType: number, parameter: number): Reliability | undefined {
  const isOrdered = (channelType & unorderedBit) === 0;
  switch (channelType & ~unorderedBit) {
    case channelTypes.reliable:
      // RFC 8832 section 5.1: the parameter "MUST be ignored on the receiving side".
      return { isOrdered };
    case channelTypes.rexmit:
      return { isOrdered, maxRetransmissions: parameter };
    case channelTypes.timed:
      return { isOrdered, lifetime: parameter };
    default:
      return undefined;
  }
}

/**
 * A DATA_CHANNEL_OPEN.
 * @throws {RangeError} where a field does not fit
 */
export function writeDataChannelOpen(open: DataChannelOpen): Uint8Array<ArrayBuffer> {
  const label = encodeUtf8(open.label);
  const protocol = encodeUtf8(open.protocol);
  const [channelType, parameter] = channelTypeOf(open);
  checkRange("the label's length in bytes", label.length, maxLabelLength);
  checkRange("the protocol's length in bytes", protocol.length, maxProtocolLength);
  checkRange("the priority", open.priority, 0xffff);
  checkRange("the reliability parameter", parameter, 0xffff_ffff);
  const bytes = new Uint8Array(openHeaderLength + label.length + protocol.length);
  bytes[0] = openType;
  bytes[1] = channelType;
  writeUint16(bytes, 2, open.priority);
  writeUint32(bytes, 4, parameter);
  writeUint16(bytes, 8, label.length);
  writeUint16(bytes, 10, protocol.length);
  bytes.set(label, openHeaderLength);
  bytes.set(protocol, openHeaderLength + label.length);
  return bytes;
}

/** The channel type, and the reliability parameter that belongs to it. */
function channelTypeOf(
  { isOrdered, maxRetransmissions, lifetime }: DataChannelOpen,
): [channelType: number, parameter: number] {
  const order = isOrdered ? 0 : unorderedBit;
  if (maxRetransmissions !== undefined && lifetime !== undefined) {
    throw new RangeError("a channel with maxRetransmissions and lifetime: give one of them");
  }
  if (maxRetransmissions !== undefined) return [channelTypes.rexmit | order, maxRetransmissions];
  if (lifetime !== undefined) return [channelTypes.timed | order, lifetime];
  return [channelTypes.reliable | order, 0];
}

function checkRange(what: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= max) return;
  throw new RangeError(`opening a channel: ${what} is ${value}, it must be 0 to ${max}`);
}
