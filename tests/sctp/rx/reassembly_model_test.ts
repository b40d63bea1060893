/** Reassembly against a plain model of what has to be delivered when. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { pieceCost } from "../../../src/sctp/rx/held_pieces.ts";
import { ReceivedTsns } from "../../../src/sctp/rx/received_tsns.ts";
import { seededRandom } from "../../dtls/seeded_random.ts";
import {
  createMessages,
  integerBelow,
  type MessagePiece,
  type SenderOptions,
  type SentMessage,
  shuffleWithin,
} from "./random_messages.ts";
import { ReassemblyHarness } from "./reassembly_harness.ts";

/** Which messages are due, by looking at all of them each time. */
class NaiveReassembly {
  readonly #messages: readonly SentMessage[];
  readonly #come = new Set<MessagePiece>();
  readonly #delivered = new Set<SentMessage>();

  constructor(messages: readonly SentMessage[]) {
    this.#messages = messages;
  }

  /** Takes a piece; returns the messages that are due by it, in the order of their streams. */
  take(piece: MessagePiece): SentMessage[] {
    this.#come.add(piece);
    if (piece.message.isUnordered) {
      return this.#isComplete(piece.message) ? [this.#deliver(piece.message)] : [];
    }
    const due: SentMessage[] = [];
    for (const message of this.#messages) {
      if (message.streamId !== piece.streamId || message.isUnordered) continue;
      if (this.#delivered.has(message)) continue;
      if (!this.#isComplete(message)) break;
      due.push(this.#deliver(message));
    }
    return due;
  }

  get heldLength(): number {
    return [...this.#come]
      .filter(({ message }) => !this.#delivered.has(message))
      .reduce((sum, { text }) => sum + pieceCost(text.length), 0);
  }

  #isComplete(message: SentMessage): boolean {
    return message.pieces.every((piece) => this.#come.has(piece));
  }

  #deliver(message: SentMessage): SentMessage {
    this.#delivered.add(message);
    for (const piece of message.pieces) this.#come.delete(piece);
    return message;
  }
}

function runModel(options: SenderOptions, reach: number, seed: number): void {
  const random = seededRandom(seed);
  const { messages, pieces } = createMessages(options, random);
  const harness = new ReassemblyHarness(options);
  const naive = new NaiveReassembly(messages);
  const tsns = new ReceivedTsns(options.initialTsn);
  const arrivals = shuffleWithin(pieces, reach, random);
  for (const [at, piece] of arrivals.entries()) {
    equal(tsns.judge(piece.tsn), "new");
    tsns.add(piece.tsn);
    harness.giveAll(piece);
    deepEqual(
      harness.delivered.splice(0),
      naive.take(piece).map(({ streamId, ppid, bytes }) => ({ streamId, ppid, bytes })),
    );
    equal(harness.reassembly.heldLength, naive.heldLength);
    const again = arrivals[integerBelow(at + 1, random)];
    ok(again === undefined || tsns.judge(again.tsn) === "duplicate");
  }
  ok(!tsns.hasGaps);
  equal(harness.reassembly.heldLength, 0);
  equal(harness.store.heldLength, 0);
}

for (const isInterleaved of [false, true]) {
  const kind = isInterleaved ? "I-DATA" : "DATA";
  for (const reach of [0, 3, 40, 400]) {
    Deno.test(`S7: each message in ${kind} is delivered once and in order, pieces ${reach} places apart`, () => {
      const wraps = {
        initialTsn: 2 ** 32 - 3,
        initialMessageNumber: 2 ** (isInterleaved ? 32 : 16) - 2,
      };
      for (let seed = 1; seed <= 12; seed++) {
        const streamCount = 1 + seed % 5;
        const isStreamInterleaved = seed % 2 === 0;
        const options = { isInterleaved, isStreamInterleaved, messageCount: 120, streamCount };
        runModel({ ...options, ...wraps }, reach, seed);
        runModel({ ...options, initialTsn: 2 ** 31 - 100, initialMessageNumber: 0 }, reach, seed);
      }
    });
  }
}
