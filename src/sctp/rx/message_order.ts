/**
 * Whose turn it is: ordered messages are delivered by SSN (RFC 9260, section 6.5) or MID (RFC 8260,
 * section 2.1), and complete ones wait here until those before them have come.
 */
import { add16, add32, distance16, distance32 } from "../serial.ts";
import type { Piece } from "./held_pieces.ts";
import { allMessages, endOf, takeMessages } from "./message_range.ts";
import { compareMessages } from "./piece_order.ts";
import { SortedRuns } from "./sorted_runs.ts";

/** Unordered messages that come so far after those given up show that these are long forgotten. */
const maxUnorderedDistance = 2 ** 30;

/** The ordered messages of all streams, and which of the unordered ones were given up. */
export class MessageOrder {
  readonly #isInterleaved: boolean;
  #initialNumber: number;
  /** What each stream goes on with, where that is not the initial number. */
  readonly #nextNumbers = new Map<number, number>();
  /** Complete messages whose turn has not come. */
  readonly #waiting = new SortedRuns(compareMessages);
  /** By stream: the last of its unordered messages that was given up. */
  readonly #unorderedGivenUp = new Map<number, number>();

  constructor(isInterleaved: boolean, initialNumber: number) {
    this.#isInterleaved = isInterleaved;
    this.#initialNumber = isInterleaved ? add32(initialNumber, 0) : add16(initialNumber, 0);
  }

  /** Whether messages of any stream wait. */
  get hasWaiting(): boolean {
    return !this.#waiting.isEmpty;
  }

  /** How far `to` is after `from`; negative where it is before. */
  distance(from: number, to: number): number {
    return this.#isInterleaved ? distance32(from, to) : distance16(from, to);
  }

  /** The first of all numbers that are not after one. */
  firstUpTo(messageNumber: number): number {
    return this.#isInterleaved
      ? add32(messageNumber, 1 - 2 ** 31)
      : add16(messageNumber, 1 - 2 ** 15);
  }

  /** 0 for the message that its stream goes on with, more for later ones, less for past ones. */
  turnOf(streamId: number, messageNumber: number): number {
    return this.distance(this.#nextNumber(streamId), messageNumber);
  }

  /** Counts all unordered messages of a stream up to a number as given up. */
  giveUpUnordered(streamId: number, messageNumber: number): void {
    if (!this.isUnorderedGivenUp(streamId, messageNumber)) {
      this.#unorderedGivenUp.set(streamId, messageNumber);
    }
  }

  /** Whether the pieces of an unordered message are past their time. */
  isUnorderedGivenUp(streamId: number, messageNumber: number): boolean {
    const last = this.#unorderedGivenUp.get(streamId);
    if (last === undefined) return false;
    const distance = this.distance(last, messageNumber);
    if (distance > maxUnorderedDistance) this.#unorderedGivenUp.delete(streamId);
    return distance <= 0;
  }

  /** Whether a complete message waits. */
  isWaiting(streamId: number, messageNumber: number): boolean {
    return this.#waitingOne(streamId, messageNumber) !== undefined;
  }

  /** Lets a complete message wait for its turn. */
  wait(message: Piece): void {
    this.#waiting.add(message);
  }

  /** Lets the stream go on after a message. */
  passOver(streamId: number, messageNumber: number): void {
    const next = this.#isInterleaved ? add32(messageNumber, 1) : add16(messageNumber, 1);
    this.#nextNumbers.set(streamId, next);
  }

  /** Takes the message that a stream goes on with, if it waits; the next one is then on. */
  takeNext(streamId: number): Piece | undefined {
    const messageNumber = this.#nextNumber(streamId);
    const message = this.#waitingOne(streamId, messageNumber);
    if (message === undefined) return undefined;
    this.#waiting.remove(message);
    this.passOver(streamId, messageNumber);
    return message;
  }

  /** Takes all messages of a stream that wait, up to a number, in order. */
  takeUpTo(streamId: number, messageNumber: number): Piece[] {
    const from = this.#nextNumber(streamId);
    return takeMessages(this.#waiting, { streamId, isUnordered: false, from, to: messageNumber });
  }

  /** Starts a stream with number 0 again; returns what waits in it. */
  reset(streamId: number): Piece[] {
    this.#unorderedGivenUp.delete(streamId);
    if (this.#initialNumber === 0) this.#nextNumbers.delete(streamId);
    else this.#nextNumbers.set(streamId, 0);
    return takeMessages(this.#waiting, allMessages(streamId, false));
  }

  /** Starts all streams with number 0 again; returns what waits. */
  resetAll(): Piece[] {
    this.#nextNumbers.clear();
    this.#unorderedGivenUp.clear();
    this.#initialNumber = 0;
    return this.#waiting.takeAll();
  }

  #nextNumber(streamId: number): number {
    return this.#nextNumbers.get(streamId) ?? this.#initialNumber;
  }

  #waitingOne(streamId: number, messageNumber: number): Piece | undefined {
    const last = this.#waiting.lastUpTo(endOf({ streamId, isUnordered: false }, messageNumber));
    const isIt = last?.streamId === streamId && last.messageNumber === messageNumber;
    return isIt ? last : undefined;
  }
}
