/** Lines over a socket, no longer than was agreed. */

/** What is read from. */
export interface ByteSource {
  /** Fills `into` from its beginning; null at the end. */
  read(into: Uint8Array): Promise<number | null>;
}

/** A line was too long, or was no UTF-8. */
export class LineError extends Error {
  override readonly name = "LineError";
}

/** What is held to begin with, in bytes. */
const initialLength = 1_024;
const lineFeed = 10;

/** Reads lines one by one. */
export class LineReader {
  readonly #source: ByteSource;
  readonly #maxLength: number;
  #buffer = new Uint8Array(initialLength);
  #length = 0;

  /** `maxLength`, in bytes, is that of a line without its end. */
  constructor(source: ByteSource, maxLength: number) {
    this.#source = source;
    this.#maxLength = maxLength;
  }

  /** The next line without its end; undefined where the source has ended. Throws {@link LineError}. */
  async next(): Promise<string | undefined> {
    for (let searched = 0;;) {
      const end = this.#buffer.subarray(0, this.#length).indexOf(lineFeed, searched);
      if (end !== -1) return this.#take(end);
      if (this.#length > this.#maxLength) {
        throw new LineError(`a line is longer than ${this.#maxLength} bytes`);
      }
      searched = this.#length;
      this.#grow();
      const count = await this.#source.read(this.#buffer.subarray(this.#length));
      if (count === null) return undefined;
      this.#length += count;
    }
  }

  #take(end: number): string {
    if (end > this.#maxLength) {
      throw new LineError(`a line is longer than ${this.#maxLength} bytes`);
    }
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(this.#buffer.subarray(0, end));
    } catch (cause) {
      throw new LineError("a line is no UTF-8", { cause });
    } finally {
      this.#buffer.copyWithin(0, end + 1, this.#length);
      this.#length -= end + 1;
    }
  }

  /** There is room for a line and its end, and no more. */
  #grow(): void {
    if (this.#length < this.#buffer.length) return;
    const grown = new Uint8Array(Math.min(2 * this.#buffer.length, this.#maxLength + 1));
    grown.set(this.#buffer);
    this.#buffer = grown;
  }
}

/** Writes a value as one line of JSON. Throws what the socket does. */
export async function writeLine(
  sink: { write(bytes: Uint8Array): Promise<number> },
  value: unknown,
): Promise<void> {
  let rest = new TextEncoder().encode(`${JSON.stringify(value)}\n`);
  while (rest.length > 0) rest = rest.subarray(await sink.write(rest));
}
