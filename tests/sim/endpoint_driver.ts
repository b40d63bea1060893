/**
 * Drives one protocol core as a real driver does: after every input it polls until undefined, then
 * asks for the next timeout. It lends memory and takes it back, and holds the core to its contract.
 */
import type { Instant, SansIo, Transmit } from "../../src/sans_io.ts";
import { LentBuffer } from "./lent_memory.ts";

/** UDP's length field allows no more. */
const MAX_DATAGRAM_LENGTH = 65_507;

export interface EndpointDriverOptions<Event> {
  /** For messages. */
  readonly name: string;
  readonly endpoint: SansIo<Event>;
  /** How much `pollTransmit` may write at once. */
  readonly transmitBufferLength?: number;
  /** Takes one datagram of a batch, lent. */
  readonly onDatagram: (bytes: Uint8Array) => void;
  /** Takes an event whose bytes are lent. */
  readonly onEvent: (event: Event) => void;
  /** Called at every poll that brought something; throws when that has no end. */
  readonly countWork: () => void;
}

export class EndpointDriver<Event> {
  readonly #name: string;
  readonly #endpoint: SansIo<Event>;
  readonly #onDatagram: (bytes: Uint8Array) => void;
  readonly #onEvent: (event: Event) => void;
  readonly #countWork: () => void;
  readonly #received = new LentBuffer(MAX_DATAGRAM_LENGTH);
  readonly #transmitted: LentBuffer;
  #isDraining = false;

  constructor(options: EndpointDriverOptions<Event>) {
    this.#name = options.name;
    this.#endpoint = options.endpoint;
    this.#onDatagram = options.onDatagram;
    this.#onEvent = options.onEvent;
    this.#countWork = options.countWork;
    this.#transmitted = new LentBuffer(options.transmitBufferLength ?? MAX_DATAGRAM_LENGTH);
  }

  handleDatagram(bytes: Uint8Array, now: Instant): void {
    this.#endpoint.handleDatagram(this.#received.lendCopy(bytes), now);
    this.#takeBack(this.#received);
    this.drain(now);
  }

  handleTimeout(now: Instant): void {
    const due = this.nextTimeout();
    this.#endpoint.handleTimeout(now);
    const workCount = this.drain(now);
    if (workCount === 0 && due !== undefined && due <= now && this.nextTimeout() === due) {
      throw new Error(
        `livelock: ${this.#name} was called for its timeout at ${due} ms, did nothing, ` +
          `and asks for the same again`,
      );
    }
  }

  /**
   * Polls until undefined, however often an event leads to more; returns how many polls brought
   * something. Called from within itself, it leaves the rest to the outer call.
   */
  drain(now: Instant): number {
    if (this.#isDraining) return 0;
    this.#isDraining = true;
    try {
      let workCount = 0;
      for (let before = -1; before < workCount;) {
        before = workCount;
        for (; this.#pollTransmit(now); workCount++) this.#countWork();
        for (; this.#pollEvent(); workCount++) this.#countWork();
      }
      return workCount;
    } finally {
      this.#isDraining = false;
    }
  }

  nextTimeout(): Instant | undefined {
    const timeout = this.#endpoint.nextTimeout();
    if (timeout === undefined || Number.isFinite(timeout)) return timeout;
    throw new Error(`${this.#name} asks for a timeout at ${timeout}: no time to wait for`);
  }

  #pollTransmit(now: Instant): boolean {
    const out = this.#transmitted.lend();
    const transmit = this.#endpoint.pollTransmit(out, now);
    if (transmit !== undefined) this.#cut(transmit, out);
    this.#takeBack(this.#transmitted);
    return transmit !== undefined;
  }

  /** Cuts a batch into its datagrams. */
  #cut({ length, segmentSize }: Transmit, out: Uint8Array): void {
    if (!isPositive(length) || length > out.length || !isPositive(segmentSize)) {
      throw new Error(
        `${this.#name} transmits ${length} B in segments of ${segmentSize} B, ` +
          `of a buffer of ${out.length} B`,
      );
    }
    for (let at = 0; at < length; at += segmentSize) {
      this.#onDatagram(out.subarray(at, Math.min(at + segmentSize, length)));
    }
  }

  #pollEvent(): boolean {
    const event = this.#endpoint.pollEvent();
    if (event === undefined) return false;
    this.#onEvent(event);
    return true;
  }

  #takeBack(buffer: LentBuffer): void {
    try {
      buffer.takeBack();
    } catch (error) {
      throw new Error(`${this.#name} ${error instanceof Error ? error.message : error}`);
    }
  }
}

function isPositive(count: number): boolean {
  return Number.isInteger(count) && count > 0;
}
