/**
 * The smallest protocol that has everything a pair has to drive: data, acknowledgments, a timer,
 * batches and events. A sender has one chunk under way at a time, and repeats it until it is
 * acknowledged.
 *
 * ```
 * kind (1) | sequence number (2) | checksum (4) | chunk
 * ```
 */
import type { Instant, SansIo, Transmit } from "../../src/sans_io.ts";

const HEADER_LENGTH = 7;
const CHECKSUM_OFFSET = 3;
const KIND = { data: 1, last: 2, acknowledgment: 3 } as const;

export interface SenderOptions {
  readonly chunkLength?: number;
  readonly retransmitMs?: number;
}

export type SenderEvent = { readonly name: "finished" };

export class StopAndWaitSender implements SansIo<SenderEvent> {
  readonly #content: Uint8Array;
  readonly #chunkLength: number;
  readonly #retransmitMs: number;
  readonly #events: SenderEvent[] = [];
  #sequence = 0;
  #isDue = true;
  #retransmitAt: Instant | undefined;

  constructor(content: Uint8Array, { chunkLength = 100, retransmitMs = 200 }: SenderOptions = {}) {
    this.#content = content.slice();
    this.#chunkLength = chunkLength;
    this.#retransmitMs = retransmitMs;
  }

  get isFinished(): boolean {
    return this.#sequence >= this.#chunkCount;
  }

  /** How many chunks are acknowledged. */
  get acknowledgedCount(): number {
    return this.#sequence;
  }

  handleDatagram(bytes: Uint8Array): void {
    const packet = parsePacket(bytes);
    if (packet?.kind !== KIND.acknowledgment || packet.sequence !== this.#sequence) return;
    if (this.isFinished) return;
    this.#sequence++;
    this.#retransmitAt = undefined;
    this.#isDue = !this.isFinished;
    if (this.isFinished) this.#events.push({ name: "finished" });
  }

  handleTimeout(now: Instant): void {
    if (this.#retransmitAt === undefined || now < this.#retransmitAt) return;
    this.#retransmitAt = undefined;
    this.#isDue = true;
  }

  pollTransmit(out: Uint8Array, now: Instant): Transmit | undefined {
    if (!this.#isDue) return undefined;
    this.#isDue = false;
    this.#retransmitAt = now + this.#retransmitMs;
    const start = this.#sequence * this.#chunkLength;
    const chunk = this.#content.subarray(start, start + this.#chunkLength);
    const kind = this.#sequence === this.#chunkCount - 1 ? KIND.last : KIND.data;
    return writePacket(out, { kind, sequence: this.#sequence, chunk });
  }

  pollEvent(): SenderEvent | undefined {
    return this.#events.shift();
  }

  nextTimeout(): Instant | undefined {
    return this.#retransmitAt;
  }

  get #chunkCount(): number {
    return Math.max(1, Math.ceil(this.#content.length / this.#chunkLength));
  }
}

export type ReceiverEvent =
  | { readonly name: "chunk"; readonly bytes: Uint8Array }
  | { readonly name: "finished" };

export class StopAndWaitReceiver implements SansIo<ReceiverEvent> {
  readonly #events: ReceiverEvent[] = [];
  readonly #acknowledgments: number[] = [];
  #expected = 0;

  handleDatagram(bytes: Uint8Array): void {
    const packet = parsePacket(bytes);
    if (packet === undefined || packet.kind === KIND.acknowledgment) return;
    if (packet.sequence > this.#expected) return;
    this.#acknowledgments.push(packet.sequence);
    if (packet.sequence < this.#expected) return;
    this.#expected++;
    this.#events.push({ name: "chunk", bytes: this.keep(packet.chunk) });
    if (packet.kind === KIND.last) this.#events.push({ name: "finished" });
  }

  handleTimeout(): void {}

  pollTransmit(out: Uint8Array): Transmit | undefined {
    const sequence = this.#acknowledgments.shift();
    if (sequence === undefined) return undefined;
    return writePacket(out, { kind: KIND.acknowledgment, sequence, chunk: new Uint8Array() });
  }

  pollEvent(): ReceiverEvent | undefined {
    return this.#events.shift();
  }

  nextTimeout(): Instant | undefined {
    return undefined;
  }

  /** The chunk is part of a datagram that is only lent. */
  protected keep(chunk: Uint8Array): Uint8Array {
    return chunk.slice();
  }
}

interface Packet {
  readonly kind: number;
  readonly sequence: number;
  readonly chunk: Uint8Array;
}

function parsePacket(bytes: Uint8Array): Packet | undefined {
  if (bytes.length < HEADER_LENGTH) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(CHECKSUM_OFFSET) !== checksumOf(bytes)) return undefined;
  return {
    kind: view.getUint8(0),
    sequence: view.getUint16(1),
    chunk: bytes.subarray(HEADER_LENGTH),
  };
}

function writePacket(out: Uint8Array, { kind, sequence, chunk }: Packet): Transmit {
  const length = HEADER_LENGTH + chunk.length;
  const view = new DataView(out.buffer, out.byteOffset, length);
  view.setUint8(0, kind);
  view.setUint16(1, sequence);
  out.set(chunk, HEADER_LENGTH);
  view.setUint32(CHECKSUM_OFFSET, checksumOf(out.subarray(0, length)));
  return { length, segmentSize: length };
}

/** FNV-1a over all but the checksum itself. */
function checksumOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const [at, byte] of bytes.entries()) {
    const isChecksum = at >= CHECKSUM_OFFSET && at < HEADER_LENGTH;
    if (!isChecksum) hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return hash >>> 0;
}
