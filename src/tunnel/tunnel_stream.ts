/**
 * One forwarded connection over one data channel: open, refuse, credit, half-close, reset. It knows
 * the channel's messages and nothing of sockets, clocks or timers; docs/protocol.md has the whole.
 *
 * Who closes the channel: the side for which the stream is over on **receiving** a message, for
 * then nothing of the other side is under way any more. The side for which it is over on sending
 * waits for that, and its owner gives up waiting after a while.
 */
import type { Channel, ChannelHandler } from "../link/link.ts";
import type { Instant } from "../sans_io.ts";
import {
  type ControlMessage,
  maxCreditLength,
  parseControlMessage,
  type RefusalCode,
  writeControlMessage,
} from "./control_message.ts";
import { ReceiveWindow } from "./receive_window.ts";

/** DCEP's protocol field for a TCP connection. */
export const tcpProtocol = "aetherport-tcp/1";
/** What each side may send before any credit came, in bytes. Part of the protocol. */
export const initialCredit = 262_144;

/** What a stream tells its owner. */
export interface TunnelStreamHandler {
  /** The other side has dialled the target (only to the opener). */
  handleOpened(): void;
  /**
   * The opener's first message came (only to the acceptor), with the address of its client where it
   * tells one. Called once at most.
   */
  handleClient?(client: string | undefined): void;
  /**
   * Payload came: `bytes[start..end)`, lent until this returns; or, where it stays, until
   * `handleBatchEnd` does. It counts against the window until it is consumed.
   */
  handlePayload(bytes: Uint8Array, start: number, end: number, isStaying: boolean): void;
  /** All that came together has been told, and nothing of it stays. */
  handleBatchEnd(): void;
  /** The other side sends no more payload. */
  handleEnd(): void;
  /** `sendableLength` has grown from zero. */
  handleWritable(): void;
  /** The stream is over. Called once. */
  handleClosed(closed: StreamClosed): void;
  /** The channel is closed too, and nothing is held any more. Called once, never before. */
  handleReleased(): void;
}

/** How a stream ended. */
export type StreamClosed =
  | { readonly how: "finished" }
  | { readonly how: "refused"; readonly code: RefusalCode; readonly reason: string }
  | { readonly how: "reset"; readonly reason: string };

/** One direction: open, its end sent, and that end confirmed by the other side of it. */
type Direction = "open" | "ended" | "confirmed";

/** One end of a stream. */
export class TunnelStream implements ChannelHandler {
  handler: TunnelStreamHandler | undefined;
  readonly #channel: Channel;
  readonly #role: "opener" | "acceptor";
  #isOpened = false;
  /** The opener's first message came. */
  #hasBegun = false;
  #outbound: Direction = "open";
  #inbound: Direction = "open";
  #isClosed = false;
  #isReleased = false;
  /** Bytes this side may still send. */
  #credit = initialCredit;
  #isStarved = false;
  /** Bytes the other side may still send. */
  #granted = initialCredit;
  /** Bytes received that the owner has not consumed. */
  #unconsumed = 0;
  readonly #window: ReceiveWindow;

  constructor(channel: Channel, { role }: { role: "opener" | "acceptor" }) {
    this.#channel = channel;
    this.#role = role;
    this.#window = new ReceiveWindow(channel.windowBudget);
    channel.handler = this;
  }

  /** The target as the opener asks for it. */
  get label(): string {
    return this.#channel.label;
  }

  /** What is best sent at once on the path as it is, in bytes: whole packets. */
  get burstLength(): number {
    return this.#channel.burstLength;
  }

  /** The most that `send` takes now; zero while credit or the channel's buffer is used up. */
  get sendableLength(): number {
    if (this.#isClosed || this.#outbound !== "open") return 0;
    const length = Math.min(this.#credit, this.#channel.sendableLength);
    if (length === 0) this.#isStarved = true;
    return length;
  }

  /**
   * The opener says for which client it asks, before it sends anything else: with credit, which nodes
   * take that know nothing of clients.
   */
  introduce(client: string | undefined): void {
    if (this.#isClosed) return;
    const bytes = this.#window.length - this.#granted;
    this.#granted += bytes;
    this.#write({ type: "credit", bytes, ...(client === undefined ? {} : { client }) });
  }

  /** The acceptor has dialled the target. */
  accept(): void {
    if (this.#isClosed) return;
    this.#isOpened = true;
    this.#write({ type: "opened" });
  }

  /** The acceptor will not, or could not, dial the target. */
  refuse(code: RefusalCode, reason: string): void {
    if (this.#isClosed) return;
    this.#write({ type: "refused", code, reason });
    this.#finish({ how: "refused", code, reason });
  }

  /**
   * Sends payload, `bytes[start..end)`, which is copied before this returns.
   * @throws {RangeError} where it is more than `sendableLength`
   */
  send(bytes: Uint8Array, start: number, end: number): void {
    if (end - start > this.sendableLength) throw new RangeError("more than may be sent");
    this.#credit -= end - start;
    this.#channel.sendRun(bytes, start, end);
  }

  /** Half-close: no more payload goes out. */
  end(): void {
    if (this.#isClosed || this.#outbound !== "open") return;
    this.#outbound = "ended";
    this.#write({ type: "end" });
  }

  /**
   * Payload was handed over: the other side may send as much again. What a stream that is over has
   * not consumed counts as consumed.
   */
  consume(length: number, now: Instant): void {
    if (this.#isClosed) return;
    this.#unconsumed -= length;
    this.#channel.consume(length);
    if (this.#inbound !== "open") return;
    const { roundTrip } = this.#channel;
    const left = this.#unconsumed;
    this.#window.handleConsumed(length, { left, roundTrip, now });
    const grant = this.#window.length - this.#granted - left;
    if (grant < this.#window.length / 4) return;
    this.#granted += grant;
    this.#write({ type: "credit", bytes: grant });
  }

  /** All payload and its end were handed over. */
  confirmEnd(): void {
    if (this.#isClosed || this.#inbound !== "ended") return;
    this.#inbound = "confirmed";
    this.#write({ type: "ended" });
    if (this.#isOver()) this.#finish({ how: "finished" });
  }

  /** Breaks the stream off; the other side is told why. */
  reset(reason: string): void {
    if (this.#isClosed) return;
    this.#write({ type: "reset", reason });
    this.#finish({ how: "reset", reason });
  }

  /** Frees the channel, whether or not the other side has closed it. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#channel.close();
    this.handler?.handleReleased();
  }

  handleBinary(bytes: Uint8Array, start: number, end: number, isStaying: boolean): void {
    const length = end - start;
    if (length === 0) return;
    if (!this.#hasBegun) this.#begin(undefined);
    this.#unconsumed += length;
    if (this.#isClosed) return this.#consumeRest();
    const fault = this.#faultOfPayload(length);
    if (fault !== undefined) return this.reset(fault);
    this.#granted -= length;
    this.handler?.handlePayload(bytes, start, end, isStaying);
  }

  handleBatchEnd(): void {
    this.handler?.handleBatchEnd();
  }

  handleText(text: string): void {
    const message = parseControlMessage(text);
    if (!this.#hasBegun) this.#begin(message);
    this.#handleControl(message);
  }

  handleWritable(): void {
    if (!this.#isStarved || this.sendableLength === 0) return;
    this.#isStarved = false;
    this.handler?.handleWritable();
  }

  handleClosed(): void {
    this.#finish({ how: "reset", reason: "the link or the other node ended it" });
    this.release();
  }

  #begin(message: ControlMessage | undefined): void {
    this.#hasBegun = true;
    if (this.#role === "opener") return;
    this.handler?.handleClient?.(message?.type === "credit" ? message.client : undefined);
  }

  /** Why payload must not come now; undefined where it may. */
  #faultOfPayload(length: number): string | undefined {
    if (this.#inbound !== "open") return "payload after the end";
    if (this.#role === "opener" && !this.#isOpened) return "payload before opened";
    return length > this.#granted ? "payload beyond the credit" : undefined;
  }

  /** Nobody will hand on what is left, so it must not narrow the link's window. */
  #consumeRest(): void {
    this.#channel.consume(this.#unconsumed);
    this.#unconsumed = 0;
  }

  #handleControl(message: ControlMessage | undefined): void {
    if (message?.type === "reset" || message?.type === "refused") return this.#handleBreak(message);
    if (this.#isClosed) return;
    switch (message?.type) {
      case "opened":
        if (this.#role === "acceptor" || this.#isOpened) return this.reset("unexpected opened");
        this.#isOpened = true;
        this.handler?.handleOpened();
        return;
      case "credit":
        this.#credit = Math.min(this.#credit + message.bytes, maxCreditLength);
        this.handleWritable();
        return;
      case "end":
        if (this.#inbound !== "open") return this.reset("a second end");
        this.#inbound = "ended";
        this.handler?.handleEnd();
        return;
      case "ended":
        if (this.#outbound !== "ended") return this.reset("ended before the end");
        this.#outbound = "confirmed";
        this.#finishOnReceiving();
        return;
      default:
        return this.reset("a control message that is none");
    }
  }

  /** Nothing more comes from the other side, so the channel can be closed at once. */
  #handleBreak(message: ControlMessage & { type: "reset" | "refused" }): void {
    this.#finish(
      message.type === "reset"
        ? { how: "reset", reason: message.reason }
        : { how: "refused", code: message.code, reason: message.reason },
    );
    this.release();
  }

  #finishOnReceiving(): void {
    if (!this.#isOver()) return;
    this.#finish({ how: "finished" });
    this.release();
  }

  #isOver(): boolean {
    return this.#outbound === "confirmed" && this.#inbound === "confirmed";
  }

  #write(message: ControlMessage): void {
    this.#channel.sendText(writeControlMessage(message));
  }

  #finish(closed: StreamClosed): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#consumeRest();
    this.#window.close();
    this.handler?.handleClosed(closed);
  }
}
