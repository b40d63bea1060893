/** Where the pieces of a message are put together for its delivery. */
import { copyBytes } from "../../copy_bytes.ts";
import type { PayloadStore } from "../payload_store.ts";
import type { Piece } from "./held_pieces.ts";

/** The least that is allocated, so that slowly growing messages do not each allocate. Bytes. */
const minLength = 4_096;
/** A longer buffer is not kept. Bytes. */
const maxIdleLength = 65_536;

const none = new Uint8Array(0);

/** One buffer, grown as messages ask for it. */
export class MessageBuffer {
  #bytes: Uint8Array<ArrayBuffer> = none;

  /** Copies the pieces of a run one behind the other to the start of the buffer that it returns. */
  gather(run: Piece, store: PayloadStore): Uint8Array {
    const bytes = this.#reserve(run.runLength);
    let at = 0;
    for (let piece: Piece | undefined = run; piece !== undefined; piece = piece.next) {
      const start = store.offsetOf(piece.handle);
      copyBytes(store.bytesOf(piece.handle), start, start + piece.length, bytes, at);
      at += piece.length;
    }
    return bytes;
  }

  /** Lets go of a long buffer, once its message has been delivered. */
  trim(): void {
    if (this.#bytes.length > maxIdleLength) this.release();
  }

  /** Lets go of the buffer. */
  release(): void {
    this.#bytes = none;
  }

  #reserve(length: number): Uint8Array<ArrayBuffer> {
    if (this.#bytes.length >= length) return this.#bytes;
    this.#bytes = new Uint8Array(length > maxIdleLength ? length : idleLength(length));
    return this.#bytes;
  }
}

/** The next power of two, so that a buffer grows a few times only. */
function idleLength(length: number): number {
  return Math.max(minLength, 2 ** Math.ceil(Math.log2(length)));
}
