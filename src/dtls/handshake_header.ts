/**
 * ```text
 * struct {
 *     HandshakeType msg_type;
 *     uint24 length;
 *     uint16 message_seq;                               // New field
 *     uint24 fragment_offset;                           // New field
 *     uint24 fragment_length;                           // New field
 *     select (HandshakeType) { ... } body;
 * } Handshake;
 * ```
 *
 * RFC 6347 section 4.2.2.
 *
 * @module
 */
import { WireReader } from "./wire_reader.ts";
import { concatenate, WireWriter } from "./wire_writer.ts";

/** The messages of the handshakes we take part in. */
export type HandshakeType =
  | "HelloRequest"
  | "ClientHello"
  | "ServerHello"
  | "HelloVerifyRequest"
  | "Certificate"
  | "ServerKeyExchange"
  | "CertificateRequest"
  | "ServerHelloDone"
  | "CertificateVerify"
  | "ClientKeyExchange"
  | "Finished";

const codes: Readonly<Record<HandshakeType, number>> = {
  HelloRequest: 0,
  ClientHello: 1,
  ServerHello: 2,
  HelloVerifyRequest: 3,
  Certificate: 11,
  ServerKeyExchange: 12,
  CertificateRequest: 13,
  ServerHelloDone: 14,
  CertificateVerify: 15,
  ClientKeyExchange: 16,
  Finished: 20,
};

const types: ReadonlyMap<number, HandshakeType> = new Map(
  Object.entries(codes).map(([type, code]) => [code, type as HandshakeType]),
);

/** The length of the header. */
export const handshakeHeaderLength = 12;

/** A message in one piece. Its body belongs to it and does not change. */
export interface HandshakeMessage {
  readonly type: HandshakeType;
  readonly sequence: number;
  readonly body: Uint8Array;
}

/** A message or a part of one. */
export interface HandshakeFragment {
  readonly type: HandshakeType;
  /** Of the whole message. */
  readonly length: number;
  readonly sequence: number;
  readonly offset: number;
  /** A view of the bytes that were parsed. */
  readonly body: Uint8Array;
}

/**
 * Reads all fragments of one record: section 4.2.3 lets several share it. Undefined where one is
 * malformed or of an unknown type: nothing of such a record counts.
 */
export function parseHandshakeFragments(
  payload: Uint8Array,
): readonly HandshakeFragment[] | undefined {
  const reader = new WireReader(payload);
  const fragments: HandshakeFragment[] = [];
  while (reader.hasMore()) {
    const type = types.get(reader.uint8());
    const length = reader.uint24();
    const sequence = reader.uint16();
    const offset = reader.uint24();
    const body = reader.vector24();
    if (type === undefined || offset + body.length > length) return undefined; // CHECK D17
    fragments.push({ type, length, sequence, offset, body });
  }
  return reader.isComplete() && fragments.length > 0 ? fragments : undefined;
}

/** Writes one fragment, header and body. */
export function writeHandshakeFragment(fragment: HandshakeFragment): Uint8Array {
  const { type, length, sequence, offset, body } = fragment;
  const header = new WireWriter()
    .uint8(codes[type])
    .uint24(length)
    .uint16(sequence)
    .uint24(offset)
    .uint24(body.length)
    .finish();
  return concatenate(header, body);
}

/** Writes a message as if it were one fragment: so it is hashed, however it travels. */
export function writeHandshakeMessage({ type, sequence, body }: HandshakeMessage): Uint8Array {
  return writeHandshakeFragment({ type, length: body.length, sequence, offset: 0, body });
}
