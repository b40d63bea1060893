/**
 * Which attributes there are: their types, names and codecs, in the order in which they are
 * written. MESSAGE-INTEGRITY and FINGERPRINT are not among them, since they cover the others.
 */
import { mappedAddressCodec, xorMappedAddressCodec } from "./address_attribute.ts";
import type { AttributeCodec } from "./attribute_codec.ts";
import {
  bytesCodec,
  channelNumberCodec,
  evenPortCodec,
  familyCodec,
  flagCodec,
  protocolCodec,
  textCodec,
  typeListCodec,
  uint32Codec,
  uint64Codec,
} from "./attribute_codec.ts";
import type { StunAttributes } from "./attributes.ts";
import { errorCodeCodec } from "./error_code.ts";

/** Attributes while they are read. */
export type MutableStunAttributes = {
  -readonly [Name in keyof StunAttributes]: StunAttributes[Name];
};

/** One attribute. */
export interface AttributeEntry {
  readonly type: number;
  /** Reads it into `into`, if it is the first of its kind; false where it is malformed. */
  read(
    into: MutableStunAttributes,
    bytes: Uint8Array,
    start: number,
    end: number,
    transactionId: Uint8Array,
  ): boolean;
  /** The values to write: none where it is absent. */
  write(from: StunAttributes, transactionId: Uint8Array): readonly Uint8Array[];
}

/**
 * RFC 8489 sections 14.3, 14.9 and 14.10: "A compliant implementation MUST be able to parse a
 * UTF-8-encoded sequence of 763 or fewer octets".
 */
const maxTextLength = 763;

function attribute<Name extends keyof StunAttributes>(
  type: number,
  name: Name,
  codec: AttributeCodec<NonNullable<StunAttributes[Name]>>,
): AttributeEntry {
  return {
    type,
    read(into, bytes, start, end, transactionId) {
      // RFC 8489 section 14: "only the first occurrence needs to be processed by a receiver, and any
      // duplicates MAY be ignored"
      if (into[name] !== undefined) return true;
      const value = codec.parse(bytes, start, end, transactionId);
      if (value === undefined) return false;
      into[name] = value;
      return true;
    },
    write(from, transactionId) {
      const value = from[name];
      return value === undefined ? [] : [codec.write(value, transactionId)];
    },
  };
}

/** RFC 8656 section 10.1: a CreatePermission request may have several. */
const xorPeerAddress: AttributeEntry = {
  type: 0x0012,
  read(into, bytes, start, end, transactionId) {
    const value = xorMappedAddressCodec.parse(bytes, start, end, transactionId);
    if (value === undefined) return false;
    into.xorPeerAddresses = [...into.xorPeerAddresses ?? [], value];
    return true;
  },
  write: (from, transactionId) =>
    (from.xorPeerAddresses ?? []).map((one) => xorMappedAddressCodec.write(one, transactionId)),
};

/** All of them. */
export const attributeTable: readonly AttributeEntry[] = [
  attribute(0x0009, "errorCode", errorCodeCodec),
  attribute(0x000a, "unknownAttributes", typeListCodec),
  attribute(0x0006, "username", textCodec(maxTextLength)),
  attribute(0x0014, "realm", textCodec(maxTextLength)),
  attribute(0x0015, "nonce", textCodec(maxTextLength)),
  attribute(0x0001, "mappedAddress", mappedAddressCodec),
  attribute(0x0020, "xorMappedAddress", xorMappedAddressCodec),
  attribute(0x8023, "alternateServer", mappedAddressCodec),
  attribute(0x0024, "priority", uint32Codec),
  attribute(0x0025, "useCandidate", flagCodec),
  attribute(0x8029, "iceControlled", uint64Codec),
  attribute(0x802a, "iceControlling", uint64Codec),
  attribute(0x000c, "channelNumber", channelNumberCodec),
  attribute(0x000d, "lifetimeSeconds", uint32Codec),
  xorPeerAddress,
  attribute(0x0016, "xorRelayedAddress", xorMappedAddressCodec),
  attribute(0x0017, "requestedAddressFamily", familyCodec),
  attribute(0x0018, "evenPort", evenPortCodec),
  attribute(0x0019, "requestedTransport", protocolCodec),
  attribute(0x001a, "dontFragment", flagCodec),
  attribute(0x0022, "reservationToken", bytesCodec(8)),
  attribute(0x0013, "data", bytesCodec()),
];

/** MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT (RFC 8489, section 18.3). */
export const coveringTypes = {
  messageIntegrity: 0x0008,
  messageIntegritySha256: 0x001c,
  fingerprint: 0x8028,
} as const;

/** Section 18.3: types below are comprehension-required, those from here on are optional. */
export const firstOptionalType = 0x8000;

const entries = new Map(attributeTable.map((entry) => [entry.type, entry]));

/** The attribute of this type, if it is known. */
export function attributeEntry(type: number): AttributeEntry | undefined {
  return entries.get(type);
}
