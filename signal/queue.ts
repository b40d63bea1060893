/**
 * The head of a mailbox: which messages wait in it, and the next one's number. The messages
 * themselves are records of their own, so that a head stays small. A head is a value: each function
 * answers a new one, and the store's check-and-set makes one instance after the other.
 */
import type { SignalLimits } from "./limits.ts";
import { Refusal } from "./refusal.ts";

/** One message that nobody has acknowledged. */
export interface Pending {
  readonly sequence: number;
  readonly length: number;
  /** ms since 1970. */
  readonly expiresAt: number;
}

/** The head of a mailbox. */
export interface Queue {
  readonly next: number;
  readonly pending: readonly Pending[];
}

/**
 * A head for a mailbox that has none. Its numbers start at the time in ms, so that those of a
 * mailbox that was forgotten and began anew are above the old ones.
 */
export function emptyQueue(now: number): Queue {
  return { next: now, pending: [] };
}

/** A head after one more message, and that message's number. */
export interface Appended {
  readonly queue: Queue;
  readonly sequence: number;
}

/** The head after one more message. Throws {@link Refusal} (429) where there is no room. */
export function appended(
  queue: Queue,
  { length, expiresAt, now, limits }: {
    readonly length: number;
    readonly expiresAt: number;
    readonly now: number;
    readonly limits: SignalLimits;
  },
): Appended {
  const pending = queue.pending.filter((message) => message.expiresAt > now);
  const bytes = pending.reduce((sum, message) => sum + message.length, length);
  if (pending.length >= limits.queueLength || bytes > limits.queueBytes) {
    throw new Refusal("mailbox_full", "too much waits to be fetched from this mailbox", 1);
  }
  const sequence = queue.next;
  return {
    queue: { next: sequence + 1, pending: [...pending, { sequence, length, expiresAt }] },
    sequence,
  };
}

/** The head without the messages up to `sequence`, and the numbers of those. */
export function acknowledged(
  queue: Queue,
  sequence: number,
): { readonly queue: Queue; readonly done: readonly number[] } {
  const isDone = (message: Pending) => message.sequence <= sequence;
  return {
    queue: { next: queue.next, pending: queue.pending.filter((message) => !isDone(message)) },
    done: queue.pending.filter(isDone).map((message) => message.sequence),
  };
}
