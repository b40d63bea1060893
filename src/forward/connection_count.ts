/** How many connections there are, and were: of a forward, or that the other node of a link asked for. */

/** A count, as it is read. */
export interface Count {
  /** Now. */
  readonly open: number;
  /** Since it is counted. */
  readonly total: number;
}

/** Counts connections from their beginning to their end. */
export class ConnectionCount implements Count {
  #open = 0;
  #total = 0;

  get open(): number {
    return this.#open;
  }

  get total(): number {
    return this.#total;
  }

  /** One has begun, and is over when the promise settles. */
  add(over: Promise<unknown>): void {
    this.#open++;
    this.#total++;
    void over.finally(() => this.#open--);
  }
}
