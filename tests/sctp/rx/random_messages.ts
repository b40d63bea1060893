/** Messages of a sender without loss, as the pieces that it would send: by a seed, and as wished. */
import type { SentPiece } from "./reassembly_harness.ts";

/** A message as the sender has it. */
export interface SentMessage {
  readonly streamId: number;
  readonly isUnordered: boolean;
  /** SSN or MID. */
  readonly number: number;
  readonly ppid: number;
  readonly bytes: Uint8Array;
  readonly pieces: readonly MessagePiece[];
}

/** A piece, and the message it is of. */
export interface MessagePiece extends SentPiece {
  readonly streamId: number;
  readonly number: number;
  readonly text: Uint8Array;
  readonly message: SentMessage;
}

/** What the sender is like. */
export interface SenderOptions {
  readonly isInterleaved: boolean;
  /** Pieces of messages of one stream are sent by turns also where all are ordered, or none is. */
  readonly isStreamInterleaved?: boolean;
  readonly initialTsn: number;
  readonly initialMessageNumber: number;
  readonly messageCount: number;
  readonly streamCount: number;
}

type Random = () => number;

/** An integer from 0 up to `end`. */
export function integerBelow(end: number, random: Random): number {
  return Math.floor(random() * end);
}

/** Messages in the order that they were written, and their pieces in the order of their TSNs. */
export function createMessages(
  options: SenderOptions,
  random: Random,
): { readonly messages: readonly SentMessage[]; readonly pieces: readonly MessagePiece[] } {
  const numbers = new Map<string, number>();
  const drafts = Array.from(
    { length: options.messageCount },
    (_, id) => createDraft(id, options, numbers, random),
  );
  const pieces = options.isInterleaved ? interleave(drafts, options, random) : drafts.flat();
  return assignTsns(pieces, drafts, options.initialTsn);
}

interface Draft {
  readonly message: Omit<SentMessage, "pieces">;
  readonly piece: Omit<MessagePiece, "tsn" | "message">;
}

function createDraft(
  id: number,
  { isInterleaved, initialMessageNumber, streamCount }: SenderOptions,
  numbers: Map<string, number>,
  random: Random,
): Draft[] {
  const streamId = integerBelow(streamCount, random);
  const isUnordered = random() < 0.3;
  const key = `${streamId} ${isUnordered}`;
  const number = numbers.get(key) ?? initialMessageNumber;
  numbers.set(key, (number + 1) % (isInterleaved ? 2 ** 32 : 2 ** 16));
  const ppid = 50 + integerBelow(4, random);
  const bytes = Uint8Array.from(
    { length: 1 + integerBelow(random() < 0.1 ? 6_000 : 90, random) },
    (_, at) => id * 37 + at * 11,
  );
  const message = { streamId, isUnordered, number, ppid, bytes };
  const count = Math.min(bytes.length, random() < 0.4 ? 1 : 2 + integerBelow(7, random));
  return Array.from({ length: count }, (_, n) => {
    const start = Math.floor(bytes.length * n / count);
    const end = Math.floor(bytes.length * (n + 1) / count);
    const flags = `${n === 0 ? "B" : ""}${n === count - 1 ? "E" : ""}${isUnordered ? "U" : ""}`;
    const piece = {
      streamId,
      // RFC 9260 section 6.6: of unordered messages the SSN means nothing.
      number: isUnordered && !isInterleaved ? integerBelow(2 ** 16, random) : number,
      ppid: n === 0 || !isInterleaved ? ppid : 0,
      fsn: isInterleaved ? n : 0,
      flags,
      text: bytes.subarray(start, end),
    };
    return { message, piece };
  });
}

/** Up to five messages at a time are sent by turns. */
function interleave(
  drafts: readonly Draft[][],
  { isStreamInterleaved = false }: SenderOptions,
  random: Random,
): Draft[] {
  const waiting = drafts.map((draft) => [...draft]);
  const out: Draft[] = [];
  while (waiting.length > 0) {
    const chosen = waiting[integerBelow(Math.min(5, waiting.length), random)];
    const at = waiting.findIndex((one) =>
      one === chosen || (!isStreamInterleaved && isOfSameKind(one[0], chosen?.[0]))
    );
    out.push(...waiting[at]?.splice(0, 1) ?? []);
    if (waiting[at]?.length === 0) waiting.splice(at, 1);
  }
  return out;
}

function isOfSameKind(one: Draft | undefined, other: Draft | undefined): boolean {
  return one?.message.streamId === other?.message.streamId &&
    one?.message.isUnordered === other?.message.isUnordered;
}

function assignTsns(
  sequence: readonly Draft[],
  drafts: readonly Draft[][],
  initialTsn: number,
): { messages: SentMessage[]; pieces: MessagePiece[] } {
  const byDraft = new Map<Draft["message"], SentMessage & { readonly pieces: MessagePiece[] }>();
  const messages = drafts.map((draft) => {
    const [first] = draft;
    if (first === undefined) throw new Error("a message without pieces");
    const message = { ...first.message, pieces: [] };
    byDraft.set(first.message, message);
    return message;
  });
  const pieces = sequence.map(({ message: draft, piece }, at) => {
    const message = byDraft.get(draft);
    if (message === undefined) throw new Error("a piece without a message");
    const sent = { ...piece, tsn: (initialTsn + at) % 2 ** 32, message };
    message.pieces.push(sent);
    return sent;
  });
  return { messages, pieces };
}

/** The same list with its entries moved by up to `reach` places. */
export function shuffleWithin<T>(list: readonly T[], reach: number, random: Random): T[] {
  return list.map((entry, at) => ({ entry, key: at + random() * reach }))
    .sort((one, other) => one.key - other.key)
    .map(({ entry }) => entry);
}
