/** What the peer has given up, as a FORWARD TSN or I-FORWARD-TSN chunk says. */
import type { SkippedMessage } from "../packet/forward_tsn_chunk.ts";
import { add32, isAfter32 } from "../serial.ts";
import { isBeginning, isEnding, isUnordered, type Piece } from "./held_pieces.ts";
import type { MessageOrder } from "./message_order.ts";

/** Judges incomplete messages. */
export class GivenUp {
  readonly #newCumulativeTsn: number;
  readonly #isInterleaved: boolean;
  readonly #order: MessageOrder;
  /** By `keyOf`: the last message given up. */
  readonly #lastNumbers = new Map<number, number>();

  constructor(
    newCumulativeTsn: number,
    skipped: readonly SkippedMessage[],
    order: MessageOrder,
    isInterleaved: boolean,
  ) {
    this.#newCumulativeTsn = newCumulativeTsn;
    this.#isInterleaved = isInterleaved;
    this.#order = order;
    for (const one of skipped) {
      const key = keyOf(one.streamId, one.isUnordered);
      const last = this.#lastNumbers.get(key) ?? one.messageNumber;
      const isLater = order.distance(last, one.messageNumber) >= 0;
      this.#lastNumbers.set(key, isLater ? one.messageNumber : last);
    }
  }

  /** Whether the message that a run of pieces is part of has been given up. */
  has(run: Piece): boolean {
    if (this.#isInterleaved) return this.#isNamed(run);
    return this.#isMissing(run) || (!isUnordered(run) && this.#isNamed(run));
  }

  #isNamed(run: Piece): boolean {
    const last = this.#lastNumbers.get(keyOf(run.streamId, isUnordered(run)));
    return last !== undefined && this.#order.distance(run.messageNumber, last) >= 0;
  }

  /**
   * "The receiver MUST remove any partially reassembled message, which is still missing one or more
   * TSNs earlier than or equal to the new cumulative TSN point" (RFC 3758, section 3.6). Of DATA
   * chunks only, where the TSNs of a message are consecutive.
   */
  #isMissing(run: Piece): boolean {
    const isWaitedFor = (tsn: number) => isAfter32(tsn, this.#newCumulativeTsn);
    return (!isBeginning(run) && !isWaitedFor(add32(run.tsn, -1))) ||
      (!isEnding(run.last) && !isWaitedFor(add32(run.last.tsn, 1)));
  }
}

function keyOf(streamId: number, isUnordered: boolean): number {
  return streamId * 2 + (isUnordered ? 1 : 0);
}
