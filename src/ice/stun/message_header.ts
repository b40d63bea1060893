/**
 * The header of a STUN message (RFC 8489, section 5).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |0 0|     STUN Message Type     |         Message Length        |
 *     |                         Magic Cookie                          |
 *     |                     Transaction ID (96 bits)                  |
 */
import { readUint16, readUint32, writeUint16, writeUint32 } from "../../network_order.ts";

/** In bytes. */
export const headerLength = 20;
/** In bytes: 96 bits, so that nobody guesses one. */
export const transactionIdLength = 12;
/** What tells this STUN from that of RFC 3489. */
export const magicCookie = 0x2112a442;

/** What a message is. */
export type MessageClass = "request" | "indication" | "success" | "error";

/** The methods in use (RFC 8489 section 18.2, RFC 8656 section 17). */
export const methods = {
  binding: 0x001,
  allocate: 0x003,
  refresh: 0x004,
  send: 0x006,
  data: 0x007,
  createPermission: 0x008,
  channelBind: 0x009,
} as const;

/** A header. */
export interface MessageHeader {
  readonly messageClass: MessageClass;
  /** 12 bits; one of {@link methods}, or unknown. */
  readonly method: number;
  /** 12 bytes. */
  readonly transactionId: Uint8Array;
}

/** In the order of their two bits. */
const classes = ["request", "indication", "success", "error"] as const;

/** Reads the header of the message in `bytes[start..end)`, and checks that it is as long as it says. */
export function parseMessageHeader(
  bytes: Uint8Array,
  start: number,
  end: number,
): MessageHeader | undefined {
  if (end - start < headerLength || end > bytes.length) return undefined;
  const type = readUint16(bytes, start);
  // "The most significant 2 bits of every STUN message MUST be zeroes."
  if (type >= 0x4000 || readUint32(bytes, start + 4) !== magicCookie) return undefined;
  const length = readUint16(bytes, start + 2);
  // "all STUN attributes are padded to a multiple of 4 bytes, the last 2 bits of this field are
  // always zero"
  if (length % 4 !== 0 || length !== end - start - headerLength) return undefined;
  const messageClass = classes[((type >> 7) & 2) | ((type >> 4) & 1)] ?? "request";
  const method = (type & 0x000f) | ((type >> 1) & 0x0070) | ((type >> 2) & 0x0f80);
  const idStart = start + headerLength - transactionIdLength;
  // A short array of its own is made many times as fast as a slice.
  const transactionId = new Uint8Array(transactionIdLength);
  for (let at = 0; at < transactionIdLength; at++) transactionId[at] = bytes[idStart + at] ?? 0;
  return { messageClass, method, transactionId };
}

/** Writes the header of a message whose attributes have `length` bytes. */
export function writeMessageHeader(out: Uint8Array, header: MessageHeader, length: number): void {
  const { messageClass, method, transactionId } = header;
  const classBits = classes.indexOf(messageClass);
  const methodBits = (method & 0x000f) | ((method & 0x0070) << 1) | ((method & 0x0f80) << 2);
  writeUint16(out, 0, methodBits | ((classBits & 2) << 7) | ((classBits & 1) << 4));
  writeUint16(out, 2, length);
  writeUint32(out, 4, magicCookie);
  out.set(transactionId.subarray(0, transactionIdLength), headerLength - transactionIdLength);
}

/** A transaction id as a text, to look it up by. */
export function transactionKey(transactionId: Uint8Array): string {
  return String.fromCharCode(...transactionId);
}
