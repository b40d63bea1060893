/** Bytes that several share: what one takes the others cannot have. */

/** So many bytes in all, of which a parent may have fewer. */
export class Budget {
  readonly #limit: number;
  readonly #parent: Budget | undefined;
  #taken = 0;

  constructor(limit: number, parent?: Budget) {
    this.#limit = limit;
    this.#parent = parent;
  }

  /** What is taken, in bytes. */
  get taken(): number {
    return this.#taken;
  }

  /** Takes all of it, or nothing: then false. */
  take(length: number): boolean {
    if (this.#taken + length > this.#limit || this.#parent?.take(length) === false) return false;
    this.#taken += length;
    return true;
  }

  /** Gives back what was taken. */
  give(length: number): void {
    this.#taken -= length;
    this.#parent?.give(length);
  }
}
