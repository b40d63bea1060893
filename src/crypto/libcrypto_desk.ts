/**
 * What all keys of a libcrypto share: where operands lie, and what is called and how.
 *
 * @module
 */
import type { AeadName, AeadOperands } from "../dtls/aead.ts";
import { keyLengths, nonceLength, tagLength } from "./aead_sizes.ts";
import type { Address, Arena } from "./arena.ts";
import type { Libcrypto } from "./libcrypto.ts";

/** Longest text in a buffer that is not the arena's. DTLS records have 2^14 + 1024 at most. */
export const maxCopiedLength = 65_536;

/** Longest additional data. */
export const maxAadLength = 1024;

/** RFC 5246 section 6.2.3.3: seq_num, type, version and length. */
export const recordAadLength = 13;

/** What EVP_CipherInit_ex takes. */
export const sealing = 1;
export const opening = 0;

/** Where the operands of one call lie. Calls are synchronous, so that one desk serves all keys. */
export interface Desk<A extends Address> {
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
  /** Nonce and additional data, where a caller may write them itself. */
  readonly operands: AeadOperands;
  /** Of the whole arena. */
  readonly view: DataView;
  readonly freeContext: FinalizationRegistry<Deno.PointerObject>;
}

/** Undefined where the arena has no room. */
export function createDesk<A extends Address>(library: Libcrypto<A>): Desk<A> | undefined {
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
    view: new DataView(arena.buffer),
    operands: {
      nonce: arena.bytes.subarray(nonce, nonce + nonceLength),
      aad: arena.bytes.subarray(aad, aad + recordAadLength),
    },
    freeContext: new FinalizationRegistry((context) => calls.EVP_CIPHER_CTX_free(context)),
  };
}

/** What a context is made of. */
export interface ContextOptions {
  readonly aead: AeadName;
  readonly key: Uint8Array;
  readonly cipher: Deno.PointerValue;
}

/** A context with that key, and no nonce yet. Throws where libcrypto refuses. */
export function createContext<A extends Address>(
  { library: { calls }, arena, text, nonceAddress }: Desk<A>,
  direction: typeof sealing | typeof opening,
  { aead, key, cipher }: ContextOptions,
): Deno.PointerObject {
  const context = calls.EVP_CIPHER_CTX_new();
  if (context === null) throw new Error("cannot create a key: libcrypto is out of memory");
  arena.bytes.set(key, text);
  const result = calls.EVP_CipherInit_ex(
    context,
    cipher,
    null,
    arena.address(text),
    nonceAddress,
    direction,
  );
  arena.bytes.fill(0, text, text + keyLengths[aead]);
  if (result === 1) return context;
  calls.EVP_CIPHER_CTX_free(context);
  throw new Error(`cannot create a key: libcrypto refuses ${aead}`);
}
