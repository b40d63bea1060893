/**
 * Whose turn it is: ordered messages are delivered by SSN (RFC 9260, section 6.5) or MID (RFC 8260,
 * section 2.1), and complete ones wait here until those before them have come.
 */
import { add16, add32, distance16, distance32 } from "../serial.ts";
import type { Piece } from "./held_pieces.ts";

/** Takes a message that waits no more. */
export type HandOver = (message: Piece) => void;

/** Unordered messages that come so far after those given up show that these are long forgotten. */
const maxUnorderedDistance = 2 ** 30;

/** The ordered messages of all streams, and which of the unordered ones were given up. */
export class MessageOrder {
  readonly #isInterleaved: boolean;
  #initialNumber: number;
  /** What each stream goes on with, where that is not the initial number. */
  readonly #nextNumbers = new Map<number, number>();
  /** By stream, then by number: complete messages whose turn has not come. */
  readonly #waiting = new Map<number, Map<number, Piece>>();
  /** By stream: the last of its unordered messages that was given up. */
  readonly #unorderedGivenUp = new Map<number, number>();

  constructor(isInterleaved: boolean, initialNumber: number) {
    this.#isInterleaved = isInterleaved;
    this.#initialNumber = initialNumber;
  }

  /** Whether messages of any stream wait. */
  get hasWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** How far `to` is after `from`; negative where it is before. */
  distance(from: number, to: number): number {
    return this.#isInterleaved ? distance32(from, to) : distance16(from, to);
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
    return this.#waiting.get(streamId)?.has(messageNumber) ?? false;
  }

  /** Lets a complete message wait for its turn. */
  wait(message: Piece): void {
    const waiting = this.#waiting.get(message.streamId);
    if (waiting !== undefined) waiting.set(message.messageNumber, message);
    else this.#waiting.set(message.streamId, new Map([[message.messageNumber, message]]));
  }

  /** Lets the stream go on after a message. */
  passOver(streamId: number, messageNumber: number): void {
    const next = this.#isInterleaved ? add32(messageNumber, 1) : add16(messageNumber, 1);
    this.#nextNumbers.set(streamId, next);
  }

  /** Takes the message that a stream goes on with, if it waits; the next one is then on. */
  takeNext(streamId: number): Piece | undefined {
    const messageNumber = this.#nextNumber(streamId);
    const message = this.#take(streamId, messageNumber);
    if (message !== undefined) this.passOver(streamId, messageNumber);
    return message;
  }

  /** Takes all messages of a stream that wait, up to a number, in order. */
  takeUpTo(streamId: number, messageNumber: number): Piece[] {
    const next = this.#nextNumber(streamId);
    const numbers = [...this.#waiting.get(streamId)?.keys() ?? []]
      .filter((number) => this.distance(number, messageNumber) >= 0)
      .sort((one, other) => this.distance(next, one) - this.distance(next, other));
    return numbers.flatMap((number) => this.#take(streamId, number) ?? []);
  }

  /** Starts streams (undefined: all) with number 0 again, and hands over what waits in them. */
  reset(streamIds: Iterable<number> | undefined, handOver: HandOver): void {
    for (const streamId of streamIds ?? [...this.#waiting.keys()]) {
      this.#waiting.get(streamId)?.forEach(handOver);
      this.#waiting.delete(streamId);
      this.#unorderedGivenUp.delete(streamId);
      if (this.#initialNumber === 0) this.#nextNumbers.delete(streamId);
      else this.#nextNumbers.set(streamId, 0);
    }
    if (streamIds !== undefined) return;
    this.#nextNumbers.clear();
    this.#unorderedGivenUp.clear();
    this.#initialNumber = 0;
  }

  #nextNumber(streamId: number): number {
    return this.#nextNumbers.get(streamId) ?? this.#initialNumber;
  }

  #take(streamId: number, messageNumber: number): Piece | undefined {
    const waiting = this.#waiting.get(streamId);
    const message = waiting?.get(messageNumber);
    if (waiting === undefined || message === undefined) return undefined;
    waiting.delete(messageNumber);
    if (waiting.size === 0) this.#waiting.delete(streamId);
    return message;
  }
}
