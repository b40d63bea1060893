/** A whole STUN message (RFC 8489, sections 5 and 14): its header, and what its attributes say. */
import type { MutableStunAttributes } from "./attribute_table.ts";
import {
  attributeEntry,
  attributeTable,
  coveringTypes,
  firstOptionalType,
} from "./attribute_table.ts";
import type { StunAttributes } from "./attributes.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { integrityLength, integrityOf } from "./integrity.ts";
import type { MessageHeader } from "./message_header.ts";
import { headerLength, parseMessageHeader, writeMessageHeader } from "./message_header.ts";
import { padded, readUint16, readUint32, writeUint16, writeUint32 } from "../../network_order.ts";

/** Longer messages are dropped unread, in bytes: none that is sent over UDP comes near. */
export const maxMessageLength = 2048;
/** Messages with more are dropped. */
const maxAttributeCount = 64;
const attributeHeaderLength = 4;
const fingerprintLength = 4;
const integritySha256Lengths = { min: 16, max: 32 } as const;

/** What a message says. */
export interface StunContent extends MessageHeader {
  readonly attributes: StunAttributes;
}

/** A message that was received. Parsed is not verified: anybody may have written it. */
export interface StunMessage extends StunContent {
  /** Types of attributes that ought to be understood, but are not known here. */
  readonly unknownRequired: readonly number[];
  readonly hasFingerprint: boolean;
  /** Where MESSAGE-INTEGRITY is, if it has one. */
  readonly signed?: SignedBytes;
}

/** The bytes of a message, lent, and where in them MESSAGE-INTEGRITY begins. */
export interface SignedBytes {
  readonly bytes: Uint8Array;
  readonly start: number;
  /** From `start`. */
  readonly integrityOffset: number;
}

/** Reads the message in `bytes[start..end)`; undefined where it is malformed in any way. */
export function parseStunMessage(
  bytes: Uint8Array,
  start: number,
  end: number,
): StunMessage | undefined {
  if (end - start > maxMessageLength) return undefined;
  const header = parseMessageHeader(bytes, start, end);
  return header === undefined ? undefined : new AttributeReader(bytes, start, end, header).read();
}

/** What has been read of a message. */
class AttributeReader {
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  readonly #header: MessageHeader;
  readonly #attributes: MutableStunAttributes = {};
  readonly #unknownRequired: number[] = [];
  #integrityOffset: number | undefined;
  #hasIntegritySha256 = false;
  #hasFingerprint = false;

  constructor(bytes: Uint8Array, start: number, end: number, header: MessageHeader) {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#header = header;
  }

  read(): StunMessage | undefined {
    const bytes = this.#bytes;
    let at = this.#start + headerLength;
    for (let count = 0; at < this.#end; count++) {
      if (count === maxAttributeCount || this.#end - at < attributeHeaderLength) return undefined;
      const valueStart = at + attributeHeaderLength;
      const length = readUint16(bytes, at + 2);
      if (valueStart + padded(length) > this.#end) return undefined;
      if (!this.#readAttribute(readUint16(bytes, at), valueStart, length)) return undefined;
      at = valueStart + padded(length);
    }
    return this.#message();
  }

  #message(): StunMessage {
    const integrityOffset = this.#integrityOffset;
    return {
      ...this.#header,
      attributes: this.#attributes,
      unknownRequired: this.#unknownRequired,
      hasFingerprint: this.#hasFingerprint,
      ...(integrityOffset === undefined
        ? {}
        : { signed: { bytes: this.#bytes, start: this.#start, integrityOffset } }),
    };
  }

  /** False where the attribute is malformed. */
  #readAttribute(type: number, valueStart: number, length: number): boolean {
    // RFC 8489 section 14.7: "the FINGERPRINT attribute MUST be the last attribute in the message"
    if (this.#hasFingerprint) return false;
    switch (type) {
      case coveringTypes.fingerprint:
        return this.#readFingerprint(valueStart, length);
      case coveringTypes.messageIntegrity:
        return this.#readIntegrity(valueStart, length);
      case coveringTypes.messageIntegritySha256:
        return this.#readIntegritySha256(length);
      default:
        return this.#readCovered(type, valueStart, length);
    }
  }

  #readFingerprint(valueStart: number, length: number): boolean {
    const attributeStart = valueStart - attributeHeaderLength;
    this.#hasFingerprint = true;
    return length === fingerprintLength &&
      readUint32(this.#bytes, valueStart) ===
        fingerprintOf(this.#bytes, this.#start, attributeStart);
  }

  #readIntegrity(valueStart: number, length: number): boolean {
    if (length !== integrityLength) return false;
    // Behind MESSAGE-INTEGRITY-SHA256 it would be ignored, as a second one is.
    if (this.#isCovered()) return true;
    this.#integrityOffset = valueStart - attributeHeaderLength - this.#start;
    return true;
  }

  /** RFC 8489 section 14.6: tolerated, and not looked at: ICE has no way to agree on it. */
  #readIntegritySha256(length: number): boolean {
    const { min, max } = integritySha256Lengths;
    this.#hasIntegritySha256 = true;
    return length >= min && length <= max && length % 4 === 0;
  }

  #readCovered(type: number, valueStart: number, length: number): boolean {
    // Section 14.5: "agents MUST ignore all attributes that follow MESSAGE-INTEGRITY, with the
    // exception of the MESSAGE-INTEGRITY-SHA256 and FINGERPRINT attributes" CHECK I1
    if (this.#isCovered()) return true;
    const entry = attributeEntry(type);
    if (entry !== undefined) {
      const { transactionId } = this.#header;
      const end = valueStart + length;
      return entry.read(this.#attributes, this.#bytes, valueStart, end, transactionId);
    }
    if (type < firstOptionalType) this.#unknownRequired.push(type);
    return true;
  }

  #isCovered(): boolean {
    return this.#integrityOffset !== undefined || this.#hasIntegritySha256;
  }
}

/** What is added behind the attributes. */
export interface WriteOptions {
  /** Of MESSAGE-INTEGRITY; without one there is none. */
  readonly key?: Uint8Array | undefined;
  /** Whether FINGERPRINT ends the message; by default it does. */
  readonly hasFingerprint?: boolean;
}

/** A whole message. */
export function writeStunMessage(content: StunContent, options: WriteOptions = {}): Uint8Array {
  const { key, hasFingerprint = true } = options;
  const values = valuesOf(content);
  const attributesLength = values.reduce((sum, { value }) => sum + spaceOf(value.length), 0);
  const integrityOffset = headerLength + attributesLength;
  const fingerprintOffset = integrityOffset + (key === undefined ? 0 : spaceOf(integrityLength));
  const length = fingerprintOffset + (hasFingerprint ? spaceOf(fingerprintLength) : 0);
  const out = new Uint8Array(length);
  writeMessageHeader(out, content, length - headerLength);
  let at = headerLength;
  for (const { type, value } of values) {
    writeAttribute(out, at, type, value);
    at += spaceOf(value.length);
  }
  if (key !== undefined) {
    const integrity = integrityOf(out, 0, integrityOffset, key);
    writeAttribute(out, integrityOffset, coveringTypes.messageIntegrity, integrity);
  }
  if (hasFingerprint) writeFingerprint(out, fingerprintOffset);
  return out;
}

function valuesOf(
  { attributes, transactionId }: StunContent,
): { type: number; value: Uint8Array }[] {
  return attributeTable.flatMap(({ type, write }) =>
    write(attributes, transactionId).map((value) => ({ type, value }))
  );
}

function spaceOf(length: number): number {
  return attributeHeaderLength + padded(length);
}

function writeAttribute(out: Uint8Array, at: number, type: number, value: Uint8Array): void {
  writeUint16(out, at, type);
  writeUint16(out, at + 2, value.length);
  out.set(value, at + attributeHeaderLength);
}

function writeFingerprint(out: Uint8Array, at: number): void {
  writeUint16(out, at, coveringTypes.fingerprint);
  writeUint16(out, at + 2, fingerprintLength);
  writeUint32(out, at + attributeHeaderLength, fingerprintOf(out, 0, at));
}
