/**
 * STUN messages with an attribute that has to be understood, and that nobody knows.
 *
 * @module
 */
import { integrityOf } from "../../src/ice/stun/integrity.ts";
import { type StunContent, writeStunMessage } from "../../src/ice/stun/message.ts";
import { padded, readUint16, writeUint16 } from "../../src/network_order.ts";

export const unknownType = 0x7f77;
/** RESERVATION-TOKEN, in whose place it is put. */
const replacedType = 0x0022;
const headerLength = 20;
const integrityAttributeLength = 24;

/** The message with it, signed where there is a key. */
export function writeWithUnknown(content: StunContent, key?: Uint8Array): Uint8Array {
  const attributes = { ...content.attributes, reservationToken: new Uint8Array(8) };
  const bytes = writeStunMessage({ ...content, attributes }, { key, hasFingerprint: false });
  let at = headerLength;
  while (readUint16(bytes, at) !== replacedType) at += 4 + padded(readUint16(bytes, at + 2));
  writeUint16(bytes, at, unknownType);
  if (key === undefined) return bytes;
  const offset = bytes.length - integrityAttributeLength;
  bytes.set(integrityOf(bytes, 0, offset, key), offset + 4);
  return bytes;
}
