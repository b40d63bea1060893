/**
 * What a client says first, under a rule: it is held until it is judged, and all that follows passes
 * as it is. What the target says meanwhile passes too: with some protocols it speaks first.
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
  | { readonly type: "allowed"; readonly summary: string }
  | { readonly type: "refused"; readonly summary: string; readonly reason: string };

/** One protocol's first words. */
export interface Preface {
  /** No more than this is held, in bytes. */
  readonly maxLength: number;
  judge(bytes: Uint8Array): PrefaceVerdict;
}

/** Puts the judge of first words before a target. */
export function prefaceFilter(preface: Preface): Filter {
  return (connection, context) => new PrefaceConnection(connection, preface, context);
}

class PrefaceConnection implements Connection {
  readonly remote: string;
  readonly #target: Connection;
  readonly #preface: Preface;
  readonly #context: FilterContext;
  /** Undefined once it was judged. */
  #held: Uint8Array<ArrayBuffer> | undefined = new Uint8Array(0);
  #pieceCount = 0;
  readonly #timer: ReturnType<typeof setTimeout>;

  constructor(target: Connection, preface: Preface, context: FilterContext) {
    this.remote = target.remote;
    this.#target = target;
    this.#preface = preface;
    this.#context = context;
    this.#timer = setTimeout(
      () => context.breakOff("the client did not say in time what it speaks"),
      prefaceTimeout,
    );
  }

  read(buffer: Uint8Array): Promise<number | null> {
    return this.#target.read(buffer);
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#held === undefined) return await this.#target.write(bytes);
    const held = this.#held = joined(this.#held, bytes);
    const verdict = this.#preface.judge(held);
    const mayGoOn = held.length <= this.#preface.maxLength && ++this.#pieceCount < maxPieceCount;
    if (verdict.type === "more" && mayGoOn) return;
    clearTimeout(this.#timer);
    if (verdict.type !== "allowed") {
      const { summary, reason } = verdict.type === "refused"
        ? verdict
        : { summary: "unknown", reason: "its first words are too many" };
      this.#context.onJudged(summary, false);
      throw new FilterError(`${reason} (rule ${this.#context.ruleName})`);
    }
    this.#context.onJudged(verdict.summary, true);
    this.#held = undefined;
    await this.#target.write(held);
  }

  endWrite(): Promise<void> {
    const isIncomplete = this.#held !== undefined && this.#held.length > 0;
    if (isIncomplete) return Promise.reject(new FilterError("it ended within its first words"));
    return this.#target.endWrite();
  }

  probe(): Promise<void> {
    return this.#target.probe();
  }

  reset(): void {
    clearTimeout(this.#timer);
    this.#target.reset();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#target.close();
  }
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(one.length + other.length);
  whole.set(one);
  whole.set(other, one.length);
  return whole;
}
