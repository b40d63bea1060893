/**
 * Many channels, one after the other over few ids, between two ends on a lossy path. Every channel
 * carries texts both ways and is closed by either end, by both, or before anything was said.
 *
 * @module
 */
import { equal, ok } from "node:assert/strict";
import type { DataChannel, DataChannelHandler } from "../../src/datachannel/data_channel.ts";
import type { Impairments } from "../sim/impairments.ts";
import { type End, Pair } from "../sim/pair.ts";
import { Random } from "../sim/random.ts";
import { ChannelEndpoint } from "./channel_endpoint.ts";

export interface AssociationChurn {
  readonly seed: number;
  /** Channels in all. */
  readonly count: number;
  readonly impairments: Impairments;
  /** Of both ends together. */
  readonly idCount: number;
  readonly isInterleavingOffered?: boolean;
  /** TSNs and the numbers of reset requests begin just below where they wrap. */
  readonly isWrapping?: boolean;
}

type EndpointPair = Pair<ChannelEndpoint, ChannelEndpoint>;

/** One end of a channel: `label` says how many texts go each way, and who closes it when. */
class Talker implements DataChannelHandler {
  readonly channel: DataChannel;
  readonly #churn: Churn;
  readonly #end: End;
  readonly #isOpener: boolean;
  readonly #count: number;
  readonly #closer: string;
  #receivedCount = 0;
  isClosed = false;

  constructor(churn: Churn, end: End, channel: DataChannel, isOpener: boolean) {
    const [, count, closer = ""] = channel.label.split(" ");
    this.channel = channel;
    this.#churn = churn;
    this.#end = end;
    this.#isOpener = isOpener;
    this.#count = Number(count);
    this.#closer = closer;
    channel.handler = this;
    churn.endCount++;
    this.#speak();
  }

  handleText(text: string): void {
    ok(!this.isClosed, "a text after the end");
    ok(text.startsWith(`${this.channel.label}/${this.#receivedCount++}/`), `${text} came to it`);
    if (this.#receivedCount === this.#count) this.#finish();
  }

  handleBinary(): void {
    throw new Error("nobody sends bytes");
  }

  handleWritable(): void {}

  handleClosed(): void {
    if (this.#churn.pair[this.#end].end !== undefined) return this.#close();
    // Who has closed it has sent all, and all comes before the end.
    if (this.#closer !== "both" && this.#closer !== "early") {
      equal(this.#receivedCount, this.#count);
    }
    this.#close();
  }

  #speak(): void {
    const { channel } = this;
    for (let index = 0; index < this.#count; index++) {
      const padding = "x".repeat(index % 3 === 2 ? 2_500 : 20);
      channel.sendText(`${channel.label}/${index}/${padding}`, this.#now());
    }
    if (this.#closer === "both" || this.#count === 0) this.#finish();
    else if (this.#closer === "early" && this.#isOpener) this.#closeHere();
  }

  /** All has come that was to come. */
  #finish(): void {
    const isCloser = this.#closer === "opener" ? this.#isOpener : !this.#isOpener;
    if (this.#closer === "both" || isCloser) this.#closeHere();
  }

  #closeHere(): void {
    if (this.isClosed) return;
    this.channel.close(this.#now());
    this.#close();
  }

  #close(): void {
    ok(!this.isClosed, "closed twice");
    this.isClosed = true;
    this.#churn.closedEndCount++;
  }

  #now(): number {
    return this.#churn.pair[this.#end].now;
  }
}

class Churn {
  readonly pair: EndpointPair;
  readonly #options: AssociationChurn;
  readonly #random: Random;
  openedCount = 0;
  /** Ends of channels that there have been, and those that are closed. */
  endCount = 0;
  closedEndCount = 0;

  constructor(options: AssociationChurn) {
    const { seed, impairments } = options;
    this.#options = options;
    this.#random = new Random(`churn ${seed}`);
    this.pair = new Pair({
      seed,
      a: this.#createEnd("a", 2 * seed),
      z: this.#createEnd("z", 2 * seed + 1),
      impairments,
    });
  }

  run(): void {
    const { pair } = this;
    for (const end of ["a", "z"] as const) {
      pair.call(end, (endpoint, now) => {
        endpoint.now = now;
        endpoint.sctp.association.connect(now);
        this.#openAll(end);
      });
    }
    pair.run({ until: () => this.#isDone(), maxVirtualMs: this.#options.count * 3_000 });
    // Acknowledgements, and answers to resets that were lost.
    pair.runFor(20_000);
    pair.explain(() => this.#checkNothingIsLeft());
  }

  #createEnd(end: End, seed: number): ChannelEndpoint {
    const { idCount, impairments, isWrapping, isInterleavingOffered = true } = this.#options;
    return new ChannelEndpoint({
      seed,
      channels: {
        handler: {
          handleChannel: (channel) => void new Talker(this, end, channel, false),
          handleReleased: () => this.#openAll(end),
        },
        role: end === "a" ? "client" : "server",
        maxChannelCount: 1_000,
        peerMaxMessageLength: 262_144,
        streamCount: idCount,
      },
      association: {
        isInterleavingOffered,
        isZeroChecksumAcceptable: impairments.corrupt === undefined,
        ...(isWrapping ? { initialTsn: 2 ** 32 - 9 } : {}),
      },
    });
  }

  /** As many as there are free ids. */
  #openAll(end: End): void {
    const { channels, now } = this.pair[end];
    const { count, idCount } = this.#options;
    while (this.openedCount < count) {
      const random = this.#random;
      const closer = random.pick(["opener", "opener", "acceptor", "acceptor", "both", "early"]);
      const label = `${this.openedCount} ${random.below(6)} ${closer}`;
      try {
        new Talker(this, end, channels.open({ label, protocol: "churn" }, now), true);
        this.openedCount++;
      } catch (error) {
        ok(error instanceof Error && /none is free/.test(error.message), String(error));
        ok(channels.usedIdCount >= idCount / 2);
        return;
      }
    }
  }

  #isDone(): boolean {
    const { openedCount, endCount, closedEndCount, pair: { a, z } } = this;
    if (a.end !== undefined || z.end !== undefined) {
      throw new Error(`an association ended: ${a.end ?? z.end}`);
    }
    return openedCount === this.#options.count && endCount === closedEndCount &&
      a.channels.usedIdCount === 0 && z.channels.usedIdCount === 0;
  }

  #checkNothingIsLeft(): void {
    // Who opened a channel has it accepted, whatever became of it: opens are reliable.
    equal(this.endCount, 2 * this.#options.count);
    equal(this.closedEndCount, this.endCount);
    for (const { channels, sctp } of [this.pair.a, this.pair.z]) {
      equal(channels.usedIdCount, 0);
      equal(channels.channelCount, 0);
      equal(channels.refusalCount, 0);
      equal(sctp.association.heldLength, 0);
      equal(sctp.association.figures.queuedLength, 0);
      equal(sctp.store.heldLength, 0);
    }
  }
}

/** Opens and closes so many channels; throws where anything is lost, mixed up or left behind. */
export function churn(options: AssociationChurn): void {
  new Churn(options).run();
}
