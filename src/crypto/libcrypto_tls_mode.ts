/**
 * OpenSSL's TLS mode of AES-GCM: the two calls by which its own TLS seals or opens a record, instead
 * of five. For records only: the last 8 bytes of the nonce stand before the text, and the 13 bytes of
 * additional data end with its length (RFC 5288 section 3, RFC 5246 section 6.2.3.3).
 *
 * @module
 */
import { tagLength } from "./aead_sizes.ts";
import type { Address } from "./arena.ts";
import {
  type ContextOptions,
  createContext,
  type Desk,
  type opening,
  recordAadLength,
  type sealing,
} from "./libcrypto_desk.ts";

/** EVP_CTRL_AEAD_SET_IV_FIXED and EVP_CTRL_AEAD_TLS1_AAD of openssl/evp.h. */
const control = { setFixedIv: 0x12, setAad: 0x16 } as const;

/** As a length for EVP_CTRL_AEAD_SET_IV_FIXED: not the salt alone, the whole nonce. */
const wholeIv = -1;

/** RFC 5288 section 3: `opaque nonce_explicit[8];` */
const explicitLength = 8;

/** Longest text: OpenSSL takes the length of a record's whole fragment, in 16 bits. */
const maxLength = 0xffff - explicitLength - tagLength;

/** In the additional data. */
const lengthOffset = recordAadLength - 2;

/**
 * One key for one direction. Nothing else is done with its context, so that it never seals what it
 * is to open. Nonce and additional data are those on the desk.
 */
export class TlsMode<A extends Address> {
  readonly #desk: Desk<A>;
  #context: Deno.PointerObject | undefined;
  /** The nonce that OpenSSL takes next; a salt that is none where it has not been told one. */
  #salt = -1;
  #nextHigh = 0;
  #nextLow = 0;

  constructor(
    desk: Desk<A>,
    direction: typeof sealing | typeof opening,
    options: ContextOptions,
  ) {
    this.#desk = desk;
    this.#context = createContext(desk, direction, options);
    desk.freeContext.register(this, this.#context, this);
  }

  /** Whether the text at `offset` of the arena, with what is on the desk, is a record's. */
  fits(offset: number, length: number): boolean {
    const { view, nonce, aad } = this.#desk;
    // Of an empty text the length is no proof of success: EVP_Cipher gives 0 for other reasons too.
    return length > 0 && length <= maxLength && view.getUint16(aad + lengthOffset) === length &&
      view.getUint32(offset - 8) === view.getUint32(nonce + 4) &&
      view.getUint32(offset - 4) === view.getUint32(nonce + 8);
  }

  /**
   * Seals what `fits`. OpenSSL adds one to the nonce with each record, and writes what it took before
   * the text. So it is told the nonce where that is another one, and what it took is compared in any
   * case: a record that is sealed with another nonce is none.
   */
  seal(offset: number, length: number): boolean {
    const { view, nonce } = this.#desk;
    const high = view.getUint32(nonce + 4);
    const low = view.getUint32(nonce + 8);
    if (!this.#hasNonce(this.#nextLow === low && this.#nextHigh === high)) return false;
    this.#nextLow = (low + 1) >>> 0;
    this.#nextHigh = this.#nextLow === 0 ? (high + 1) >>> 0 : high;
    const isSealed = this.#apply(offset, length, explicitLength) &&
      view.getUint32(offset - 8) === high && view.getUint32(offset - 4) === low;
    // Which nonce it would take next is not known.
    if (!isSealed) this.#salt = -1;
    return isSealed;
  }

  /** Opens what `fits`. OpenSSL takes the salt that it was told, and the rest from before the text. */
  open(offset: number, length: number): boolean {
    return this.#hasNonce(true) && this.#apply(offset, length, explicitLength + tagLength);
  }

  /** Forgets the key. */
  destroy(): void {
    const context = this.#context;
    if (context === undefined) return;
    this.#context = undefined;
    this.#desk.freeContext.unregister(this);
    this.#desk.library.calls.EVP_CIPHER_CTX_free(context);
  }

  /** Tells OpenSSL the whole nonce, unless it has the salt and, as `isNext` says, the rest. */
  #hasNonce(isNext: boolean): boolean {
    const context = this.#context;
    if (context === undefined) return false;
    const { library: { calls }, view, nonce, nonceAddress } = this.#desk;
    const salt = view.getUint32(nonce);
    if (isNext && this.#salt === salt) return true;
    const { setFixedIv } = control;
    const isTold = calls.EVP_CIPHER_CTX_ctrl(context, setFixedIv, wholeIv, nonceAddress) === 1;
    this.#salt = isTold ? salt : -1;
    return isTold;
  }

  /** OpenSSL is told a length with what is not text, which it subtracts. False where it failed. */
  #apply(offset: number, length: number, extraLength: number): boolean {
    const context = this.#context;
    if (context === undefined) return false;
    const { library: { calls }, arena, view, aad, aadAddress } = this.#desk;
    const record = arena.address(offset - explicitLength);
    const recordLength = explicitLength + length + tagLength;
    view.setUint16(aad + lengthOffset, length + extraLength);
    const { setAad } = control;
    const padding = calls.EVP_CIPHER_CTX_ctrl(context, setAad, recordAadLength, aadAddress);
    view.setUint16(aad + lengthOffset, length);
    // Some give the record's length, and some the text's where they opened it.
    return padding === tagLength &&
      (calls.EVP_Cipher?.(context, record, record, recordLength) ?? -1) >= length;
  }
}
