/** Senders that give messages up at random: what was not given up is delivered all the same. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { ForwardTsn, SkippedMessage } from "../../../src/sctp/packet/forward_tsn_chunk.ts";
import { ReceivedTsns } from "../../../src/sctp/rx/received_tsns.ts";
import { seededRandom } from "../../dtls/seeded_random.ts";
import {
  createMessages,
  type MessagePiece,
  type SenderOptions,
  type SentMessage,
  shuffleWithin,
} from "./random_messages.ts";
import { ReassemblyHarness } from "./reassembly_harness.ts";

/** A sender that follows RFC 3758, section 3.5, and knows at once what has come. */
class ForwardingSender {
  readonly #pieces: readonly MessagePiece[];
  readonly #abandoned: ReadonlySet<SentMessage>;
  readonly #isInterleaved: boolean;
  readonly #come = new Set<MessagePiece>();
  /** How many pieces are acknowledged, or given up. */
  #advancedCount = 0;

  constructor(
    pieces: readonly MessagePiece[],
    abandoned: ReadonlySet<SentMessage>,
    isInterleaved: boolean,
  ) {
    this.#pieces = pieces;
    this.#abandoned = abandoned;
    this.#isInterleaved = isInterleaved;
  }

  noteCome(piece: MessagePiece): void {
    this.#come.add(piece);
  }

  /** The FORWARD TSN that is due, if any. */
  nextForward(): ForwardTsn | undefined {
    const passed: MessagePiece[] = [];
    let hasMissing = false;
    for (;;) {
      const piece = this.#pieces[this.#advancedCount];
      if (piece === undefined) break;
      const hasCome = this.#come.has(piece);
      if (!hasCome && !this.#abandoned.has(piece.message)) break;
      hasMissing ||= !hasCome;
      passed.push(piece);
      this.#advancedCount++;
    }
    const last = passed.at(-1);
    if (last === undefined || !hasMissing) return undefined;
    return { newCumulativeTsn: last.tsn, skipped: this.#skipped(passed) };
  }

  #skipped(passed: readonly MessagePiece[]): SkippedMessage[] {
    const last = new Map<string, SkippedMessage>();
    for (const { message } of passed) {
      const { streamId, number, isUnordered } = message;
      if (!this.#abandoned.has(message) || (isUnordered && !this.#isInterleaved)) continue;
      const key = `${streamId} ${isUnordered}`;
      const known = last.get(key)?.messageNumber ?? number;
      const wrap = this.#isInterleaved ? 2 ** 32 : 2 ** 16;
      const isLater = (number - known + wrap) % wrap < wrap / 2;
      last.set(key, { streamId, isUnordered, messageNumber: isLater ? number : known });
    }
    return [...last.values()];
  }
}

/** A message without what names its pieces, to be compared. */
function contentOf({ streamId, ppid, bytes }: SentMessage): string {
  return JSON.stringify([streamId, ppid, [...bytes]]);
}

function runForwarding(options: SenderOptions, seed: number): void {
  const random = seededRandom(seed);
  const { messages, pieces } = createMessages(options, random);
  const abandoned = new Set(messages.filter(() => random() < 0.3));
  const harness = new ReassemblyHarness(options);
  const tsns = new ReceivedTsns(options.initialTsn);
  const sender = new ForwardingSender(pieces, abandoned, options.isInterleaved);
  for (const piece of shuffleWithin(pieces, 20, random)) {
    const isDropped = abandoned.has(piece.message) && random() < 0.4;
    if (!isDropped && tsns.judge(piece.tsn) === "new") {
      tsns.add(piece.tsn);
      harness.giveAll(piece);
      sender.noteCome(piece);
    }
    if (random() < 0.7) continue;
    giveUp(sender, tsns, harness);
  }
  giveUp(sender, tsns, harness);
  ok(!tsns.hasGaps);
  checkDelivered(messages, abandoned, harness);
  equal(harness.reassembly.heldLength, 0);
  equal(harness.store.heldLength, 0);
}

function giveUp(sender: ForwardingSender, tsns: ReceivedTsns, harness: ReassemblyHarness): void {
  const forward = sender.nextForward();
  if (forward === undefined || !tsns.forward(forward.newCumulativeTsn)) return;
  harness.forward(forward.newCumulativeTsn, ...forward.skipped);
}

function checkDelivered(
  messages: readonly SentMessage[],
  abandoned: ReadonlySet<SentMessage>,
  harness: ReassemblyHarness,
): void {
  const delivered = harness.delivered.map(({ streamId, ppid, bytes }) =>
    JSON.stringify([streamId, ppid, [...bytes]])
  );
  equal(new Set(delivered).size, delivered.length, "none is delivered twice");
  const all = new Map(messages.map((message) => [contentOf(message), message]));
  equal(all.size, messages.length);
  const known = delivered.map((content) => all.get(content));
  ok(known.every((message) => message !== undefined), "none is made up");
  const missing = messages.filter((message) => !abandoned.has(message) && !known.includes(message));
  deepEqual(missing, [], "none is missing that was not given up");
  for (const streamId of new Set(messages.map((message) => message.streamId))) {
    const isOrdered = (message: SentMessage | undefined): boolean =>
      message?.streamId === streamId && !message.isUnordered;
    const inOrder: readonly SentMessage[] = messages.filter((message) =>
      isOrdered(message) && known.includes(message)
    );
    deepEqual(known.filter(isOrdered), inOrder, "the ordered ones come in order");
  }
}

for (const isInterleaved of [false, true]) {
  const kind = isInterleaved ? "I-DATA" : "DATA";
  Deno.test(`S13: whatever is given up in ${kind}, the rest is delivered and nothing stays held`, () => {
    for (let seed = 1; seed <= 60; seed++) {
      runForwarding({
        isInterleaved,
        initialTsn: 2 ** 32 - 30,
        initialMessageNumber: 2 ** (isInterleaved ? 32 : 16) - 5,
        messageCount: 100,
        streamCount: 1 + seed % 4,
      }, seed);
    }
  });
}
