/**
 * Records, in place: epoch 0 in the clear, epoch 1 protected. There are no further epochs, as there
 * is no renegotiation. Knows sequence numbers, keys and their limits; not what is said.
 *
 * @module
 */
import type { AeadProvider } from "./aead.ts";
import type { CipherSuite } from "./cipher_suite.ts";
import type { TrafficKey } from "./key_schedule.ts";
import { dtls10, dtls12 } from "./protocol_version.ts";
import {
  contentTypes,
  maxPlaintextLength,
  maxSequenceNumber,
  readSequence,
  recordFields,
  recordHeaderLength,
  tagLength,
  writeSequence,
} from "./record.ts";
import { RecordProtection } from "./record_protection.ts";
import { ReplayWindow } from "./replay_window.ts";

/** 0 is in the clear, 1 is protected. */
export type Epoch = 0 | 1;

/** Why a record was not read. */
export type RecordDefect =
  /** No whole record is there: nor can one be behind it. */
  | "truncated"
  | "version"
  | "epoch"
  | "length"
  | "replayed"
  | "unauthenticated";

/** How much one key may do. */
export interface KeyLimits {
  /** Sequence numbers go no further. */
  readonly lastSequenceNumber: number;
  /** Blocks of 16 bytes encrypted with one key. */
  readonly sealedBlocks: number;
  /** Records that did not open with one key. */
  readonly failedOpens: number;
}

/**
 * RFC 8446 section 5.5 allows an AES-GCM key 2^24.5 full-size records, of 2^10 blocks, and RFC 9147
 * section 4.5.3 any of our keys 2^36 forgeries. The first bound is on blocks, so short records count
 * as little as they are.
 */
export const defaultKeyLimits: KeyLimits = {
  lastSequenceNumber: maxSequenceNumber,
  sealedBlocks: 2 ** 34.5,
  failedOpens: 2 ** 36,
};

/** Sequence numbers kept back from application data, so that we can still say close_notify. */
const reservedRecordCount = 8;

/** Reads and writes the records of one connection. */
export class RecordLayer {
  readonly #limits: KeyLimits;
  readonly #nextSequence: [number, number];
  readonly #window = new ReplayWindow();
  #readEpoch: Epoch = 0;
  #sealing: RecordProtection | undefined;
  #opening: RecordProtection | undefined;
  #maxPayloadLength = maxPlaintextLength;
  #sealedBlocks = 0;
  #failedOpens = 0;
  #viewed: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#viewed.buffer);
  #type = 0;
  #payloadStart = 0;
  #payloadEnd = 0;
  #next = 0;

  /** @param firstSequence where both epochs begin to count: 0, but to try what comes at the end */
  constructor(limits: KeyLimits, firstSequence = 0) {
    this.#limits = limits;
    this.#nextSequence = [firstSequence, firstSequence];
  }

  /** Takes the keys of epoch 1. They are written with at once, and read with when it is opened. */
  install(
    { provider, suite, write, read, maxPayloadLength = maxPlaintextLength }: {
      readonly provider: AeadProvider;
      readonly suite: CipherSuite;
      readonly write: TrafficKey;
      readonly read: TrafficKey;
      /** The longest payload that the peer takes in epoch 1. */
      readonly maxPayloadLength?: number;
    },
  ): void {
    this.#maxPayloadLength = maxPayloadLength;
    this.#sealing = new RecordProtection(provider, suite, write);
    this.#opening = new RecordProtection(provider, suite, read);
  }

  /** From now on records of epoch 1 are read, and those of epoch 0 no more. */
  openReadEpoch(): void {
    this.#readEpoch = 1;
  }

  readEpoch(): Epoch {
    return this.#readEpoch;
  }

  /** Whether epoch 1 can be written. */
  hasKeys(): boolean {
    return this.#sealing !== undefined;
  }

  /** From a record's start to its payload's. */
  payloadOffset(epoch: Epoch): number {
    return (epoch === 0 ? undefined : this.#sealing?.payloadOffset) ?? recordHeaderLength;
  }

  /** What a record has besides its payload. */
  overhead(epoch: Epoch): number {
    return this.payloadOffset(epoch) + (epoch === 0 ? 0 : tagLength);
  }

  /** The longest payload of a record that may be written. */
  maxPayloadLength(epoch: Epoch): number {
    return epoch === 0 ? maxPlaintextLength : this.#maxPayloadLength;
  }

  /**
   * Whether a handshake can no longer be said, application data no longer be sealed, or forgeries
   * were too many. CHECK D12
   */
  isExhausted(): boolean {
    const { lastSequenceNumber, sealedBlocks, failedOpens } = this.#limits;
    const lastOfData = lastSequenceNumber - reservedRecordCount;
    return this.#nextSequence[0] > lastSequenceNumber ||
      (this.hasKeys() && this.#nextSequence[1] > lastOfData) ||
      this.#sealedBlocks >= sealedBlocks ||
      this.#failedOpens >= failedOpens;
  }

  /**
   * Makes a record of the payload that already stands at `at + payloadOffset(epoch)`. Returns where
   * the record ends; undefined where there is no key or no sequence number left.
   */
  write(
    bytes: Uint8Array,
    at: number,
    { epoch, type, payloadLength }: {
      readonly epoch: Epoch;
      readonly type: number;
      readonly payloadLength: number;
    },
  ): number | undefined {
    return this.#writeRecord(bytes, at, epoch, type, payloadLength)
      ? at + this.overhead(epoch) + payloadLength
      : undefined;
  }

  /** The same for application data, without an object a record; false where it cannot be. */
  sealApplicationData(bytes: Uint8Array, at: number, payloadLength: number): boolean {
    return !this.isExhausted() &&
      this.#writeRecord(bytes, at, 1, contentTypes.applicationData, payloadLength);
  }

  #writeRecord(
    bytes: Uint8Array,
    at: number,
    epoch: Epoch,
    type: number,
    payloadLength: number,
  ): boolean {
    const sequence = this.#nextSequence[epoch];
    // RFC 6347 section 4.1: "implementations MUST either abandon an association or rehandshake prior
    // to allowing the sequence number to wrap." CHECK D12
    if (sequence > this.#limits.lastSequenceNumber) return false;
    if (epoch === 1 && this.#sealing === undefined) return false;
    // Every record takes a number of its own, a retransmission too: no nonce comes twice.
    this.#nextSequence[epoch] = sequence + 1; // CHECK D11
    const fragmentLength = this.overhead(epoch) - recordHeaderLength + payloadLength;
    const view = this.#viewOf(bytes);
    bytes[at] = type;
    view.setUint16(at + recordFields.version, dtls12);
    view.setUint16(at + recordFields.epoch, epoch);
    writeSequence(view, at + recordFields.sequence, sequence);
    view.setUint16(at + recordFields.length, fragmentLength);
    if (epoch === 0) return true;
    this.#sealing?.seal(bytes, view, at, payloadLength);
    // One block more, at most, than there is text: the one that masks the tag.
    this.#sealedBlocks += Math.ceil(payloadLength / 16) + 1;
    return true;
  }

  /**
   * Reads the record at `at`, decrypting in place. Undefined: it is proved as far as its epoch
   * proves anything, and `type()`, `payloadStart()` and `payloadEnd()` tell of it. Whatever was
   * returned, `nextRecord()` tells where to go on.
   *
   * RFC 6347 section 4.1.2.7: "In general, invalid records SHOULD be silently discarded, thus
   * preserving the association". CHECK D14
   */
  read(bytes: Uint8Array, at: number, end: number): RecordDefect | undefined {
    this.#next = end;
    if (end - at < recordHeaderLength) return "truncated";
    const view = this.#viewOf(bytes);
    const length = view.getUint16(at + recordFields.length);
    if (at + recordHeaderLength + length > end) return "truncated";
    this.#next = at + recordHeaderLength + length;
    const version = view.getUint16(at + recordFields.version);
    const epoch = view.getUint16(at + recordFields.epoch);
    // Before the version is negotiated, records of a ClientHello come as version 1.0 too.
    if (version !== dtls12 && !(version === dtls10 && epoch === 0)) return "version";
    // One epoch is read at a time: nothing in the clear counts once there are keys. CHECK D15
    if (epoch !== this.#readEpoch) return "epoch";
    this.#type = bytes[at] ?? 0;
    if (epoch === 1) return this.#open(bytes, at, length);
    this.#payloadStart = at + recordHeaderLength;
    this.#payloadEnd = this.#next;
    return length > maxPlaintextLength ? "length" : undefined;
  }

  type(): number {
    return this.#type;
  }

  payloadStart(): number {
    return this.#payloadStart;
  }

  payloadEnd(): number {
    return this.#payloadEnd;
  }

  nextRecord(): number {
    return this.#next;
  }

  /** Forgets all keys. */
  destroy(): void {
    this.#sealing?.destroy();
    this.#opening?.destroy();
    this.#sealing = undefined;
    this.#opening = undefined;
  }

  #open(bytes: Uint8Array, at: number, fragmentLength: number): RecordDefect | undefined {
    const opening = this.#opening;
    if (opening === undefined) return "epoch";
    const payloadLength = opening.payloadLengthOf(fragmentLength);
    // CHECK D24
    if (payloadLength < 0 || payloadLength > maxPlaintextLength) return "length";
    const sequence = readSequence(this.#view, at + recordFields.sequence);
    if (!this.#window.check(sequence)) return "replayed"; // CHECK D13
    if (!opening.open(bytes, this.#view, at, payloadLength)) { // CHECK D30
      this.#failedOpens++;
      return "unauthenticated";
    }
    this.#window.update(sequence);
    this.#payloadStart = at + opening.payloadOffset;
    this.#payloadEnd = this.#payloadStart + payloadLength;
    return undefined;
  }

  /** A view costs more than a record's header, and callers keep their buffers. */
  #viewOf(bytes: Uint8Array): DataView {
    if (this.#viewed !== bytes) {
      this.#viewed = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    return this.#view;
  }
}
