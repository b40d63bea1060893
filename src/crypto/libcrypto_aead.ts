/**
 * The record protection by OpenSSL's libcrypto, where it can be had: AES-GCM is some twenty times as
 * fast as by node:crypto.
 *
 * @module
 */
import type { AeadKey, AeadName, AeadProvider } from "../dtls/aead.ts";
import type { Address, Arena } from "./arena.ts";
import { keyLengths, nonceLength, requireKey, requireSeal, tagLength } from "./aead_sizes.ts";
import { type Libcrypto, openLibcrypto } from "./libcrypto.ts";

/** Longest text in a buffer that is not the arena's. DTLS records have 2^14 + 1024 at most. */
export const maxCopiedLength = 65_536;

/** Longest additional data. That of a DTLS 1.2 record has 13 bytes. */
export const maxAadLength = 1024;

/** Below it a loop is cheaper than the view that `set` needs. */
const shortLength = 64;

/** EVP_CTRL_AEAD_GET_TAG and EVP_CTRL_AEAD_SET_TAG of openssl/evp.h. */
const control = { getTag: 0x10, setTag: 0x11 } as const;

const sealing = 1;
const opening = 0;

/** AEADs by libcrypto. What lies in its own arena is sealed and opened without being copied. */
export interface LibcryptoAead extends AeadProvider {
  /** Zeroed memory for records; undefined when there is no more. */
  allocate(length: number): Uint8Array<ArrayBuffer> | undefined;
  /** Takes back and erases what `allocate` gave. */
  release(piece: Uint8Array): boolean;
}

/** The AEADs of a library that is known to work; undefined where it cannot be loaded. */
export function openLibcryptoAead(
  ...args: Parameters<typeof openLibcrypto>
): LibcryptoAead | undefined {
  const library = openLibcrypto(...args);
  if (library === undefined) return undefined;
  // Two calls, so that each kind of address has its own type.
  return typeof library.none === "number"
    ? providerOf(library as Libcrypto<number>)
    : providerOf(library as Libcrypto<Deno.PointerObject>);
}

function providerOf<A extends Address>(library: Libcrypto<A>): LibcryptoAead | undefined {
  const { arena, version } = library;
  const desk = createDesk(library);
  if (desk === undefined) return undefined;
  return {
    name: `libcrypto (${version})`,
    createKey: (aead, key) => new LibcryptoKey(desk, { aead, key }),
    allocate: (length) => arena.allocate(length),
    release: (piece) => arena.release(piece),
  };
}

/** Where the operands of one call lie. Calls are synchronous, so that one desk serves all keys. */
interface Desk<A extends Address> {
  readonly library: Libcrypto<A>;
  readonly arena: Arena<A>;
  /** The offset of a text that was copied. */
  readonly text: number;
  readonly nonce: number;
  readonly aad: number;
  readonly nonceAddress: A;
  readonly aadAddress: A;
  /** Where libcrypto writes the length of what it wrote. */
  readonly lengthAddress: A;
  readonly freeContext: FinalizationRegistry<Deno.PointerObject>;
}

function createDesk<A extends Address>(library: Libcrypto<A>): Desk<A> | undefined {
  const { arena, calls } = library;
  const place = (length: number) => arena.allocate(length)?.byteOffset;
  const text = place(maxCopiedLength + tagLength);
  const nonce = place(nonceLength);
  const aad = place(maxAadLength);
  const length = place(4);
  if (
    text === undefined || nonce === undefined || aad === undefined || length === undefined
  ) return undefined;
  return {
    library,
    arena,
    text,
    nonce,
    aad,
    nonceAddress: arena.address(nonce),
    aadAddress: arena.address(aad),
    lengthAddress: arena.address(length),
    freeContext: new FinalizationRegistry((context) => calls.EVP_CIPHER_CTX_free(context)),
  };
}

class LibcryptoKey<A extends Address> implements AeadKey {
  readonly #desk: Desk<A>;
  #context: Deno.PointerObject | undefined;

  constructor(
    desk: Desk<A>,
    { aead, key }: { readonly aead: AeadName; readonly key: Uint8Array },
  ) {
    requireKey(aead, key);
    this.#desk = desk;
    this.#context = createContext(desk, { aead, key });
    desk.freeContext.register(this, this.#context, this);
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
    if (!this.#seal(offset, length, nonce, aad)) {
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
    if (!this.#open(offset, length, nonce, aad)) {
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
    // libcrypto erases what it frees of a key.
    this.#desk.library.calls.EVP_CIPHER_CTX_free(context);
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
    const { library: { calls, none }, arena, nonce: offset, nonceAddress } = this.#desk;
    copyShort(nonce, arena.bytes, offset);
    return calls.EVP_CipherInit_ex(context, null, null, none, nonceAddress, direction) === 1;
  }

  #update(
    context: Deno.PointerObject,
    offset: number,
    length: number,
    aad: Uint8Array,
  ): boolean {
    const { library: { calls, none }, arena, lengthAddress, aadAddress } = this.#desk;
    if (aad.length > 0) {
      copyShort(aad, arena.bytes, this.#desk.aad);
      const result = calls.EVP_CipherUpdate(context, none, lengthAddress, aadAddress, aad.length);
      if (result !== 1) return false;
    }
    if (length === 0) return true;
    const text = arena.address(offset);
    return calls.EVP_CipherUpdate(context, text, lengthAddress, text, length) === 1;
  }
}

function createContext<A extends Address>(
  { library: { calls }, arena, text, nonceAddress }: Desk<A>,
  { aead, key }: { readonly aead: AeadName; readonly key: Uint8Array },
): Deno.PointerObject {
  const context = calls.EVP_CIPHER_CTX_new();
  if (context === null) throw new Error("cannot create a key: libcrypto is out of memory");
  arena.bytes.set(key, text);
  const result = calls.EVP_CipherInit_ex(
    context,
    cipherOf(calls, aead),
    null,
    arena.address(text),
    nonceAddress,
    sealing,
  );
  arena.bytes.fill(0, text, text + keyLengths[aead]);
  if (result === 1) return context;
  calls.EVP_CIPHER_CTX_free(context);
  throw new Error(`cannot create a key: libcrypto refuses ${aead}`);
}

function cipherOf(calls: Libcrypto["calls"], aead: AeadName): Deno.PointerValue {
  switch (aead) {
    case "aes-128-gcm":
      return calls.EVP_aes_128_gcm();
    case "aes-256-gcm":
      return calls.EVP_aes_256_gcm();
    case "chacha20-poly1305":
      return calls.EVP_chacha20_poly1305();
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
