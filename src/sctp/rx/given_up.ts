/** What the peer has given up, as a FORWARD TSN or I-FORWARD-TSN chunk says. */
import { add32, isAfter32 } from "../serial.ts";
import { isBeginning, isEnding, type Piece } from "./held_pieces.ts";

/**
 * "The receiver MUST remove any partially reassembled message, which is still missing one or more
 * TSNs earlier than or equal to the new cumulative TSN point" (RFC 3758, section 3.6). Of DATA
 * chunks only, where the TSNs of a message are consecutive: those that miss one are the first.
 */
export function missesGivenUp(run: Piece, newCumulativeTsn: number): boolean {
  const isWaitedFor = (tsn: number) => isAfter32(tsn, newCumulativeTsn);
  return (!isBeginning(run) && !isWaitedFor(add32(run.tsn, -1))) ||
    (!isEnding(run.last) && !isWaitedFor(add32(run.last.tsn, 1)));
}
