/**
 * A `Reassembly` and its store by themselves: what it is fed is lent and overwritten, what it delivers is copied and
 * listed as text.
 */
import { BufferPool } from "../../../src/buffer_pool.ts";
import type { SkippedMessage } from "../../../src/sctp/packet/forward_tsn_chunk.ts";
import { createDataFields, dataFlags } from "../../../src/sctp/packet/data_chunk.ts";
import { PayloadStore } from "../../../src/sctp/payload_store.ts";
import {
  Reassembly,
  type ReassemblyDefect,
  type ReassemblyOptions,
} from "../../../src/sctp/rx/reassembly.ts";

/** Where in the lent bytes the user data begins. */
const headerLength = 28;

/** A piece as the peer sends it. */
export interface SentPiece {
  readonly tsn: number;
  readonly streamId?: number;
  /** SSN or MID. */
  readonly number?: number;
  /** FSN; 0 if not given. */
  readonly fsn?: number;
  readonly ppid?: number;
  /** Of the letters B, E, U and I. */
  readonly flags: string;
  readonly text: string | Uint8Array;
}

/** A message as it was delivered. */
export interface DeliveredMessage {
  readonly streamId: number;
  readonly ppid: number;
  readonly bytes: Uint8Array;
}

/** The flags that letters stand for. */
export function flagsOf(letters: string): number {
  return (letters.includes("B") ? dataFlags.beginning : 0) |
    (letters.includes("E") ? dataFlags.ending : 0) |
    (letters.includes("U") ? dataFlags.unordered : 0) |
    (letters.includes("I") ? dataFlags.immediate : 0);
}

/** One `Reassembly`, its store, and what it has delivered. */
export class ReassemblyHarness {
  readonly store = new PayloadStore(new BufferPool());
  readonly delivered: DeliveredMessage[] = [];
  readonly reassembly: Reassembly;
  readonly #fields = createDataFields();

  constructor(options: Partial<ReassemblyOptions> = {}) {
    this.reassembly = new Reassembly({
      store: this.store,
      isInterleaved: false,
      maxMessageLength: 100_000,
      deliver: (streamId, ppid, bytes, start, end) => {
        this.delivered.push({ streamId, ppid, bytes: bytes.slice(start, end) });
      },
      ...options,
    });
  }

  /** Takes out the list of what was delivered, as `stream:text`. */
  takeTexts(): string[] {
    const decoder = new TextDecoder();
    return this.delivered.splice(0)
      .map(({ streamId, bytes }) => `${streamId}:${decoder.decode(bytes)}`);
  }

  /** Hands in a piece; what was lent is overwritten afterwards. */
  give(piece: SentPiece): ReassemblyDefect | undefined {
    const { text } = piece;
    const payload = typeof text === "string" ? new TextEncoder().encode(text) : text;
    const bytes = new Uint8Array(headerLength + payload.length + 4).fill(0xee);
    bytes.set(payload, headerLength);
    const fields = this.#fields;
    fields.tsn = piece.tsn;
    fields.flags = flagsOf(piece.flags);
    fields.streamId = piece.streamId ?? 1;
    fields.messageNumber = piece.number ?? 0;
    fields.fragmentNumber = piece.fsn ?? 0;
    fields.ppid = piece.ppid ?? 51;
    fields.payloadStart = headerLength;
    fields.payloadEnd = headerLength + payload.length;
    const defect = this.reassembly.handleData(fields, bytes, 0);
    bytes.fill(0xdd);
    return defect;
  }

  /** Hands in pieces that are right; throws at a defect. */
  giveAll(...pieces: readonly SentPiece[]): void {
    for (const piece of pieces) {
      const defect = this.give(piece);
      if (defect !== undefined) throw new Error(`piece ${JSON.stringify(piece)}: ${defect}`);
    }
  }

  /** The peer gives messages up. */
  forward(newCumulativeTsn: number, ...skipped: readonly SkippedMessage[]): void {
    this.reassembly.handleForwardTsn(newCumulativeTsn, skipped, 0);
  }
}
