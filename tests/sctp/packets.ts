/**
 * Packets as somebody on the path writes and reads them.
 *
 * @module
 */
import { ChunkCursor } from "../../src/sctp/packet/chunk_cursor.ts";
import {
  packetHeaderLength,
  writeChecksum,
  writePacketHeader,
} from "../../src/sctp/packet/packet_header.ts";
import { padded, readUint32 } from "../../src/network_order.ts";

/** A chunk as it was read. */
export interface ReadChunk {
  readonly type: number;
  readonly flags: number;
  /** All of it, without padding. */
  readonly bytes: Uint8Array;
}

/** A packet as it was read. */
export interface ReadPacket {
  readonly tag: number;
  readonly checksum: number;
  readonly chunks: readonly ReadChunk[];
}

/** A packet to be written. */
export interface PacketParts {
  readonly tag: number;
  readonly chunks: readonly Uint8Array[];
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly checksum?: "valid" | "zero" | "wrong";
}

/** Reads a packet. */
export function readPacket(bytes: Uint8Array): ReadPacket {
  const cursor = new ChunkCursor();
  cursor.reset(bytes, packetHeaderLength, bytes.length);
  const chunks: ReadChunk[] = [];
  while (cursor.next()) {
    const { type, flags, start, end } = cursor;
    chunks.push({ type, flags, bytes: bytes.slice(start, end) });
  }
  return { tag: readUint32(bytes, 4), checksum: readUint32(bytes, 8), chunks };
}

/** The types of the chunks in a packet. */
export function chunkTypesOf(bytes: Uint8Array): number[] {
  return readPacket(bytes).chunks.map(({ type }) => type);
}

/** Writes a packet. */
export function writePacket(
  { tag, chunks, sourcePort = 5_000, destinationPort = 5_000, checksum = "valid" }: PacketParts,
): Uint8Array<ArrayBuffer> {
  const length = chunks.reduce((sum, chunk) => sum + padded(chunk.length), packetHeaderLength);
  const packet = new Uint8Array(length);
  writePacketHeader(packet, 0, { sourcePort, destinationPort, verificationTag: tag });
  let at = packetHeaderLength;
  for (const chunk of chunks) {
    packet.set(chunk, at);
    at += padded(chunk.length);
  }
  if (checksum !== "zero") writeChecksum(packet, 0, length);
  if (checksum === "wrong") packet[8] = (packet[8] ?? 0) ^ 1;
  return packet;
}

/** The packet with its checksum made right, after it was changed. */
export function withChecksum(packet: Uint8Array): Uint8Array {
  if (packet.length >= packetHeaderLength) writeChecksum(packet, 0, packet.length);
  return packet;
}
