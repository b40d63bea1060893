/**
 * What waits to be written to a stream: as much as one write takes, while another is under way. What
 * does not fit is not taken, so that nothing grows where the stream is slow.
 */

/** Writes some of the bytes, and tells how many. */
export type StreamWriter = (bytes: Uint8Array<ArrayBuffer>) => Promise<number>;

/** In bytes; there are two such buffers. */
const bufferLength = 128 * 1024;
/** Of it, what is left to requests: those are not asked again. */
const reservedLength = 8 * 1024;

/** The queue of one stream. */
export class RelayWriteQueue {
  readonly #write: StreamWriter;
  readonly #handleFailed: (error: unknown) => void;
  #filling: Uint8Array<ArrayBuffer> | undefined;
  #spare: Uint8Array<ArrayBuffer> | undefined;
  #length = 0;
  #isWriting = false;

  /** `handleFailed` is called when a write rejects; nothing is written after it. */
  constructor(write: StreamWriter, handleFailed: (error: unknown) => void) {
    this.#write = write;
    this.#handleFailed = handleFailed;
  }

  /** Copies the bytes, to be written soon; false where there is no room for them. */
  push(bytes: Uint8Array, start: number, end: number, isRequest: boolean): boolean {
    const room = bufferLength - (isRequest ? 0 : reservedLength);
    if (this.#length + end - start > room) return false; // CHECK T2
    this.#filling ??= new Uint8Array(bufferLength);
    this.#filling.set(bytes.subarray(start, end), this.#length);
    this.#length += end - start;
    if (!this.#isWriting) void this.#writeAll();
    return true;
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    try {
      // What is pushed in the same turn goes by the same write.
      await Promise.resolve();
      while (this.#filling !== undefined && this.#length > 0) {
        const [bytes, length] = [this.#filling, this.#length];
        this.#filling = this.#spare;
        this.#spare = undefined;
        this.#length = 0;
        for (let at = 0; at < length;) at += await this.#write(bytes.subarray(at, length));
        this.#spare = bytes;
      }
      this.#isWriting = false;
    } catch (error) {
      this.#handleFailed(error);
    }
  }
}
