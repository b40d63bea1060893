/**
 * What the attributes of a STUN message say, by name (RFC 8489 section 14, RFC 8445 section 16.1,
 * RFC 8656 section 18). Where one comes twice the first counts, but for XOR-PEER-ADDRESS.
 */
import type { AddressFamily, TransportAddress } from "./address.ts";
import type { ErrorCode } from "./error_code.ts";

/** The attributes of a message. Bytes among them are lent with the message. */
export interface StunAttributes {
  readonly username?: string;
  readonly realm?: string;
  readonly nonce?: string;
  readonly mappedAddress?: TransportAddress;
  readonly xorMappedAddress?: TransportAddress;
  readonly errorCode?: ErrorCode;
  /** UNKNOWN-ATTRIBUTES: the types that the other side did not understand. */
  readonly unknownAttributes?: readonly number[];
  readonly alternateServer?: TransportAddress;

  /** RFC 8445, section 16.1. */
  readonly priority?: number;
  readonly useCandidate?: true;
  /** The tie-breakers, 64 bits. */
  readonly iceControlled?: bigint;
  readonly iceControlling?: bigint;

  /** RFC 8656, section 18. */
  readonly channelNumber?: number;
  readonly lifetimeSeconds?: number;
  readonly xorPeerAddresses?: readonly TransportAddress[];
  readonly xorRelayedAddress?: TransportAddress;
  readonly requestedAddressFamily?: AddressFamily;
  /** Whether the next port is to be reserved too. */
  readonly evenPort?: boolean;
  /** The number of an IP protocol: 17 is UDP. */
  readonly requestedTransport?: number;
  readonly dontFragment?: true;
  /** 8 bytes. */
  readonly reservationToken?: Uint8Array;
  readonly data?: Uint8Array;
}
