/**
 * Puts handshake messages together from fragments that come in any order (RFC 6347 section 4.2.3).
 *
 * Nothing of it is authenticated, so that several messages may come with one message_seq: the peer's,
 * and whatever a stranger made up. Each is put together for itself, and none keeps another from
 * being complete; which is the peer's is for others to find out. Bounded, whatever comes.
 *
 * @module
 */
import { maxCertificateListLength } from "./certificate.ts";
import type { HandshakeFragment, HandshakeMessage } from "./handshake_header.ts";
import type { Epoch } from "./record_layer.ts";

/** No message is longer than a Certificate with the longest list. */
export const maxMessageLength = maxCertificateListLength + 3;
/** How far ahead of the next message fragments are kept: longer than any flight. */
export const maxMessagesAhead = 8;
/** Messages with one message_seq that are told apart. */
export const maxCandidates = 8;
/** All that is kept at once, in bytes. */
export const maxHeldLength = 65_536;

/** A message that is complete, or on the way to be. */
interface Candidate {
  readonly message: HandshakeMessage;
  /** All fragments of a message come in one epoch. */
  readonly epoch: Epoch;
  /** For each byte of the body 1 where it has come. */
  readonly present: Uint8Array;
  missing: number;
}

/** What became of a fragment. */
export type FragmentFate =
  /** It is news. If it completed a message, `takeCompleted` has that. */
  | "held"
  /** Of a message that is here already: the peer sends again. */
  | "old"
  /** Against the rules, or beyond the bounds. */
  | "refused";

/** The messages of one handshake as they come in. */
export class Reassembly {
  /** In the order in which they were begun, or came again as a whole. */
  #candidates: Candidate[] = [];
  #completed: HandshakeMessage[] = [];
  #nextSequence = 0;
  #heldLength = 0;

  /** Messages before this message_seq are not wanted any more. */
  nextSequence(): number {
    return this.#nextSequence;
  }

  /** What is kept, in bytes. */
  heldLength(): number {
    return this.#heldLength;
  }

  /** Takes a fragment; what is kept of it is copied. */
  accept(fragment: HandshakeFragment, epoch: Epoch): FragmentFate {
    const { sequence } = fragment;
    // "If the sequence number is less than next_receive_seq, the message MUST be discarded."
    if (sequence < this.#nextSequence) return "old";
    if (sequence - this.#nextSequence >= maxMessagesAhead) return "refused"; // CHECK D17
    const fitting = this.#candidates.filter((one) => fits(one, fragment, epoch));
    const complete = fitting.filter(isComplete);
    const growing = fitting.filter((one) => !isComplete(one));
    if (fitting.length === 0) {
      const begun = this.#begin(fragment, epoch);
      if (begun === undefined) return "refused";
      growing.push(begun);
    }
    for (const one of growing) place(one, fragment);
    const completed = growing.filter(isComplete);
    this.#completed.push(...completed.map(({ message }) => message));
    // What fits a complete message may, beside that, be news to one that is not.
    if (complete.length === 0 || completed.length > 0) return "held";
    this.#refresh(complete);
    return "old";
  }

  /** The messages that were completed since this was last asked. */
  takeCompleted(): readonly HandshakeMessage[] {
    return this.#completed.splice(0);
  }

  /** All complete messages with this message_seq: those that came last, or came again, last. */
  messagesAt(sequence: number): readonly HandshakeMessage[] {
    return this.#candidates.filter(isComplete).flatMap(({ message }) =>
      message.sequence === sequence ? [message] : []
    );
  }

  /** Frees all that is held. From now on no message before this message_seq is wanted. */
  clear(nextSequence: number): void {
    this.#candidates = [];
    this.#completed = [];
    this.#heldLength = 0;
    this.#nextSequence = nextSequence;
  }

  #refresh(candidates: readonly Candidate[]): void {
    const others = this.#candidates.filter((one) => !candidates.includes(one));
    this.#candidates = [...others, ...candidates];
  }

  #begin(fragment: HandshakeFragment, epoch: Epoch): Candidate | undefined {
    const { type, length, sequence, body } = fragment;
    // A fragment without bytes starts no message that has some.
    if (body.length === 0 && length > 0) return undefined;
    if (length > maxMessageLength) return undefined; // CHECK D17
    this.#makeRoom(sequence, length);
    const candidate = {
      message: { type, sequence, body: new Uint8Array(length) },
      epoch,
      present: new Uint8Array(length),
      missing: length,
    };
    this.#candidates.push(candidate);
    this.#heldLength += length;
    return candidate;
  }

  /**
   * The oldest make room: the peer sends its messages again, so that a true one comes back, while
   * what is made up would stay in the way. CHECK D17
   */
  #makeRoom(sequence: number, length: number): void {
    const rivals = this.#candidates.filter(({ message }) => message.sequence === sequence);
    if (rivals.length >= maxCandidates) this.#forget(rivals[0]);
    while (this.#heldLength + length > maxHeldLength) this.#forget(this.#candidates[0]);
  }

  #forget(candidate: Candidate | undefined): void {
    this.#candidates = this.#candidates.filter((one) => one !== candidate);
    this.#heldLength -= candidate?.message.body.length ?? 0;
  }
}

function isComplete({ missing }: Candidate): boolean {
  return missing === 0;
}

/** Whether a fragment may be one of this message, by all that has come of it. */
function fits(
  { message, epoch, present }: Candidate,
  fragment: HandshakeFragment,
  fragmentEpoch: Epoch,
): boolean {
  const { body } = message;
  // CHECK D17: a fragment that tells of its message differently is of another.
  const isSame = message.sequence === fragment.sequence && message.type === fragment.type &&
    body.length === fragment.length && epoch === fragmentEpoch;
  if (!isSame) return false;
  // "DTLS implementations MUST be able to handle overlapping fragment ranges": where they differ,
  // the fragment is of another message too. CHECK D4
  return fragment.body.every((byte, index) =>
    present[fragment.offset + index] !== 1 || body[fragment.offset + index] === byte
  );
}

function place(candidate: Candidate, { offset, body }: HandshakeFragment): void {
  candidate.message.body.set(body, offset);
  for (let at = offset; at < offset + body.length; at++) {
    if (candidate.present[at] === 1) continue;
    candidate.present[at] = 1;
    candidate.missing--;
  }
}
