/**
 * The State Cookie (RFC 9260, section 5.1.3): all that is to be known of a peer that has sent an
 * INIT, kept by the peer itself until it proves, by sending it back, that it is there.
 */
import { timingSafeEqual } from "node:crypto";
import type { Instant } from "../sans_io.ts";
import type { Capabilities } from "./capabilities.ts";
import { readUint32, writeUint32 } from "../network_order.ts";

/** What a cookie keeps. */
export interface StateCookie {
  readonly createdAt: Instant;
  readonly localTag: number;
  readonly peerTag: number;
  readonly peerInitialTsn: number;
  /** The peer's receive window, in bytes. */
  readonly peerWindow: number;
  readonly capabilities: Capabilities;
  /** The tags of the association there was already; 0 where there was none (section 5.2.2). */
  readonly localTieTag: number;
  readonly peerTieTag: number;
}

/** Authenticates bytes under a key that only this association has. */
export type Mac = (bytes: Uint8Array) => Uint8Array;

const contentLength = 36;
/** The bits of the capabilities. */
const bits = { interleaving: 1, partialReliability: 2, streamReset: 4, zeroChecksum: 8 } as const;

/** A cookie, sealed. */
export function writeStateCookie(cookie: StateCookie, mac: Mac): Uint8Array {
  const content = new Uint8Array(contentLength);
  new DataView(content.buffer).setFloat64(0, cookie.createdAt);
  writeUint32(content, 8, cookie.localTag);
  writeUint32(content, 12, cookie.peerTag);
  writeUint32(content, 16, cookie.peerInitialTsn);
  writeUint32(content, 20, cookie.peerWindow);
  writeUint32(content, 24, cookie.localTieTag);
  writeUint32(content, 28, cookie.peerTieTag);
  const { isInterleaved, isPartialReliability, isStreamReset, isZeroChecksum } =
    cookie.capabilities;
  writeUint32(
    content,
    32,
    (isInterleaved ? bits.interleaving : 0) |
      (isPartialReliability ? bits.partialReliability : 0) |
      (isStreamReset ? bits.streamReset : 0) |
      (isZeroChecksum ? bits.zeroChecksum : 0),
  );
  const tag = mac(content);
  const sealed = new Uint8Array(contentLength + tag.length);
  sealed.set(content);
  sealed.set(tag, contentLength);
  return sealed;
}

/** What a cookie keeps, once it was verified to be ours; undefined where it is not. */
export function verifyStateCookie(sealed: Uint8Array, mac: Mac): StateCookie | undefined {
  // Not slice: of a Buffer it makes a view, whose memory begins elsewhere.
  const content = Uint8Array.from(sealed.subarray(0, contentLength));
  if (content.length !== contentLength) return undefined;
  const expected = mac(content);
  const tag = sealed.subarray(contentLength);
  // CHECK S2
  if (tag.length !== expected.length || !timingSafeEqual(tag, expected)) return undefined;
  const flags = readUint32(content, 32);
  return {
    createdAt: new DataView(content.buffer).getFloat64(0),
    localTag: readUint32(content, 8),
    peerTag: readUint32(content, 12),
    peerInitialTsn: readUint32(content, 16),
    peerWindow: readUint32(content, 20),
    localTieTag: readUint32(content, 24),
    peerTieTag: readUint32(content, 28),
    capabilities: {
      isInterleaved: (flags & bits.interleaving) !== 0,
      isPartialReliability: (flags & bits.partialReliability) !== 0,
      isStreamReset: (flags & bits.streamReset) !== 0,
      isZeroChecksum: (flags & bits.zeroChecksum) !== 0,
    },
  };
}
