/** The measured side of a stream: moved only as its grant lets bytes pass, and counted. */
import type { Pace } from "../access/access.ts";
import type { StreamPort } from "../forward/stream_port.ts";
import { readAll, sendAll, type Taker } from "./stream_work.ts";

/** One stream. */
export class PacedPort {
  readonly port: StreamPort;
  readonly #pace: Pace | undefined;
  #sentLength = 0;

  /** Not paced where there is no pace. */
  constructor(port: StreamPort, pace: Pace | undefined) {
    this.port = port;
    this.#pace = pace;
  }

  /** Payload that was sent, in bytes. */
  get sentLength(): number {
    return this.#sentLength;
  }

  /** Sends all of the bytes when they may pass. Throws where no more may. */
  async send(bytes: Uint8Array): Promise<void> {
    for (const slice of this.#slicesOf(bytes)) {
      await this.#pace?.spend("down", slice.length);
      await sendAll(this.port, slice);
      this.#sentLength += slice.length;
    }
  }

  /** Hands all payload on as it comes and may pass, until its end. Throws where no more may. */
  async receive(take: Taker): Promise<void> {
    await readAll(this.port, async (bytes) => {
      for (const slice of this.#slicesOf(bytes)) {
        await this.#pace?.spend("up", slice.length);
        await take(slice);
      }
    });
  }

  /** All came, and all was sent. */
  endBoth(): void {
    this.port.stream.end();
    this.port.stream.confirmEnd();
  }

  *#slicesOf(bytes: Uint8Array): Generator<Uint8Array> {
    for (let start = 0; start < bytes.length;) {
      const end = Math.min(start + (this.#pace?.sliceLength ?? Infinity), bytes.length);
      yield bytes.subarray(start, end);
      start = end;
    }
  }
}
