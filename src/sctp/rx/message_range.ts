/** Runs of pieces by the messages that they are part of: a stream's, from one number to another. */
import { dataFlags } from "../packet/data_chunk.ts";
import type { Piece, PieceHeader } from "./held_pieces.ts";
import type { SortedRuns } from "./sorted_runs.ts";

/** Messages of one stream, the ordered or the unordered ones; both numbers are among them. */
export interface MessageRange {
  readonly streamId: number;
  readonly isUnordered: boolean;
  readonly from: number;
  /** Less than `from` where the numbers have begun anew between them. */
  readonly to: number;
}

/** Takes the runs of such messages out of those sorted by message, in the order of the numbers. */
export function takeMessages(runs: SortedRuns, range: MessageRange): Piece[] {
  const { from, to } = range;
  if (from <= to) return runs.takeBetween(endOf(range, from - 1), endOf(range, to));
  return [
    ...takeMessages(runs, { ...range, to: Infinity }),
    ...takeMessages(runs, { ...range, from: 0 }),
  ];
}

/** All messages of a stream that are ordered, or all that are not. */
export function allMessages(streamId: number, isUnordered: boolean): MessageRange {
  return { streamId, isUnordered, from: 0, to: Infinity };
}

/** The place behind all pieces of a message. */
export function endOf(
  { streamId, isUnordered }: Pick<MessageRange, "streamId" | "isUnordered">,
  messageNumber: number,
): PieceHeader {
  return {
    flags: isUnordered ? dataFlags.unordered : 0,
    tsn: Infinity,
    streamId,
    messageNumber,
    ppid: 0,
    fragmentNumber: Infinity,
  };
}
