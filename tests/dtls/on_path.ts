/**
 * What somebody on the path can do: read what is in the clear, and change, add, hold and drop it.
 *
 * @module
 */
import {
  type HandshakeFragment,
  type HandshakeType,
  parseHandshakeFragments,
  writeHandshakeFragment,
} from "../../src/dtls/handshake_header.ts";
import { dtls12 } from "../../src/dtls/protocol_version.ts";
import { contentTypes, recordHeaderLength } from "../../src/dtls/record.ts";
import type { Side, Tap } from "./pair.ts";

/** A record as it travels. */
export interface WireRecord {
  readonly type: number;
  readonly version: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly fragment: Uint8Array;
}

/** The records of a datagram. */
export function parseRecords(datagram: Uint8Array): WireRecord[] {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const records: WireRecord[] = [];
  for (let at = 0; at + recordHeaderLength <= datagram.length;) {
    const end = at + recordHeaderLength + view.getUint16(at + 11);
    records.push({
      type: view.getUint8(at),
      version: view.getUint16(at + 1),
      epoch: view.getUint16(at + 3),
      sequence: view.getUint16(at + 5) * 2 ** 32 + view.getUint32(at + 7),
      fragment: datagram.slice(at + recordHeaderLength, end),
    });
    at = end;
  }
  return records;
}

/** A datagram of records. */
export function writeRecords(records: readonly WireRecord[]): Uint8Array {
  const length = records.reduce((sum, one) => sum + recordHeaderLength + one.fragment.length, 0);
  const datagram = new Uint8Array(length);
  const view = new DataView(datagram.buffer);
  let at = 0;
  for (const { type, version, epoch, sequence, fragment } of records) {
    view.setUint8(at, type);
    view.setUint16(at + 1, version);
    view.setUint16(at + 3, epoch);
    view.setUint16(at + 5, Math.floor(sequence / 2 ** 32));
    view.setUint32(at + 7, sequence >>> 0);
    view.setUint16(at + 11, fragment.length);
    datagram.set(fragment, at + recordHeaderLength);
    at += recordHeaderLength + fragment.length;
  }
  return datagram;
}

/** A datagram with one record, in the clear unless told. */
export function forgeRecord(
  type: keyof typeof contentTypes,
  fragment: Uint8Array,
  { epoch = 0, sequence = 77, version = dtls12 }: Partial<WireRecord> = {},
): Uint8Array {
  return writeRecords([{ type: contentTypes[type], version, epoch, sequence, fragment }]);
}

/** A datagram with one handshake message in the clear. */
export function forgeMessage(type: HandshakeType, sequence: number, body: Uint8Array): Uint8Array {
  return forgeFragment({ type, sequence, body, offset: 0, length: body.length });
}

/** A datagram with one fragment in the clear. */
export function forgeFragment(fragment: HandshakeFragment): Uint8Array {
  return forgeRecord("handshake", writeHandshakeFragment(fragment));
}

/** The handshake messages in the clear in a datagram. */
export function messagesIn(datagram: Uint8Array): HandshakeFragment[] {
  return parseRecords(datagram).flatMap(({ type, epoch, fragment }) =>
    type === contentTypes.handshake && epoch === 0 ? parseHandshakeFragments(fragment) ?? [] : []
  );
}

/** Puts other messages in the place of each message in the clear. */
export function mapMessages(
  datagram: Uint8Array,
  change: (message: HandshakeFragment) => readonly HandshakeFragment[],
): Uint8Array {
  return writeRecords(
    parseRecords(datagram).flatMap((record) => {
      if (record.type !== contentTypes.handshake || record.epoch !== 0) return [record];
      return (parseHandshakeFragments(record.fragment) ?? []).flatMap(change).map((message) => ({
        ...record,
        fragment: writeHandshakeFragment(message),
      }));
    }),
  );
}

/** A tap that changes the body of every message of a type. */
export function changing(
  type: HandshakeType,
  change: (body: Uint8Array) => Uint8Array,
  from?: Side,
): Tap {
  return (datagram) => {
    if (from !== undefined && datagram.from !== from) return undefined;
    return [mapMessages(datagram.bytes, (message) => {
      if (message.type !== type) return [message];
      const body = change(message.body.slice());
      return [{ ...message, body, length: body.length, offset: 0 }];
    })];
  };
}
