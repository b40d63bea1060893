/** What happened last, for the message of a run that fails. Lines are written only when read. */
import type { Instant } from "../../src/sans_io.ts";

/** One thing that happened. */
export interface TraceEntry {
  readonly at: Instant;
  /** An end or a lane. */
  readonly subject: string;
  readonly what: string;
  /** Of a datagram: the how many-th of its lane, from 0. */
  readonly index?: number;
  readonly length?: number;
  readonly note?: string;
}

/** The last `capacity` things that happened. */
export class Trace {
  readonly #entries: TraceEntry[] = [];
  #count = 0;

  constructor(readonly capacity: number = 50) {}

  /** How many things have happened in all. */
  get count(): number {
    return this.#count;
  }

  record(entry: TraceEntry): void {
    if (this.#count < this.capacity) this.#entries.push(entry);
    else this.#entries[this.#count % this.capacity] = entry;
    this.#count++;
  }

  lines(): string[] {
    if (this.#count <= this.capacity) return this.#entries.map(writeLine);
    const oldest = this.#count % this.capacity;
    return [...this.#entries.slice(oldest), ...this.#entries.slice(0, oldest)].map(writeLine);
  }
}

function writeLine({ at, subject, what, index, length, note }: TraceEntry): string {
  const parts = [at.toFixed(3).padStart(12), subject];
  if (index !== undefined) parts.push(`#${index}`);
  parts.push(what);
  if (length !== undefined) parts.push(`${length} B`);
  if (note !== undefined) parts.push(note);
  return parts.join(" ");
}
