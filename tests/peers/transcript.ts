/**
 * What a peer says, as it comes, and who waits for something in it.
 *
 * @module
 */
import { beforeDeadline, tailOf } from "./deadline.ts";

/** Everything that a peer has said. */
export class Transcript {
  readonly #speaker: string;
  readonly #patience: number | undefined;
  #text = "";
  /** Why no more will come. */
  #ending: string | undefined;
  #wake = Promise.withResolvers<void>();

  /** Of a peer of that name, whom one waits for so long, in ms. */
  constructor(speaker: string, patience?: number) {
    this.#speaker = speaker;
    this.#patience = patience;
  }

  get text(): string {
    return this.#text;
  }

  /** It has said more. */
  add(text: string): void {
    this.#text += text;
    this.#notify();
  }

  /** It will say no more. The first reason is the one that counts. */
  end(reason: string): void {
    this.#ending ??= reason;
    this.#notify();
  }

  /** Waits until it has said this, for a time. */
  async waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    const explain = () => this.#lacks(pattern, "in time");
    return await beforeDeadline(this.#find(pattern), explain, this.#patience);
  }

  async #find(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#text);
      if (found !== null) return found;
      if (this.#ending !== undefined) throw new Error(this.#lacks(pattern, this.#ending));
      await this.#wake.promise;
    }
  }

  #lacks(pattern: RegExp, when: string): string {
    return `${this.#speaker} did not say ${pattern} (${when}), but: ${tailOf(this.#text)}`;
  }

  #notify(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}
