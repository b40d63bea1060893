/**
 * MAPPED-ADDRESS (RFC 8489, section 14.1) and XOR-MAPPED-ADDRESS (section 14.2), and the attributes
 * that are written as the one or the other.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     |0 0 0 0 0 0 0 0|    Family     |    Port, or X-Port            |
 *     |    Address, or X-Address (32 bits or 128 bits)                |
 */
import { formatAddress, parseAddress } from "./address.ts";
import type { TransportAddress } from "./address.ts";
import type { AttributeCodec } from "./attribute_codec.ts";
import { familyNumbered, familyNumbers } from "./attribute_codec.ts";
import { magicCookie } from "./message_header.ts";
import { readUint16, writeUint16, writeUint32 } from "../../network_order.ts";

const addressOffset = 4;
const addressLengths = { ipv4: 4, ipv6: 16 } as const;
const nothingMasked = new Uint8Array(16);

/** As it is. */
export const mappedAddressCodec: AttributeCodec<TransportAddress> = {
  parse: (bytes, start, end) => parse(bytes, start, end, nothingMasked),
  write: (value) => write(value, nothingMasked),
};

/** Masked, so that nothing on the way takes it for an address and rewrites it. */
export const xorMappedAddressCodec: AttributeCodec<TransportAddress> = {
  parse: (bytes, start, end, transactionId) => parse(bytes, start, end, maskOf(transactionId)),
  write: (value, transactionId) => write(value, maskOf(transactionId)),
};

/**
 * "X-Port is computed by XOR'ing the mapped port with the most significant 16 bits of the magic
 * cookie"; the address with the magic cookie, if IPv6 with the transaction id behind it.
 */
function maskOf(transactionId: Uint8Array): Uint8Array {
  const mask = new Uint8Array(16);
  writeUint32(mask, 0, magicCookie);
  mask.set(transactionId, 4);
  return mask;
}

function parse(
  bytes: Uint8Array,
  start: number,
  end: number,
  mask: Uint8Array,
): TransportAddress | undefined {
  if (end - start < addressOffset) return undefined;
  const family = familyNumbered(bytes[start + 1]);
  if (family === undefined) return undefined;
  const length = addressLengths[family];
  if (end - start !== addressOffset + length) return undefined;
  const address = new Uint8Array(length);
  for (let at = 0; at < length; at++) {
    address[at] = (bytes[start + addressOffset + at] ?? 0) ^ (mask[at] ?? 0);
  }
  const port = readUint16(bytes, start + 2) ^ readUint16(mask, 0);
  return { address: formatAddress(address, 0, family), port };
}

function write({ address, port }: TransportAddress, mask: Uint8Array): Uint8Array {
  const plain = parseAddress(address);
  if (plain === undefined) {
    throw new RangeError(`Writing a STUN address: ${JSON.stringify(address)} is not an IP address`);
  }
  const bytes = new Uint8Array(addressOffset + plain.length);
  bytes[1] = plain.length === 4 ? familyNumbers.ipv4 : familyNumbers.ipv6;
  writeUint16(bytes, 2, port ^ readUint16(mask, 0));
  plain.forEach((byte, at) => bytes[addressOffset + at] = byte ^ (mask[at] ?? 0));
  return bytes;
}
