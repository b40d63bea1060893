/** Datagrams that a node gets and should be rid of fast: raw IPv4 packets with all their headers. */
import { randomBytes } from "node:crypto";
import { fingerprintOf } from "../../src/ice/stun/fingerprint.ts";

/** What is in them. */
export const kinds = ["stun", "dtls", "garbage", "mix"] as const;

/** What is in them. */
export type Kind = typeof kinds[number];

/** Whom packets are for, and whom they say they are from. */
export interface Forgery {
  readonly kind: Kind;
  readonly destination: string;
  readonly destinationPort: number;
  readonly source: string;
  /** 0 for another one in each packet. */
  readonly sourcePort: number;
  /** What the STUN requests call their receiver and sender, as an eavesdropper knows it. */
  readonly username: string;
}

const payloadLength = 120;
const ipHeaderLength = 20;
const udpHeaderLength = 8;
/** IPPROTO_UDP. */
const udpProtocol = 17;

/** The length of each packet, in bytes. */
export const packetLength = ipHeaderLength + udpHeaderLength + payloadLength;

/** Writes the packet with that number. */
export function writePacket(packet: Uint8Array, forgery: Forgery, number: number): void {
  const view = new DataView(packet.buffer, packet.byteOffset, packetLength);
  // The kernel adds the length, an id and the checksum.
  view.setUint8(0, 0x45);
  view.setUint8(8, 64);
  view.setUint8(9, udpProtocol);
  packet.set(forgery.source.split(".").map(Number), 12);
  packet.set(forgery.destination.split(".").map(Number), 16);
  view.setUint16(
    ipHeaderLength,
    forgery.sourcePort || 1_024 + randomBytes(2).readUint16BE() % 60_000,
  );
  view.setUint16(ipHeaderLength + 2, forgery.destinationPort);
  view.setUint16(ipHeaderLength + 4, udpHeaderLength + payloadLength);
  // Without a checksum, as UDP over IPv4 may be.
  packet.set(payloadOf(forgery, number), ipHeaderLength + udpHeaderLength);
}

function payloadOf({ kind, username }: Forgery, number: number): Uint8Array {
  switch (kind) {
    case "stun":
      return stunRequest(username);
    case "dtls":
      return dtlsRecord();
    case "garbage":
      return garbage();
    case "mix":
      return [stunRequest, dtlsRecord, garbage][number % 3]?.(username) ?? garbage();
  }
}

/** A binding request that lacks nothing but the password: its integrity is made up. */
function stunRequest(username: string): Uint8Array {
  const name = new TextEncoder().encode(username);
  const attributes = [
    attribute(0x0006, name),
    attribute(0x0024, Uint8Array.of(0x6e, 0, 1, 0xff)),
    attribute(0x802a, randomBytes(8)),
    // SOFTWARE, as long as is needed for all to have one length.
    attribute(0x8022, new Uint8Array(softwareLength(name.length)).fill(0x61)),
    attribute(0x0008, randomBytes(20)),
  ].flatMap((one) => [...one]);
  const message = new Uint8Array(payloadLength);
  message.set([0, 1, 0, payloadLength - 20, 0x21, 0x12, 0xa4, 0x42]);
  message.set(randomBytes(12), 8);
  message.set(attributes, 20);
  message.set([0x80, 0x28, 0, 4], payloadLength - 8);
  const fingerprint = fingerprintOf(message, 0, payloadLength - 8);
  new DataView(message.buffer).setUint32(payloadLength - 4, fingerprint);
  return message;
}

/** What the header, the other attributes and the fingerprint leave. */
function softwareLength(nameLength: number): number {
  const padded = Math.ceil(nameLength / 4) * 4;
  return payloadLength - 20 - (4 + padded) - 8 - 12 - 4 - 24 - 8;
}

function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + Math.ceil(value.length / 4) * 4);
  new DataView(bytes.buffer).setUint16(0, type);
  new DataView(bytes.buffer).setUint16(2, value.length);
  bytes.set(value, 4);
  return bytes;
}

/** A record of application data in the epoch that there is after a handshake. */
function dtlsRecord(): Uint8Array {
  const record = new Uint8Array(randomBytes(payloadLength));
  record.set([23, 0xfe, 0xfd, 0, 1, 0, 0, 0]);
  record.set([0, payloadLength - 13], 11);
  return record;
}

/** Of no protocol that a node speaks. */
function garbage(): Uint8Array {
  const bytes = new Uint8Array(randomBytes(payloadLength));
  bytes[0] = 0x80 | (bytes[0] ?? 0);
  return bytes;
}
