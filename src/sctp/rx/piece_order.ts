/**
 * Which pieces follow each other in a message: in DATA chunks by TSN (RFC 9260, section 6.9), in
 * I-DATA chunks by MID and FSN (RFC 8260, section 2.1). Looks at headers only.
 */
import { distance32 } from "../serial.ts";
import { isBeginning, isEnding, isUnordered, type PieceHeader } from "./held_pieces.ts";
import type { ComparePieces } from "./sorted_runs.ts";

/**
 * What is wrong with the peer's data, so that the association has to be aborted (RFC 9260, section
 * 3.3.10.13: Protocol Violation).
 */
export type ReassemblyDefect = string;

/** An order of all pieces, in which those of one message stand together. */
export interface PieceOrder {
  readonly compare: ComparePieces;
  /** Another order, by stream, U bit and message number; or the same. */
  readonly compareByMessage: ComparePieces;
  /** Whether `next` goes on with the message of `piece` where that stops; there is no defect. */
  continues(piece: PieceHeader, next: PieceHeader): boolean;
  /** What is wrong with a piece by itself. */
  defectOf(piece: PieceHeader): ReassemblyDefect | undefined;
  /** What is wrong with two pieces, where none that is held stands between them. */
  defectBetween(piece: PieceHeader, next: PieceHeader): ReassemblyDefect | undefined;
}

/** The order of messages: which stands before which does not matter, numbers have no far side. */
export function compareMessages(one: PieceHeader, other: PieceHeader): number {
  return one.streamId - other.streamId ||
    Number(isUnordered(one)) - Number(isUnordered(other)) ||
    one.messageNumber - other.messageNumber;
}

/**
 * The sender assigns "in sequence, a separate TSN to each of the DATA chunks in the series": the
 * pieces of a message have consecutive TSNs, and nothing else says where in it they belong.
 */
export const dataOrder: PieceOrder = {
  compare: (one, other) => distance32(other.tsn, one.tsn),

  compareByMessage: (one, other) => compareMessages(one, other) || one.tsn - other.tsn,

  continues: (piece, next) => distance32(piece.tsn, next.tsn) === 1 && !isBeginning(next),

  defectOf: () => undefined,

  defectBetween(piece, next) {
    const distance = distance32(piece.tsn, next.tsn);
    if (distance <= 0) return `TSN ${next.tsn} comes twice`;
    if (distance > 1) return undefined;
    if (isEnding(piece) !== isBeginning(next)) {
      return isBeginning(next)
        ? `TSN ${next.tsn} begins a message before another has ended`
        : `TSN ${next.tsn} goes on with a message that has ended`;
    }
    if (isBeginning(next) || isSameDataMessage(piece, next)) return undefined;
    return `TSN ${next.tsn} goes on with another message than TSN ${piece.tsn}`;
  },
};

/**
 * "When a user message is fragmented by SCTP for transport, the same Stream Sequence Number MUST be
 * carried in each of the fragments of the message" (RFC 9260, section 3.3.1); of an unordered one
 * it says nothing.
 */
function isSameDataMessage(one: PieceHeader, other: PieceHeader): boolean {
  return one.streamId === other.streamId && one.ppid === other.ppid &&
    isUnordered(one) === isUnordered(other) &&
    (isUnordered(one) || one.messageNumber === other.messageNumber);
}

/** Stream, U bit and MID name the message, and the FSN the place in it. TSNs mean nothing. */
export const iDataOrder: PieceOrder = {
  compare: compareFragments,

  compareByMessage: compareFragments,

  continues: (piece, next) =>
    isSameIDataMessage(piece, next) && next.fragmentNumber - piece.fragmentNumber === 1,

  // The first fragment has FSN 0 by its B bit; the FSNs of the others count up from there.
  defectOf: (piece) =>
    isBeginning(piece) === (piece.fragmentNumber === 0)
      ? undefined
      : `FSN ${piece.fragmentNumber} of ${nameOf(piece)} has a wrong B bit`,

  defectBetween(piece, next) {
    if (!isSameIDataMessage(piece, next)) return undefined;
    if (next.fragmentNumber <= piece.fragmentNumber) {
      return `FSN ${next.fragmentNumber} of ${nameOf(next)} comes twice`;
    }
    if (!isEnding(piece)) return undefined;
    return `FSN ${next.fragmentNumber} of ${nameOf(next)} is behind its end`;
  },
};

function compareFragments(one: PieceHeader, other: PieceHeader): number {
  return compareMessages(one, other) || one.fragmentNumber - other.fragmentNumber;
}

function isSameIDataMessage(one: PieceHeader, other: PieceHeader): boolean {
  return one.messageNumber === other.messageNumber && one.streamId === other.streamId &&
    isUnordered(one) === isUnordered(other);
}

function nameOf(piece: PieceHeader): string {
  const kind = isUnordered(piece) ? "unordered" : "ordered";
  return `the ${kind} message ${piece.messageNumber} of stream ${piece.streamId}`;
}
