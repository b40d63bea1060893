/**
 * One key of libcrypto's, for any text, nonce and additional data.
 *
 * @module
 */
import type { AeadKey } from "../dtls/aead.ts";
import { nonceLength, requireKey, requireSeal, tagLength } from "./aead_sizes.ts";
import type { Address } from "./arena.ts";
import {
  type ContextOptions,
  createContext,
  type Desk,
  maxAadLength,
  maxCopiedLength,
  opening,
  sealing,
} from "./libcrypto_desk.ts";
import { TlsMode } from "./libcrypto_tls_mode.ts";

/** Below it a loop is cheaper than the view that `set` needs. */
const shortLength = 64;

/** EVP_CTRL_AEAD_GET_TAG and EVP_CTRL_AEAD_SET_TAG of openssl/evp.h. */
const control = { getTag: 0x10, setTag: 0x11 } as const;

/** What a key is made of. */
export interface KeyOptions extends ContextOptions {
  /** Whether records of AES-GCM take the fewer calls of TLS mode. */
  readonly isInTlsMode: boolean;
}

/** A key of libcrypto's. */
export class LibcryptoKey<A extends Address> implements AeadKey {
  readonly #desk: Desk<A>;
  /** For records, where TLS mode is to be used. */
  readonly #tls: { readonly seal: TlsMode<A>; readonly open: TlsMode<A> } | undefined;
  #context: Deno.PointerObject | undefined;

  constructor(desk: Desk<A>, options: KeyOptions) {
    requireKey(options.aead, options.key);
    this.#desk = desk;
    this.#context = createContext(desk, sealing, options);
    desk.freeContext.register(this, this.#context, this);
    if (!options.isInTlsMode) return;
    this.#tls = {
      seal: new TlsMode(desk, sealing, options),
      open: new TlsMode(desk, opening, options),
    };
  }

  seal(bytes: Uint8Array, start: number, end: number, nonce: Uint8Array, aad: Uint8Array): void {
    requireSeal(bytes, start, end, nonce);
    const { arena, text } = this.#desk;
    const length = end - start;
    const isOurs = bytes.buffer === arena.buffer;
    if (!isOurs && length > maxCopiedLength || aad.length > maxAadLength) {
      throw new RangeError(
        `cannot seal ${length} bytes with ${aad.length} of additional data: at most ` +
          `${maxCopiedLength} and ${maxAadLength}`,
      );
    }
    const offset = isOurs ? bytes.byteOffset + start : text;
    if (!isOurs) copy(bytes, start, end, arena.bytes, text);
    const tls = isOurs && this.#isOnDesk(start, nonce, aad) ? this.#tls?.seal : undefined;
    const isSealed = tls?.fits(offset, length)
      ? tls.seal(offset, length)
      : this.#seal(offset, length, nonce, aad);
    if (!isSealed) {
      // What is in the caller's buffer might be taken for ciphertext.
      bytes.fill(0, start, end + tagLength);
      throw new Error("cannot seal: libcrypto failed, or the key is destroyed");
    }
    if (!isOurs) copy(arena.bytes, text, text + length + tagLength, bytes, start);
  }

  open(bytes: Uint8Array, start: number, end: number, nonce: Uint8Array, aad: Uint8Array): boolean {
    // Written so that NaN is refused too.
    if (!(start >= 0 && start <= end && end + tagLength <= bytes.length)) return false;
    const { arena, text } = this.#desk;
    const length = end - start;
    const isOurs = bytes.buffer === arena.buffer;
    if (!isOurs && length > maxCopiedLength || aad.length > maxAadLength) return false;
    if (nonce.length !== nonceLength) return false;
    const offset = isOurs ? bytes.byteOffset + start : text;
    if (!isOurs) copy(bytes, start, end + tagLength, arena.bytes, text);
    const tls = isOurs && this.#isOnDesk(start, nonce, aad) ? this.#tls?.open : undefined;
    const isOpened = tls?.fits(offset, length)
      ? tls.open(offset, length)
      : this.#open(offset, length, nonce, aad);
    if (!isOpened) {
      // RFC 5116 section 2.2: plaintext must not be released where the tag is wrong.
      if (!isOurs) arena.bytes.fill(0, text, text + length);
      bytes.fill(0, start, end);
      return false;
    }
    if (!isOurs) copy(arena.bytes, text, text + length, bytes, start);
    return true;
  }

  destroy(): void {
    const context = this.#context;
    if (context === undefined) return;
    this.#context = undefined;
    this.#desk.freeContext.unregister(this);
    this.#tls?.seal.destroy();
    this.#tls?.open.destroy();
    // libcrypto erases what it frees of a key.
    this.#desk.library.calls.EVP_CIPHER_CTX_free(context);
  }

  /** Whether the operands are where TLS mode takes them, and there is room before the text. */
  #isOnDesk(start: number, nonce: Uint8Array, aad: Uint8Array): boolean {
    const { operands } = this.#desk;
    return start >= 8 && nonce === operands.nonce && aad === operands.aad;
  }

  #seal(offset: number, length: number, nonce: Uint8Array, aad: Uint8Array): boolean {
    const context = this.#context;
    if (context === undefined) return false;
    const { library: { calls }, arena, lengthAddress } = this.#desk;
    const tag = arena.address(offset + length);
    return this.#begin(context, sealing, nonce) &&
      this.#update(context, offset, length, aad) &&
      calls.EVP_CipherFinal_ex(context, tag, lengthAddress) === 1 &&
      calls.EVP_CIPHER_CTX_ctrl(context, control.getTag, tagLength, tag) === 1;
  }

  #open(offset: number, length: number, nonce: Uint8Array, aad: Uint8Array): boolean {
    const context = this.#context;
    if (context === undefined) return false;
    const { library: { calls }, arena, lengthAddress } = this.#desk;
    const tag = arena.address(offset + length);
    return this.#begin(context, opening, nonce) &&
      calls.EVP_CIPHER_CTX_ctrl(context, control.setTag, tagLength, tag) === 1 &&
      this.#update(context, offset, length, aad) &&
      calls.EVP_CipherFinal_ex(context, tag, lengthAddress) === 1;
  }

  #begin(context: Deno.PointerObject, direction: number, nonce: Uint8Array): boolean {
    const { library: { calls, none }, arena, operands, nonceAddress } = this.#desk;
    if (nonce !== operands.nonce) copyShort(nonce, arena.bytes, this.#desk.nonce);
    return calls.EVP_CipherInit_ex(context, null, null, none, nonceAddress, direction) === 1;
  }

  #update(
    context: Deno.PointerObject,
    offset: number,
    length: number,
    aad: Uint8Array,
  ): boolean {
    const { library: { calls, none }, arena, operands, lengthAddress, aadAddress } = this.#desk;
    if (aad.length > 0) {
      if (aad !== operands.aad) copyShort(aad, arena.bytes, this.#desk.aad);
      const result = calls.EVP_CipherUpdate(context, none, lengthAddress, aadAddress, aad.length);
      if (result !== 1) return false;
    }
    if (length === 0) return true;
    const text = arena.address(offset);
    return calls.EVP_CipherUpdate(context, text, lengthAddress, text, length) === 1;
  }
}

function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  if (end - start > shortLength) {
    to.set(from.subarray(start, end), at);
  } else {
    for (let offset = start; offset < end; offset++) to[at++] = from[offset] ?? 0;
  }
}

function copyShort(from: Uint8Array, to: Uint8Array, at: number): void {
  for (let offset = 0; offset < from.length; offset++) to[at + offset] = from[offset] ?? 0;
}
