/** Something that is read again and again, by several at once. */

/** The newest that was read: of two reads that overlap, it is that which began later. */
export class NewestRead<Value> {
  readonly #read: () => Promise<Value>;
  #value: Value;
  #begunCount = 0;
  /** Which read the value is of. */
  #number = 0;

  constructor(first: Value, read: () => Promise<Value>) {
    this.#value = first;
    this.#read = read;
  }

  /** Asked for when it is put into force: what one has read, another may have read since. */
  get value(): Value {
    return this.#value;
  }

  /** Reads it again. Where that rejects, the value stays. */
  async refresh(): Promise<void> {
    const number = ++this.#begunCount;
    const value = await this.#read();
    if (number < this.#number) return;
    this.#number = number;
    this.#value = value;
  }
}
