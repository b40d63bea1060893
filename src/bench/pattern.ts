/**
 * Bytes that show by themselves whether they came whole and in order: the same ones over and over.
 * How many those are is a prime, so that no packet or block that is lost, repeated or swapped leaves
 * them as they were.
 */
import { Buffer } from "node:buffer";
import type { TunnelStream } from "../tunnel/tunnel_stream.ts";

/** Then it begins anew, in bytes. Part of the protocol. */
const period = 65_521;
/** What is sent or compared at once, in bytes. */
const maxPieceLength = 65_536;
/** MINSTD, a generator that is written in one line everywhere. Part of the protocol. */
const [factor, modulus] = [48_271, 2 ** 31 - 1];

let pattern: Buffer | undefined;

/** Made for the first measurement: a node that measures nothing has none. */
function thePattern(): Buffer {
  pattern ??= createPattern();
  return pattern;
}

function createPattern(): Buffer {
  const once = Buffer.alloc(period);
  let state = 1;
  for (let at = 0; at < period; at++) {
    state = (state * factor) % modulus;
    once[at] = state & 0xff;
  }
  // No piece is cut where the pattern begins anew.
  return Buffer.concat([once, once, once.subarray(0, maxPieceLength - period)]);
}

/** Writes the pattern from its beginning. */
export class PatternWriter {
  #position = 0;

  /** How much of it was sent, in bytes. */
  get position(): number {
    return this.#position;
  }

  /** Sends as much as the stream takes in one message now. */
  sendTo(stream: TunnelStream): void {
    const piece = this.next(stream.sendableLength);
    if (piece.length > 0) stream.send(piece, 0, piece.length);
  }

  /** What is to be sent next: so many bytes at most. */
  next(maxLength = maxPieceLength): Uint8Array {
    const start = this.#position % period;
    const length = Math.min(maxLength, maxPieceLength);
    this.#position += length;
    return thePattern().subarray(start, start + length);
  }
}

/** Checks that what comes is the pattern from its beginning. */
export class PatternReader {
  #position = 0;

  /** How much came, in bytes. */
  get position(): number {
    return this.#position;
  }

  /** Takes what came next. Throws an Error that says where it is not the pattern. */
  check(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += maxPieceLength) {
      this.#checkPiece(bytes.subarray(at, at + maxPieceLength));
    }
  }

  #checkPiece(piece: Uint8Array): void {
    const start = this.#position % period;
    const expected = thePattern().subarray(start, start + piece.length);
    if (Buffer.compare(piece, expected) !== 0) {
      const offset = this.#position + piece.findIndex((byte, at) => byte !== expected[at]);
      throw new Error(`byte ${offset} that came is not the one that was sent`);
    }
    this.#position += piece.length;
  }
}
