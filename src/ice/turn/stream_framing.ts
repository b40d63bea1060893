/**
 * Messages out of a stream (RFC 8489 section 6.2.2, RFC 8656 section 12.5): STUN and ChannelData, one
 * behind the other, cut anywhere.
 */
import { classify } from "../classify.ts";
import { headerLength, magicCookie } from "../stun/message_header.ts";
import { padded, readUint16, readUint32 } from "../../network_order.ts";
import { channelDataHeaderLength } from "./channel_data.ts";

/** Takes one message, `bytes[start..end)` with its padding; lent until this returns. */
export type MessageHandler = (bytes: Uint8Array, start: number, end: number) => void;

/** The longest message: a header, and what 16 bits of length can say, padded. */
const maxFrameLength = headerLength + 0x10000;
/** Type, length and cookie: by these it is known what comes. */
const stunPrefixLength = 8;

/** What is known of the message that begins somewhere: its length, or that more bytes are needed. */
type Frame = number | "unknown" | "broken";

/** Cuts one stream. */
export class StreamFraming {
  readonly #handler: MessageHandler;
  /** The beginning of a message whose end has not come. It takes memory only once it is needed. */
  #kept = new Uint8Array(0);
  #keptLength = 0;
  #isBroken = false;

  constructor(handler: MessageHandler) {
    this.#handler = handler;
  }

  /**
   * Takes the next bytes of the stream. False where what comes is no TURN: nothing of the stream can
   * be read any more.
   */
  handleBytes(bytes: Uint8Array, start: number, end: number): boolean {
    let at = start;
    while (!this.#isBroken && this.#keptLength > 0 && at < end) at = this.#complete(bytes, at, end);
    while (!this.#isBroken && at < end) {
      const frame = frameAt(bytes, at, end);
      if (frame === "broken") this.#isBroken = true;
      else if (frame === "unknown" || frame > end - at) {
        this.#keep(bytes, at, end);
        at = end;
      } else {
        this.#handler(bytes, at, at + frame);
        at += frame;
      }
    }
    return !this.#isBroken;
  }

  /** Adds what is missing to the message that is kept; returns where the rest begins. */
  #complete(bytes: Uint8Array, at: number, end: number): number {
    const known = frameAt(this.#kept, 0, this.#keptLength);
    const wanted = typeof known === "number" ? known : this.#keptLength + 1;
    const taken = Math.min(end - at, wanted - this.#keptLength);
    this.#keep(bytes, at, at + taken);
    const frame = frameAt(this.#kept, 0, this.#keptLength);
    if (frame === "broken") this.#isBroken = true;
    else if (frame === this.#keptLength) {
      this.#keptLength = 0;
      this.#handler(this.#kept, 0, frame);
    }
    return at + taken;
  }

  #keep(bytes: Uint8Array, start: number, end: number): void {
    if (this.#kept.length === 0) this.#kept = new Uint8Array(maxFrameLength); // CHECK T2
    this.#kept.set(bytes.subarray(start, end), this.#keptLength);
    this.#keptLength += end - start;
  }
}

/** The length of the message that begins at `start`. */
function frameAt(bytes: Uint8Array, start: number, end: number): Frame {
  const kind = classify(bytes[start]);
  if (kind === "channelData") {
    if (end - start < channelDataHeaderLength) return "unknown";
    // RFC 8656 section 12.5: "The padding is not reflected in the length field of the ChannelData
    // message" CHECK T2
    return channelDataHeaderLength + padded(readUint16(bytes, start + 2));
  }
  if (kind !== "stun") return "broken";
  if (end - start < stunPrefixLength) return "unknown";
  const length = readUint16(bytes, start + 2);
  const isStun = readUint32(bytes, start + 4) === magicCookie && length % 4 === 0;
  return isStun ? headerLength + length : "broken"; // CHECK T2
}
