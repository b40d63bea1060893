/**
 * What a client says first, under a rule: it is held until it is judged, and all that follows passes
 * as it is, unless the target has the client begin anew. What the target says meanwhile passes too: with some protocols it speaks first.
 */
import type { Connection } from "../../socket/connection.ts";
import { type Filter, type FilterContext, FilterError } from "./filter.ts";

/** So long a client may take for it, in ms. */
const prefaceTimeout = 30_000;
/** In so many pieces it may come: each is judged with all before it. */
const maxPieceCount = 256;

/** What the first bytes are found to be. */
export type PrefaceVerdict =
  | { readonly type: "more" }
  /** So many bytes of them. */
  | { readonly type: "allowed"; readonly summary: string; readonly length: number }
  | { readonly type: "refused"; readonly summary: string; readonly reason: string };

/** One protocol's first words. */
export interface Preface {
  /** No more than this is held, in bytes. */
  readonly maxLength: number;
  judge(bytes: Uint8Array): PrefaceVerdict;
  /** Where a target may have the client begin anew. */
  readonly second?: {
    /** Whether the target's first bytes ask for it; "more" where they do not say yet. */
    isAskedFor(bytes: Uint8Array): boolean | "more";
    judge(bytes: Uint8Array): PrefaceVerdict;
  };
}

type Judge = (bytes: Uint8Array) => PrefaceVerdict;

/** Puts the judge of first words before a target. */
export function prefaceFilter(preface: Preface): Filter {
  return (connection, context) => new PrefaceConnection(connection, preface, context);
}

class PrefaceConnection implements Connection {
  readonly remote: string;
  readonly #target: Connection;
  readonly #preface: Preface;
  readonly #context: FilterContext;
  readonly #first: Judge;
  /** Undefined while all passes. */
  #judge: Judge | undefined;
  #held = new Uint8Array(0);
  #pieceCount = 0;
  /** What the target says first, where the client may have to begin anew: it waits for that. */
  #reply: { heard: Uint8Array; readonly isAsked: PromiseWithResolvers<boolean> } | undefined;
  readonly #timer: ReturnType<typeof setTimeout>;

  constructor(target: Connection, preface: Preface, context: FilterContext) {
    this.remote = target.remote;
    this.#target = target;
    this.#preface = preface;
    this.#judge = this.#first = (bytes) => preface.judge(bytes);
    this.#context = context;
    this.#timer = setTimeout(
      () => context.breakOff("the client did not say in time what it speaks"),
      prefaceTimeout,
    );
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    const count = await this.#target.read(buffer);
    if (this.#reply !== undefined) this.#hear(buffer.subarray(0, count ?? 0), count === null);
    return count;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#untilReply();
    if (this.#judge === undefined) return await this.#target.write(bytes);
    const held = this.#held = joined(this.#held, bytes);
    const verdict = this.#judge(held);
    const mayGoOn = held.length <= this.#preface.maxLength && ++this.#pieceCount < maxPieceCount;
    if (verdict.type === "more" && mayGoOn) return;
    clearTimeout(this.#timer);
    if (verdict.type !== "allowed") {
      const { summary, reason } = verdict.type === "refused"
        ? verdict
        : { summary: "unknown", reason: "its first words are too many" };
      this.#context.onJudged(summary, reason);
      throw new FilterError(`${reason} (rule ${this.#context.ruleName})`);
    }
    this.#context.onJudged(verdict.summary);
    this.#pass();
    await this.#target.write(held.subarray(0, verdict.length));
    if (verdict.length < held.length) await this.write(held.subarray(verdict.length));
  }

  endWrite(): Promise<void> {
    if (this.#held.length > 0) {
      return Promise.reject(new FilterError("it ended within its first words"));
    }
    return this.#target.endWrite();
  }

  probe(): Promise<void> {
    return this.#target.probe();
  }

  reset(): void {
    this.#free();
    this.#target.reset();
  }

  close(): void {
    this.#free();
    this.#target.close();
  }

  /** What was held goes out. What follows passes, or waits for what the target says to it. */
  #pass(): void {
    const isFirst = this.#judge === this.#first;
    this.#judge = undefined;
    this.#held = new Uint8Array(0);
    if (!isFirst || this.#preface.second === undefined) return;
    this.#reply = { heard: new Uint8Array(0), isAsked: Promise.withResolvers() };
  }

  #hear(bytes: Uint8Array, isEnd: boolean): void {
    const { second } = this.#preface;
    const reply = this.#reply;
    if (reply === undefined || second === undefined) return;
    reply.heard = joined(reply.heard, bytes);
    const isAsked = second.isAskedFor(reply.heard);
    if (isAsked !== "more") reply.isAsked.resolve(isAsked);
    else if (isEnd) reply.isAsked.resolve(false);
  }

  async #untilReply(): Promise<void> {
    const { second } = this.#preface;
    if (this.#reply === undefined || second === undefined) return;
    const isAsked = await this.#reply.isAsked.promise;
    this.#reply = undefined;
    if (!isAsked) return;
    this.#judge = (bytes) => second.judge(bytes);
    this.#pieceCount = 0;
  }

  #free(): void {
    clearTimeout(this.#timer);
    this.#reply?.isAsked.resolve(false);
  }
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(one.length + other.length);
  whole.set(one);
  whole.set(other, one.length);
  return whole;
}
