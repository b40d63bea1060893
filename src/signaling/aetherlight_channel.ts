/**
 * Waiting for the messages of one mailbox: by WebSocket, and by long polling where no WebSocket
 * comes about. Each message is handed over once, in order, however often the server sends it.
 */
import { pause } from "./aetherlight_backoff.ts";
import { proxyOptions } from "./aetherlight_proxy.ts";
import { AetherlightError, badAnswer, request, unreachable } from "./aetherlight_request.ts";
import type { ClientTiming } from "./aetherlight_timing.ts";
import {
  type ClientFrame,
  MAX_ANSWER_LENGTH,
  parseMessagesAnswer,
  parseServerFrame,
  type SealedMessage,
  type ServerFrame,
  WEBSOCKET_PROTOCOL,
  WEBSOCKET_TOKEN_PREFIX,
} from "./wire.ts";

/** How messages come. */
export type Transport = "websocket" | "poll";

/** A mailbox, and whom to tell. */
export interface ChannelOptions {
  /** The http or https URL of the mailbox. */
  readonly url: string;
  /** Of the ingress's registration; a session's mailbox needs none. */
  readonly token?: string;
  /** Where to go on; moved on with each message. */
  readonly cursor: Cursor;
  readonly timing: ClientTiming;
  /** Ends the waiting. */
  readonly signal: AbortSignal;
  /** Called when messages can come. */
  readonly onReady: (transport: Transport) => void;
  /** Must not throw. */
  readonly onMessage: (message: SealedMessage) => void;
}

/** How far a mailbox has been read. */
export interface Cursor {
  /** The sequence number of the last message that was handed over; 0 before the first. */
  after: number;
}

const ACK_MILLISECONDS = 20;

/**
 * Hands over messages until the server ends it, is lost or keeps to no protocol; throws
 * {@link AetherlightError} then, or the signal's reason.
 */
export async function receiveMessages(options: ChannelOptions): Promise<never> {
  await new SocketChannel(options).run();
  return await receiveByPolling(options);
}

/** Hands a message over, unless it was before. */
function deliver({ cursor, onMessage }: ChannelOptions, message: SealedMessage): boolean {
  if (message.sequence <= cursor.after) return false;
  cursor.after = message.sequence;
  onMessage(message);
  return true;
}

async function receiveByPolling(options: ChannelOptions): Promise<never> {
  const { url, token, cursor, timing, signal, onReady } = options;
  onReady("poll");
  for (;;) {
    const messages = await request({
      method: "GET",
      url: `${url}?after=${cursor.after}`,
      token,
      signal,
      milliseconds: timing.pollMilliseconds,
    }, parseMessagesAnswer);
    const isNew = messages.map((message) => deliver(options, message)).includes(true);
    // A server has nothing to say only after it has waited: this one is asked less often.
    if (!isNew) await pause(timing.emptyPollMilliseconds, signal);
  }
}

class SocketChannel {
  readonly #options: ChannelOptions;
  readonly #socket: WebSocket;
  readonly #end = Promise.withResolvers<void>();
  #isReady = false;
  #isPongDue = false;
  #opening: ReturnType<typeof setTimeout> | undefined;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #ack: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ChannelOptions) {
    const { url, token, cursor } = options;
    const protocols = token === undefined ? [] : [`${WEBSOCKET_TOKEN_PREFIX}${token}`];
    this.#options = options;
    this.#socket = new WebSocket(`${url.replace(/^http/, "ws")}?after=${cursor.after}`, {
      protocols: [WEBSOCKET_PROTOCOL, ...protocols],
      ...proxyOptions(url),
    });
  }

  /** Returns where no WebSocket came about; throws when one that did has ended. */
  async run(): Promise<void> {
    const { signal, timing, url } = this.#options;
    const lost = (why: string) => this.#lost(unreachable(url, why));
    const onAbort = () => this.#end.reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    this.#socket.addEventListener("message", ({ data }) => this.#handle(data));
    this.#socket.addEventListener(
      "close",
      ({ code }) => lost(`it closed the connection (${code})`),
    );
    this.#socket.addEventListener("error", () => lost("the connection broke"));
    this.#opening = setTimeout(() => lost("no WebSocket"), timing.openMilliseconds);
    try {
      signal.throwIfAborted();
      await this.#end.promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#stop();
    }
  }

  #handle(data: unknown): void {
    const isShort = typeof data === "string" && data.length <= MAX_ANSWER_LENGTH;
    const frame = isShort ? parseServerFrame(data) : undefined;
    if (frame === undefined) {
      this.#end.reject(badAnswer(this.#options.url, "it sent a frame of another protocol"));
    } else this.#handleFrame(frame);
  }

  #handleFrame(frame: ServerFrame): void {
    switch (frame.type) {
      case "ready":
        return this.#ready();
      case "pong":
        this.#isPongDue = false;
        return;
      case "end":
        return this.#end.reject(new AetherlightError(frame.code, endText(frame.message)));
      case "message":
        deliver(this.#options, frame);
        // Also for a double: the server has not heard that it came. One word for a burst of them.
        this.#ack ??= setTimeout(() => this.#acknowledge(), ACK_MILLISECONDS);
        return;
      default:
        return frame satisfies never;
    }
  }

  #ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    clearTimeout(this.#opening);
    this.#heartbeat = setInterval(() => this.#beat(), this.#options.timing.heartbeatMilliseconds);
    this.#options.onReady("websocket");
  }

  #beat(): void {
    if (this.#isPongDue) this.#lost(unreachable(this.#options.url, "it does not answer"));
    this.#isPongDue = true;
    this.#send({ type: "ping" });
  }

  #acknowledge(): void {
    this.#ack = undefined;
    this.#send({ type: "ack", sequence: this.#options.cursor.after });
  }

  #send(frame: ClientFrame): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #lost(error: AetherlightError): void {
    if (this.#isReady) this.#end.reject(error);
    else this.#end.resolve();
  }

  #stop(): void {
    clearTimeout(this.#opening);
    clearInterval(this.#heartbeat);
    clearTimeout(this.#ack);
    this.#socket.close();
  }
}

function endText(reason: string): string {
  return `the signaling server ended the waiting: ${reason}`;
}
