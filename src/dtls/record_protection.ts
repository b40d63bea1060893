/**
 * One direction of epoch 1: its key, and how nonce and additional data are made of a record's
 * header. Knows nothing of what records carry, nor which come when.
 *
 * @module
 */
import type { AeadKey, AeadOperands, AeadProvider } from "./aead.ts";
import type { CipherSuite } from "./cipher_suite.ts";
import type { TrafficKey } from "./key_schedule.ts";
import { recordFields, recordHeaderLength, tagLength } from "./record.ts";

const nonceLength = 12;
/** "additional_data = seq_num + TLSCompressed.type + TLSCompressed.version + .length" */
const aadLength = 13;

/** Protects or opens records in place. Allocates nothing for a record. */
export class RecordProtection {
  /** From a record's start to its payload's. */
  readonly payloadOffset: number;
  readonly #key: AeadKey;
  readonly #recordIvLength: number;
  /** Where the nonce and the additional data are written, whole, for each record. */
  readonly #operands: AeadOperands;
  readonly #nonceView: DataView;
  readonly #aadView: DataView;
  /** The first four bytes of a nonce: the salt, or the beginning of a whole IV. */
  #salt: number;
  /** What is xored with the record number: the end of a whole IV, or nothing. */
  #maskHigh: number;
  #maskLow: number;

  /** Takes the key over, and wipes it. */
  constructor(provider: AeadProvider, suite: CipherSuite, { key, fixedIv }: TrafficKey) {
    this.#key = provider.createKey(suite.aead, key);
    this.#recordIvLength = suite.recordIvLength;
    this.payloadOffset = recordHeaderLength + suite.recordIvLength;
    this.#operands = provider.operands ??
      { nonce: new Uint8Array(nonceLength), aad: new Uint8Array(aadLength) };
    this.#nonceView = viewOf(this.#operands.nonce);
    this.#aadView = viewOf(this.#operands.aad);
    const iv = new Uint8Array(nonceLength);
    iv.set(fixedIv);
    [this.#salt, this.#maskHigh, this.#maskLow] = wordsOf(iv);
    iv.fill(0);
    key.fill(0); // CHECK D28
    fixedIv.fill(0);
  }

  /** Encrypts the payload of the record that starts at `at`, whose header is written. */
  seal(bytes: Uint8Array, view: DataView, at: number, payloadLength: number): void {
    if (this.#recordIvLength > 0) {
      // RFC 5288 section 3: "The nonce_explicit MAY be the 64-bit sequence number." CHECK D11
      const explicit = at + recordHeaderLength;
      view.setUint32(explicit, view.getUint32(at + recordFields.epoch));
      view.setUint32(explicit + 4, view.getUint32(at + recordFields.epoch + 4));
    }
    this.#prepare(view, at, payloadLength);
    const payload = at + this.payloadOffset;
    const { nonce, aad } = this.#operands;
    this.#key.seal(bytes, payload, payload + payloadLength, nonce, aad);
  }

  /** Decrypts the payload of the record that starts at `at`; false where the tag is wrong. */
  open(bytes: Uint8Array, view: DataView, at: number, payloadLength: number): boolean {
    this.#prepare(view, at, payloadLength);
    const payload = at + this.payloadOffset;
    const { nonce, aad } = this.#operands;
    return this.#key.open(bytes, payload, payload + payloadLength, nonce, aad);
  }

  /** The length of a payload in a record whose fragment has this length; negative: none fits. */
  payloadLengthOf(fragmentLength: number): number {
    return fragmentLength - this.#recordIvLength - tagLength;
  }

  /** Forgets the key. */
  destroy(): void {
    this.#key.destroy();
    this.#operands.nonce.fill(0);
    this.#salt = 0;
    this.#maskHigh = 0;
    this.#maskLow = 0;
  }

  #prepare(view: DataView, at: number, payloadLength: number): void {
    const number = at + recordFields.epoch;
    // RFC 5288 section 3: salt || nonce_explicit. RFC 7905 section 2: "The padded sequence number is
    // XORed with the ... IV", where the sequence number is epoch || sequence_number.
    const varying = this.#recordIvLength > 0 ? at + recordHeaderLength : number;
    const nonce = this.#nonceView;
    nonce.setUint32(0, this.#salt);
    nonce.setUint32(4, view.getUint32(varying) ^ this.#maskHigh);
    nonce.setUint32(8, view.getUint32(varying + 4) ^ this.#maskLow);
    const aad = this.#aadView;
    aad.setUint32(0, view.getUint32(number));
    aad.setUint32(4, view.getUint32(number + 4));
    aad.setUint8(8, view.getUint8(at));
    aad.setUint16(9, view.getUint16(at + recordFields.version));
    aad.setUint16(11, payloadLength);
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function wordsOf(iv: Uint8Array): [number, number, number] {
  const view = viewOf(iv);
  return [view.getUint32(0), view.getUint32(4), view.getUint32(8)];
}
