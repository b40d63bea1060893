/** What comes from elsewhere, for a test to take in its own time. */

/** Values in the order in which they came. */
export class Arrivals<T> {
  readonly #values: T[] = [];
  #onArrival: (() => void) | undefined;

  add(value: T): void {
    this.#values.push(value);
    this.#onArrival?.();
  }

  /** The next value, when it comes. */
  async next(): Promise<T> {
    return await this.until(() => true);
  }

  /** The next value that fits; those before it are dropped. */
  async until(fits: (value: T) => boolean): Promise<T> {
    for (;;) {
      while (this.#values.length > 0) {
        const [value] = this.#values.splice(0, 1);
        if (value !== undefined && fits(value)) return value;
      }
      await new Promise<void>((resolve) => this.#onArrival = resolve);
    }
  }
}
