/**
 * An association under a real UDP socket on loopback, for interoperation: each datagram is one SCTP
 * packet.
 *
 * @module
 */
import { createHmac, randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { BufferPool } from "../../src/buffer_pool.ts";
import type { Instant } from "../../src/sans_io.ts";
import {
  Association,
  type AssociationConfig,
  type AssociationEndCode,
  type AssociationHandler,
} from "../../src/sctp/association.ts";
import { PayloadStore } from "../../src/sctp/payload_store.ts";
import type { SendOptions } from "../../src/sctp/tx/send_queue.ts";

/** Something went wrong, rather than slowly, where nothing has happened for so long. */
const patience = 20_000;

/** Which way a packet goes, seen from here. */
export type Direction = "out" | "in";

/** How an association ended. */
export interface End {
  readonly code: AssociationEndCode;
  readonly reason: string;
}

/** Drives one association. */
export class UdpDriver implements AssociationHandler {
  readonly association: Association;
  readonly store = new PayloadStore(new BufferPool());
  /** What was told, but for messages. */
  isUp = false;
  end: End | undefined;
  readonly incomingResets: number[] = [];
  readonly outgoingResets: number[] = [];
  /** Sees every packet on its way; one that it drops is lost. */
  drops: (direction: Direction, packet: Uint8Array) => boolean = () => false;
  onMessage: AssociationHandler["handleMessage"] = () => {};
  onBufferedAmountLow: AssociationHandler["handleBufferedAmountLow"] = () => {};
  readonly #socket: Socket = createSocket("udp4");
  readonly #out = new Uint8Array(65_536);
  #peerPort: number | undefined;
  #isActing = false;
  #isStopped = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wake = Promise.withResolvers<void>();

  constructor(config: Partial<AssociationConfig> = {}) {
    const key = randomBytes(32);
    this.association = new Association({
      handler: this,
      random: (length) => Uint8Array.from(randomBytes(length)),
      mac: (bytes) => Uint8Array.from(createHmac("sha256", key).update(bytes).digest()),
      store: this.store,
      ...config,
    });
  }

  /** Binds a free port. */
  async bind(): Promise<number> {
    await new Promise<void>((resolve) => this.#socket.bind(0, "127.0.0.1", resolve));
    this.#socket.on("message", (message, { port }) => {
      this.#peerPort = port;
      if (this.#isStopped || this.drops("in", message)) return;
      // A Buffer, as a real socket gives it, and lent.
      this.act((association, now) => {
        association.handlePacket(message, 0, message.length, now);
        message.fill(0xaa);
      });
    });
    // What cannot be sent is lost, as anything may be.
    this.#socket.on("error", () => {});
    return this.port;
  }

  /** The port that was bound. */
  get port(): number {
    return this.#socket.address().port;
  }

  /** Begins the association; where this end does not, it learns its peer's port by itself. */
  connect(peerPort: number): void {
    this.#peerPort = peerPort;
    this.act((association, now) => association.connect(now));
  }

  send(streamId: number, ppid: number, bytes: Uint8Array, options?: SendOptions): void {
    this.act((association, now) => association.send(streamId, ppid, bytes, options, now));
  }

  /** Does something with the association, and what follows from it. */
  act(action: (association: Association, now: Instant) => void): void {
    // What is done while the association tells something is sent with what it is sending.
    if (this.#isActing) return action(this.association, performance.now());
    this.#isActing = true;
    action(this.association, performance.now());
    this.#pump();
    this.#isActing = false;
  }

  /** Waits until something holds; throws where that takes too long, or cannot be any more. */
  async waitUntil(isDone: () => boolean, what: string): Promise<void> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#notify();
    }, patience);
    try {
      while (!isDone()) {
        if (isLate || this.end !== undefined) throw new Error(`${what}: no. ${this.#describe()}`);
        await this.#wake.promise;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Waits for the end of the association. */
  async waitForEnd(): Promise<End> {
    await this.waitUntil(() => this.end !== undefined, "the association ends");
    return this.end as End;
  }

  /** Stops, and gives the port back. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  handleUp(): void {
    this.isUp = true;
  }

  handleMessage(
    streamId: number,
    ppid: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.onMessage(streamId, ppid, bytes, start, end);
  }

  handleBufferedAmountLow(streamId: number): void {
    this.onBufferedAmountLow(streamId);
  }

  handleIncomingReset(streamIds: readonly number[] | undefined): void {
    this.incomingResets.push(...streamIds ?? [-1]);
  }

  handleOutgoingReset(streamIds: readonly number[]): void {
    this.outgoingResets.push(...streamIds);
  }

  handleClosed(code: AssociationEndCode, reason: string): void {
    if (this.end !== undefined) throw new Error(`ended twice: ${code} ${reason}`);
    this.end = { code, reason };
  }

  /** Sends what there is to send, sets the timer, and wakes who waits. */
  #pump(): void {
    const { association } = this;
    for (;;) {
      const length = association.writePacket(this.#out, 0, performance.now());
      if (length === 0) break;
      const packet = this.#out.slice(0, length);
      if (this.drops("out", packet) || this.#peerPort === undefined) continue;
      this.#socket.send(packet, this.#peerPort, "127.0.0.1");
    }
    this.#notify();
    clearTimeout(this.#timer);
    const due = association.nextTimeout();
    if (due === undefined || this.#isStopped) return;
    this.#timer = setTimeout(
      () => this.act((_, now) => association.handleTimeout(now)),
      Math.max(0, due - performance.now()) + 1,
    );
  }

  #notify(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }

  #describe(): string {
    const { association: { state }, end, incomingResets, outgoingResets } = this;
    return JSON.stringify({ state, end, incomingResets, outgoingResets });
  }
}
