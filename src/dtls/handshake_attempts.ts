/**
 * All courses that a handshake may have taken, as long as that is open.
 *
 * Until the peer has signed, a message may be anybody's. Whoever can send datagrams to an end can
 * have its hello there before the peer's, and a handshake that went on with the first one to come
 * would fail on the signature. So a message that has a place leads to an attempt beside the one that
 * it came on, which may still be left by another message; a message that has none, or proves wrong,
 * changes nothing. The first attempt on which the peer has signed what both ends drew at random is
 * the handshake, and the others are forgotten: from then on every message counts once.
 *
 * No check is weaker for it: each attempt makes all of them, over its own transcript.
 *
 * @module
 */
import { HandshakeAttempt } from "./handshake_attempt.ts";
import type { Flight } from "./flights.ts";
import { failure, type HandshakeFailure } from "./handshake_failure.ts";
import type { HandshakeMessage } from "./handshake_header.ts";

/**
 * Messages that one attempt goes on with. A server sends a flight for each ClientHello, so that this
 * bounds what a stranger makes it say.
 */
export const maxAlternatives = 8;
/** Attempts at once: with the longest messages there are, 1 MB. */
export const maxAttempts = 64;
/** Messages tried on attempts in all: were all of them signed, some 50 ms of work. */
export const maxTries = 256;

/** What became of a message. */
export interface Progress {
  /** Whether an attempt went on with it. */
  readonly hasAdvanced: boolean;
  /** Why it, or one behind it that had come before, had no place where it was the next. */
  readonly failure: HandshakeFailure | undefined;
}

/** An attempt, and those that went on from it: the latest first. */
interface Branch {
  readonly attempt: HandshakeAttempt;
  readonly alternatives: Branch[];
}

/** The complete messages with a message_seq, those that came early included. */
export type MessagesAt = (sequence: number) => readonly HandshakeMessage[];

/** The attempts of one handshake. */
export class HandshakeAttempts {
  /** Where the handshake began; once it is settled, where it is. */
  #root: Branch;
  #isSettled = false;
  #tries = 0;

  constructor(first: HandshakeAttempt) {
    this.#root = { attempt: first, alternatives: [] };
  }

  /** Whether the peer has signed: there is one attempt, and its failure is that of the handshake. */
  isSettled(): boolean {
    return this.#isSettled;
  }

  /** Whether so much was tried that there is no more. */
  isSpent(): boolean {
    return this.#tries >= maxTries;
  }

  /** The one that got furthest; once the handshake is settled, the one. */
  furthest(): HandshakeAttempt {
    return branchesOf(this.#root).map(({ attempt }) => attempt).reduce((best, one) =>
      one.nextReceive() > best.nextReceive() ? one : best
    );
  }

  /** What is to be said until it is answered, in the order in which it was first said. */
  flights(): readonly Flight[] {
    const flights = branchesOf(this.#root).flatMap(({ attempt }) => attempt.flight() ?? []);
    return [...new Set(flights.toReversed())];
  }

  /** How many bytes what was said has, on all of them. */
  heldLength(): number {
    const messages = branchesOf(this.#root).flatMap(({ attempt }) => attempt.messages());
    return [...new Set(messages)].reduce((length, message) => length + message.length, 0);
  }

  /** Whether this is where the peer's ChangeCipherSpec belongs. If so, it has come. CHECK D5 */
  handleChangeCipherSpec(): boolean {
    return branchesOf(this.#root).some(({ attempt }) => attempt.handleChangeCipherSpec());
  }

  /**
   * Takes a message that is complete. Attempts with what came last go first: where two messages of
   * which one is made up have a place, such as two a CertificateRequest, the peer's is likelier the
   * later one, as it comes together with what the peer signs.
   */
  take(message: HandshakeMessage, messagesAt: MessagesAt): Progress {
    const waiting = branchesOf(this.#root).filter(({ attempt }) =>
      attempt.nextReceive() === message.sequence
    );
    return this.#offer(waiting, [message], messagesAt);
  }

  /** Wipes all secrets. */
  destroy(): void {
    for (const { attempt } of branchesOf(this.#root)) attempt.masterSecret()?.fill(0); // CHECK D28
  }

  #offer(
    branches: readonly Branch[],
    messages: readonly HandshakeMessage[],
    messagesAt: MessagesAt,
  ): Progress {
    const news: Branch[] = [];
    let failure: HandshakeFailure | undefined;
    for (const branch of branches) {
      for (const message of messages) {
        const next = this.#extend(branch, message);
        if ("kind" in next) failure = next;
        else if (next.attempt.protection() !== undefined) return this.#settle(next);
        else news.push(next);
      }
    }
    if (news.length === 0) return { hasAdvanced: false, failure };
    failure = undefined;
    for (const one of news) {
      const early = messagesAt(one.attempt.nextReceive()).toReversed();
      failure = this.#offer([one], early, messagesAt).failure ?? failure;
      if (this.#isSettled) break;
    }
    return { hasAdvanced: true, failure: this.#isSettled ? undefined : failure };
  }

  #extend(branch: Branch, message: HandshakeMessage): Branch | HandshakeFailure {
    if (!this.#hasRoomBehind(branch)) return tooMany(message);
    this.#tries++;
    const attempt = branch.attempt.after(message);
    if (!(attempt instanceof HandshakeAttempt)) return attempt;
    const next = { attempt, alternatives: [] };
    branch.alternatives.unshift(next);
    return next;
  }

  /** Whether one more attempt may go on from this one. CHECK D16 */
  #hasRoomBehind({ alternatives }: Branch): boolean {
    if (this.#isSettled) return true;
    if (this.isSpent() || alternatives.length >= maxAlternatives) return false;
    return branchesOf(this.#root).length < maxAttempts;
  }

  /** Goes on with one attempt only. The secrets of the others, and of those before it, are wiped. */
  #settle(chosen: Branch): Progress {
    const secret = chosen.attempt.masterSecret();
    for (const { attempt } of branchesOf(this.#root)) {
      if (attempt.masterSecret() !== secret) attempt.masterSecret()?.fill(0); // CHECK D28
    }
    this.#root = chosen;
    this.#isSettled = true;
    return { hasAdvanced: true, failure: undefined };
  }
}

/** A branch and all that went on from it: what came last first. */
function branchesOf(branch: Branch): readonly Branch[] {
  return [...branch.alternatives.flatMap(branchesOf), branch];
}

function tooMany({ type }: HandshakeMessage): HandshakeFailure {
  return failure(
    "unexpected-message",
    "unexpected_message",
    `too many a ${type} came, all different`,
  );
}
