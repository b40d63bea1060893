/**
 * Candidates as aetherlight carries them: found after offer or answer, gathered into few messages,
 * and read again from what the other node says.
 */
import type { Link } from "../link/link.ts";
import {
  type Candidate,
  parseCandidate,
  type SessionDescription,
  writeCandidate,
} from "../link/session_description.ts";

/** Candidates that come within this travel together, in ms. */
const batchDelay = 20;
/** Of one message; a session has at most 32 candidates altogether. */
const maxBatchLength = 32;

/** The body of a message of type "candidates". */
interface CandidateBatch {
  /** `candidate:…` as in SDP. */
  readonly candidates: readonly string[];
  /** Whether these are the last. */
  readonly isLast: boolean;
}

/** Gathers candidates into batches, and keeps them back until the description is under way. */
export class CandidateBatcher {
  readonly #send: (batch: CandidateBatch) => void;
  #candidates: Candidate[] = [];
  #isLast = false;
  #isOpen = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `send` is called with each batch; it must not throw. */
  constructor(send: (batch: CandidateBatch) => void) {
    this.#send = send;
  }

  /** A description with what was found since it was made: that is not sent again. */
  complete(description: SessionDescription): SessionDescription {
    const candidates = [...description.candidates, ...this.#candidates];
    if (candidates.length > maxBatchLength) return description;
    const hasAllCandidates = description.hasAllCandidates || this.#isLast;
    this.#candidates = [];
    this.#isLast = false;
    return { ...description, candidates, hasAllCandidates };
  }

  /** The description was sent: candidates may follow. */
  open(): void {
    this.#isOpen = true;
    this.#schedule();
  }

  /** Takes a candidate, or undefined after the last. */
  take(candidate: Candidate | undefined): void {
    if (candidate === undefined) this.#isLast = true;
    else if (this.#candidates.length < maxBatchLength) {
      this.#candidates.push(candidate);
    }
    this.#schedule();
  }

  /** Drops what has not been sent. */
  close(): void {
    this.#isOpen = false;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    const isEmpty = this.#candidates.length === 0 && !this.#isLast;
    if (!this.#isOpen || isEmpty) return;
    // Nothing comes after the last: it is not waited for.
    if (this.#isLast) clearTimeout(this.#timer);
    else if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#flush(), this.#isLast ? 0 : batchDelay);
  }

  #flush(): void {
    const batch = { candidates: this.#candidates.map(writeCandidate), isLast: this.#isLast };
    this.#timer = undefined;
    this.#candidates = [];
    this.#isLast = false;
    this.#send(batch);
  }
}

/** Gives a link the candidates of a message's body; a body that is no batch is ignored. */
export function addCandidates(link: Link, body: unknown): void {
  const batch = parseCandidateBatch(body);
  if (batch === undefined) return;
  for (const candidate of batch.candidates) link.addCandidate(candidate);
  if (batch.isLast) link.addCandidate(undefined);
}

function parseCandidateBatch(
  body: unknown,
): { candidates: Candidate[]; isLast: boolean } | undefined {
  const { candidates, isLast } = (body ?? {}) as Partial<Record<string, unknown>>;
  if (!Array.isArray(candidates) || candidates.length > maxBatchLength) return undefined;
  if (typeof isLast !== "boolean") return undefined;
  const parsed = candidates.map((text) =>
    typeof text === "string" ? parseCandidate(text) : undefined
  );
  return { candidates: parsed.filter((candidate) => candidate !== undefined), isLast };
}
