/**
 * One TURN client at one address of a server: drives it with a clock and a timer over one transport,
 * from the first request until the allocation is given back or lost.
 */
import { randomBytes } from "node:crypto";
import { TurnClient } from "../ice/turn/turn_client.ts";
import type { TurnEvent } from "../ice/turn/turn_event.ts";
import { messageOf } from "../message_of.ts";
import type { Instant } from "../sans_io.ts";
import type { SendOutcome, SocketAddress } from "../socket/datagram.ts";
import type { RelayTransport, RelayTransportHandler } from "./relay_transport.ts";

/** How an attempt ended that was not closed. */
export type RelayAttemptEnd =
  | { readonly type: "failed"; readonly code?: number; readonly reason: string }
  | { readonly type: "alternate"; readonly server: SocketAddress };

/** Told what becomes of it, and nothing after `close`. */
export interface RelayAttemptHandler {
  handleAllocated(
    addresses: Pick<Extract<TurnEvent, { type: "allocated" }>, "relayed" | "mapped">,
    base: SocketAddress,
  ): void;
  /** One datagram of a peer, lent. */
  handleDatagram(source: SocketAddress, bytes: Uint8Array, start: number, end: number): void;
  handleDrained(): void;
  handleRefused(address: string, reason: string): void;
  /** Called once, and all is closed. */
  handleEnded(end: RelayAttemptEnd): void;
}

/** What makes one. */
export interface RelayAttemptOptions {
  readonly username: string;
  readonly password: string;
  readonly isStream: boolean;
  readonly open: (handler: RelayTransportHandler, signal: AbortSignal) => Promise<RelayTransport>;
  readonly handler: RelayAttemptHandler;
}

/** What there is once the way to the server is open. */
interface Running {
  readonly client: TurnClient;
  readonly transport: RelayTransport;
}

/** No request is longer: its texts have 513 and twice 763 bytes at most. */
const maxRequestLength = 4_096;
/** What a message has besides its data, at most: an indication to an IPv6 peer has 56. */
const maxOverhead = 64;

/** Where messages are written; all attempts use it, each for a moment. */
let workbench: { readonly out: Uint8Array; readonly request: Uint8Array } | undefined;

function takeWorkbench(): { readonly out: Uint8Array; readonly request: Uint8Array } {
  return workbench ??= {
    out: new Uint8Array(2 ** 16 + maxOverhead),
    request: new Uint8Array(maxRequestLength),
  };
}

/** One attempt; it begins when it is made. */
export class RelayAttempt {
  readonly #options: RelayAttemptOptions;
  readonly #aborting = new AbortController();
  readonly #closed = Promise.withResolvers<void>();
  #running: Running | undefined;
  #isClosing = false;
  #hasEnded = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt: Instant = Infinity;

  constructor(options: RelayAttemptOptions) {
    this.#options = options;
    void this.#start();
  }

  /** As `DatagramSocket.send`. */
  send(
    bytes: Uint8Array,
    start: number,
    end: number,
    segmentLength: number,
    destination: SocketAddress,
  ): SendOutcome {
    const running = this.#running;
    if (running === undefined || !running.client.isAllocated) return "unreachable";
    const now = performance.now();
    const outcome = start === end
      ? this.#sendRun(running, bytes, start, end, 1, destination, now)
      : this.#sendRuns(running, bytes, start, end, segmentLength, destination, now);
    this.#setTimer(running.client, now);
    return outcome;
  }

  /** Asks the server to let this peer through. */
  permit(destination: SocketAddress): void {
    const running = this.#running;
    if (running === undefined || this.#isClosing) return;
    running.client.permit(destination, performance.now());
    this.#pump();
  }

  /** Gives the allocation back. Resolves when everything is closed. */
  close(): Promise<void> {
    if (this.#isClosing || this.#hasEnded) return this.#closed.promise;
    this.#isClosing = true;
    this.#aborting.abort();
    if (this.#running === undefined) this.#finish();
    else {
      this.#running.client.close(performance.now());
      this.#pump();
    }
    return this.#closed.promise;
  }

  async #start(): Promise<void> {
    const { open, username, password, isStream, handler } = this.#options;
    try {
      // Whoever makes it has it in hand before it hears of it.
      await Promise.resolve();
      const transport = await open(this.#transportHandler(), this.#aborting.signal);
      if (this.#hasEnded) return transport.close();
      const client = new TurnClient({
        username,
        password,
        random: randomBytes,
        isStream,
        handleData: (source, bytes, start, end) => {
          if (!this.#isClosing) handler.handleDatagram(source, bytes, start, end);
        },
      }, performance.now());
      this.#running = { client, transport };
      this.#pump();
    } catch (error) {
      this.#end({ type: "failed", reason: messageOf(error) });
    }
  }

  #transportHandler(): RelayTransportHandler {
    return {
      handleMessage: (bytes, start, end) =>
        this.#running?.client.handleMessage(bytes, start, end, performance.now()),
      handleDrained: () => {
        this.#pump();
        if (!this.#isClosing && !this.#hasEnded) this.#options.handler.handleDrained();
      },
      handleFailed: (reason) => this.#end({ type: "failed", reason }),
    };
  }

  /** Cuts what is longer than the workbench. */
  #sendRuns(
    running: Running,
    bytes: Uint8Array,
    start: number,
    end: number,
    segmentLength: number,
    destination: SocketAddress,
    now: Instant,
  ): SendOutcome {
    const { out } = takeWorkbench();
    const count = Math.max(1, Math.floor(out.length / (segmentLength + maxOverhead)));
    for (let at = start; at < end; at += count * segmentLength) {
      const runEnd = Math.min(end, at + count * segmentLength);
      const outcome = this.#sendRun(running, bytes, at, runEnd, segmentLength, destination, now);
      if (outcome !== "sent") return outcome;
    }
    return "sent";
  }

  /** Datagrams of one length, but for the last, make messages of one length. */
  #sendRun(
    { client, transport }: Running,
    bytes: Uint8Array,
    start: number,
    end: number,
    segmentLength: number,
    destination: SocketAddress,
    now: Instant,
  ): SendOutcome {
    const { out } = takeWorkbench();
    let length = 0;
    let stride = 0;
    let at = start;
    do {
      const segmentEnd = Math.min(end, at + segmentLength);
      const written = client.wrap(out, length, bytes, at, segmentEnd, destination, now);
      if (written === 0) return "unreachable";
      if (stride === 0) stride = written;
      length += written;
      at = segmentEnd;
    } while (at < end);
    // The permission that this needs is asked for before.
    this.#sendRequests(now);
    return transport.send(out, 0, length, stride);
  }

  #sendRequests(now: Instant): void {
    const running = this.#running;
    if (running === undefined) return;
    const { request } = takeWorkbench();
    for (;;) {
      const transmit = running.client.pollTransmit(request, now);
      if (transmit === undefined) return;
      const outcome = running.transport.sendRequest(request, 0, transmit.length);
      // Later, a way that is missing for a while takes nothing from what the server has.
      if (outcome === "unreachable" && !running.client.isAllocated) {
        return this.#end({ type: "failed", reason: "no way leads to it from this host" });
      }
    }
  }

  /** Sends all that is to be sent, tells all that is to be told, then sets the timer. */
  #pump(): void {
    const running = this.#running;
    if (running === undefined) return;
    const now = performance.now();
    this.#sendRequests(now);
    for (;;) {
      const event = running.client.pollEvent();
      if (event === undefined || this.#isClosing || this.#hasEnded) break;
      this.#handleEvent(event, running.transport);
    }
    if (this.#hasEnded) return;
    if (this.#isClosing && running.client.hasEnded) this.#finish();
    else this.#setTimer(running.client, now);
  }

  #handleEvent(event: TurnEvent, transport: RelayTransport): void {
    const { handler } = this.#options;
    switch (event.type) {
      case "allocated":
        return handler.handleAllocated(event, transport.local);
      case "refused":
        return handler.handleRefused(event.address, event.reason);
      case "alternate":
        return this.#end({ type: "alternate", server: event.server });
      case "failed": {
        const { code, reason } = event;
        return this.#end({ type: "failed", reason, ...(typeof code === "number" ? { code } : {}) });
      }
      default:
        return event satisfies never;
    }
  }

  /** A timer that is too early is harmless, and cheaper than one set anew for every datagram. */
  #setTimer(client: TurnClient, now: Instant): void {
    const due = client.nextTimeout() ?? Infinity;
    if (due >= this.#timerAt || this.#hasEnded) return;
    clearTimeout(this.#timer);
    this.#timerAt = due;
    this.#timer = setTimeout(() => {
      this.#timerAt = Infinity;
      client.handleTimeout(performance.now());
      this.#pump();
    }, Math.max(0, Math.ceil(due - now)));
  }

  #end(end: RelayAttemptEnd): void {
    if (this.#hasEnded) return;
    const isTold = !this.#isClosing;
    this.#finish();
    if (isTold) this.#options.handler.handleEnded(end);
  }

  #finish(): void {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.#aborting.abort();
    this.#running?.transport.close();
    this.#running = undefined;
    this.#closed.resolve();
  }
}
