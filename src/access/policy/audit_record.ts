/** What the audit log says of a request: who, what, by which rule, how much; never what was said. */

/** One line of the log. Its keys are written in this order. */
export interface AuditRecord {
  /** ISO 8601 in UTC. */
  readonly time: string;
  /** "request" is of something within a stream that its content rule has judged. */
  readonly event: "opened" | "refused" | "closed" | "request" | "request-refused";
  /**
   * The name that an authority vouches for, null where none does; on a link without certificates
   * the beginning of the peer's fingerprint.
   */
  readonly peer: string | null;
  /** The peer's key id; null on a link without certificates. */
  readonly key: string | null;
  /** Null where no rule decided. */
  readonly rule: string | null;
  /** As it was asked for. */
  readonly target: string;
  /** What was dialled; null where nothing was. */
  readonly dialled: string | null;
  /** Why it was refused, or how it ended. */
  readonly reason?: string;
  /** Of a request, refused ones too: its method, host and path, or a server's name. */
  readonly summary?: string;
  /** Bytes from the peer to the target. */
  readonly up?: number;
  /** Bytes from the target to the peer. */
  readonly down?: number;
  /** In seconds. */
  readonly duration?: number;
}

/** Longer words of a peer are cut, in characters. */
const maxWordsLength = 256;

/** What a peer wrote, for a record: bounded, one line, nothing that a terminal would obey. */
export function printableWords(text: string): string {
  const words = text.slice(0, maxWordsLength).replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, " ");
  return words.toWellFormed();
}

/** Takes records; what cannot be written is its own affair. */
export type AuditSink = (record: AuditRecord) => void;
