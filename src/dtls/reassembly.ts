/**
 * Puts handshake messages together, in order, from fragments that come in any (RFC 6347 section
 * 4.2.3). Bounded, whatever comes: most of it is not authenticated.
 *
 * @module
 */
import type { HandshakeFragment, HandshakeMessage, HandshakeType } from "./handshake_header.ts";
import { maxCertificateListLength } from "./certificate.ts";
import type { Epoch } from "./record_layer.ts";

/** No message is longer than a Certificate with the longest list. */
export const maxMessageLength = maxCertificateListLength + 3;
/** How far ahead of the next message fragments are kept: longer than any flight. */
export const maxMessagesAhead = 8;
/** All that is kept at once, in bytes. */
const maxHeldLength = 65_536;

interface PartialMessage {
  readonly type: HandshakeType;
  /** All fragments of a message come in one epoch. */
  readonly epoch: Epoch;
  readonly body: Uint8Array;
  /** For each byte of the body 1 where it has come. */
  readonly present: Uint8Array;
  missing: number;
}

/** A message that is complete and next. */
export interface ReceivedMessage {
  readonly message: HandshakeMessage;
  readonly epoch: Epoch;
}

/** What became of a fragment. */
export type FragmentFate =
  | "held"
  /** Of a message that was taken already: the peer sends again. */
  | "old"
  /** Against the rules, or beyond the bounds. */
  | "refused";

/** The messages of one handshake as they come in. */
export class Reassembly {
  #messages = new Map<number, PartialMessage>();
  #nextSequence = 0;
  #heldLength = 0;

  /** The message_seq of the message that is to be taken next. */
  nextSequence(): number {
    return this.#nextSequence;
  }

  /** Takes a fragment; what is kept of it is copied. */
  accept(fragment: HandshakeFragment, epoch: Epoch): FragmentFate {
    const { sequence } = fragment;
    // "If the sequence number is less than next_receive_seq, the message MUST be discarded."
    if (sequence < this.#nextSequence) return "old";
    if (sequence - this.#nextSequence >= maxMessagesAhead) return "refused"; // CHECK D17
    const message = this.#messages.get(sequence) ?? this.#begin(fragment, epoch);
    if (message === undefined) return "refused";
    // CHECK D17: a fragment that tells of its message differently is of no message of ours.
    const isSame = message.type === fragment.type && message.body.length === fragment.length &&
      message.epoch === epoch;
    if (!isSame) return "refused";
    place(message, fragment);
    return "held";
  }

  /** The next message, once it is complete. */
  take(): ReceivedMessage | undefined {
    const sequence = this.#nextSequence;
    const partial = this.#messages.get(sequence);
    if (partial === undefined || partial.missing > 0) return undefined;
    const { type, epoch, body } = partial;
    this.#messages.delete(sequence);
    this.#heldLength -= body.length;
    this.#nextSequence++;
    return { message: { type, sequence, body }, epoch };
  }

  /** Frees what is held; what was taken stays old. */
  clear(): void {
    this.#messages = new Map();
    this.#heldLength = 0;
  }

  #begin(fragment: HandshakeFragment, epoch: Epoch): PartialMessage | undefined {
    const { type, length, sequence, body } = fragment;
    // A fragment without bytes starts no message that has some.
    if (body.length === 0 && length > 0) return undefined;
    // CHECK D17
    if (length > maxMessageLength || this.#heldLength + length > maxHeldLength) return undefined;
    const message = {
      type,
      epoch,
      body: new Uint8Array(length),
      present: new Uint8Array(length),
      missing: length,
    };
    this.#messages.set(sequence, message);
    this.#heldLength += length;
    return message;
  }
}

/** "DTLS implementations MUST be able to handle overlapping fragment ranges": the first copy stays. */
function place(message: PartialMessage, { offset, body }: HandshakeFragment): void {
  for (const [index, byte] of body.entries()) {
    if (message.present[offset + index] === 1) continue; // CHECK D4
    message.body[offset + index] = byte;
    message.present[offset + index] = 1;
    message.missing--;
  }
}
