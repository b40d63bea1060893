/**
 * Waiting by WebSocket. The server sends messages, the client acknowledges them and says now and
 * then that it lives. What was not acknowledged stays in the mailbox, whose bounds are therefore
 * those of a slow client too.
 */
import {
  type ErrorReason,
  MAX_CLIENT_FRAME_LENGTH,
  parseClientFrame,
  type ServerFrame,
} from "../src/signaling/wire.ts";
import { Refusal } from "./refusal.ts";
import { StoreUnavailable } from "./store.ts";
import type { Mail, Seat } from "./waiters.ts";

/** A WebSocket and what waits behind it. */
export interface SocketWaiterOptions {
  readonly socket: WebSocket;
  readonly mail: Mail;
  /** Claimed once the client has shown its right; left when the socket has closed. */
  readonly seat: Seat;
  /** The sequence number of the last message the client knows. */
  readonly after: number;
  /** A client that says nothing for this time (ms) is told so and let go. */
  readonly silenceMilliseconds: number;
  /** Called for each frame of the client. Throws {@link Refusal} past its budget. */
  readonly takeBudget: () => void;
  /** Called when the socket has opened, which may never be. */
  readonly onOpen: () => void;
}

/** Enough for all that one mailbox holds. */
const MAX_BUFFERED = 262_144;

// Once close() was called, the runtime no longer looks for a pong: a socket whose peer is gone
// would stay for ever. So the peer is asked to close, and a dead one falls to the runtime's own
// time-out; close() is for those who live and do not do as they are asked.
const CLOSE_AFTER_MILLISECONDS = 45_000;

const OPEN_MILLISECONDS = 5_000;

/** Serves a client until its socket closes. */
export class SocketWaiter {
  readonly #options: SocketWaiterOptions;
  #frames: Promise<void> = Promise.resolve();
  #silence: ReturnType<typeof setTimeout> | undefined;
  #closing: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SocketWaiterOptions) {
    this.#options = options;
    const { socket } = options;
    socket.addEventListener("open", () => this.#open());
    socket.addEventListener("message", ({ data }) => this.#queueFrame(data));
    socket.addEventListener("close", () => this.#closed());
    socket.addEventListener("error", () => this.#closed());
    this.#silence = setTimeout(() => this.#closed(), OPEN_MILLISECONDS);
  }

  async #open(): Promise<void> {
    this.#options.onOpen();
    this.#heard();
    try {
      await this.#serve();
    } catch (error) {
      this.#end(reasonOf(error));
    }
  }

  async #serve(): Promise<never> {
    const { mail, seat } = this.#options;
    let { after } = this.#options;
    await mail.renew();
    await mail.acknowledge(after);
    seat.claim(mail.name);
    this.#send({ type: "ready" });
    for (;;) {
      const messages = await mail.read(after);
      for (const message of messages) {
        this.#send({ type: "message", ...message });
        after = message.sequence;
      }
      if (messages.length === 0) await seat.woken();
    }
  }

  #queueFrame(data: unknown): void {
    if (this.#closing !== undefined) return;
    try {
      this.#options.takeBudget();
    } catch (error) {
      this.#end(reasonOf(error));
      return;
    }
    this.#heard();
    this.#frames = this.#frames.then(() => this.#handleFrame(data)).catch((error) => {
      this.#end(reasonOf(error));
    });
  }

  async #handleFrame(data: unknown): Promise<void> {
    const { mail, seat } = this.#options;
    const isShort = typeof data === "string" && data.length <= MAX_CLIENT_FRAME_LENGTH;
    const frame = isShort ? parseClientFrame(data) : undefined;
    if (frame === undefined) throw new Refusal("bad_request", "not a frame of this protocol");
    if (frame.type === "ack") {
      await mail.acknowledge(frame.sequence);
      return;
    }
    await mail.renew();
    this.#send({ type: "pong" });
    // Should a bell have been lost, this look finds what it was rung for.
    seat.wake();
  }

  #send(frame: ServerFrame): void {
    const { socket, seat } = this.#options;
    if (socket.readyState !== WebSocket.OPEN) return;
    if (socket.bufferedAmount > MAX_BUFFERED) {
      seat.end(new Refusal("time_out", "reads too slowly"));
      return;
    }
    socket.send(JSON.stringify(frame));
  }

  #heard(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.#end({ code: "time_out", message: "nothing was heard for too long" });
    }, this.#options.silenceMilliseconds);
  }

  #end(reason: ErrorReason): void {
    const { socket, seat } = this.#options;
    if (socket.readyState !== WebSocket.OPEN) {
      this.#closed();
      return;
    }
    if (this.#closing !== undefined) return;
    this.#send({ type: "end", code: reason.code, message: reason.message });
    // A server that goes has no time to wait for them.
    if (reason.code === "shutting_down") socket.close(1001, reason.code);
    this.#closing = setTimeout(() => {
      if (socket.readyState === WebSocket.OPEN) socket.close(1000, reason.code);
    }, CLOSE_AFTER_MILLISECONDS);
    clearTimeout(this.#silence);
    seat.end(new Refusal(reason.code, reason.message));
  }

  #closed(): void {
    clearTimeout(this.#silence);
    clearTimeout(this.#closing);
    this.#options.seat.end(new Refusal("time_out", "the socket has closed"));
    this.#options.seat.leave();
  }
}

function reasonOf(error: unknown): ErrorReason {
  if (error instanceof Refusal) return error;
  if (error instanceof StoreUnavailable) {
    return { code: "unavailable", message: "the store does not answer: try again" };
  }
  return { code: "internal", message: "the server made a mistake" };
}
