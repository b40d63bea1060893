/**
 * The record protection by OpenSSL's libcrypto, where it can be had: AES-GCM is some twenty times as
 * fast as by node:crypto.
 *
 * @module
 */
import type { AeadName, AeadProvider } from "../dtls/aead.ts";
import type { Address } from "./arena.ts";
import { knowsItsAnswers, knowsRecords } from "./known_answers.ts";
import {
  type Libcrypto,
  type LibcryptoCalls,
  type LibcryptoOptions,
  openLibcrypto,
} from "./libcrypto.ts";
import { createDesk, type Desk } from "./libcrypto_desk.ts";
import { LibcryptoKey } from "./libcrypto_key.ts";
import { timeSeals } from "./time_seals.ts";

/** Both sources are tried for so long together, in ms. */
const choosingLength = 4;

/** What the copies may take, of the time that a provider's ciphers take, to be worth it. */
const worthwhile = 0.97;

/** AEADs by libcrypto. What lies in its own arena is sealed and opened without being copied. */
export interface LibcryptoAead extends AeadProvider {
  /** Zeroed memory for records; undefined when there is no more. */
  allocate(length: number): Uint8Array<ArrayBuffer> | undefined;
  /** Takes back and erases what `allocate` gave. */
  release(piece: Uint8Array): boolean;
}

/**
 * How AES-GCM is called.
 *
 * `source`: OpenSSL 3 takes a cipher from a provider, and passes nonce and tag through lists of named
 * parameters, in which 3.0 looks for every name it knows. A copy that EVP_CIPHER_meth_dup makes is
 * taken for an application's own cipher, and called directly, as in 1.1.1. From 3.1 on the providers
 * know AVX-512, which these copies never do. So it depends on version and processor which is faster.
 *
 * `isInTlsMode`: whether records, where they and their operands are in our memory, take the two calls
 * that OpenSSL's own TLS makes instead of five. All else takes five.
 */
export interface LibcryptoWay {
  readonly source: "provider" | "legacy";
  readonly isInTlsMode: boolean;
}

/** All of them; the first is everywhere. */
export const libcryptoWays: readonly LibcryptoWay[] = [
  { source: "provider", isInTlsMode: false },
  { source: "legacy", isInTlsMode: false },
  { source: "provider", isInTlsMode: true },
  { source: "legacy", isInTlsMode: true },
];

/** How to open it. */
export interface LibcryptoAeadOptions extends LibcryptoOptions {
  /** Taken as it is; by default the faster one that gives the known answers. */
  readonly way?: LibcryptoWay;
  /** A clock in ms. */
  readonly now?: () => number;
}

/** The AEADs of a library that may be called; undefined where it cannot be loaded, or errs. */
export function openLibcryptoAead(
  name: string,
  options: LibcryptoAeadOptions = {},
): LibcryptoAead | undefined {
  const library = openLibcrypto(name, options);
  if (library === undefined) return undefined;
  // Two calls, so that each kind of address has its own type.
  return typeof library.none === "number"
    ? createLibcryptoAead(library as Libcrypto<number>, options)
    : createLibcryptoAead(library as Libcrypto<Deno.PointerObject>, options);
}

/** The AEADs of a library that is loaded. */
export function createLibcryptoAead<A extends Address>(
  library: Libcrypto<A>,
  { way, now = () => performance.now() }: Omit<LibcryptoAeadOptions, keyof LibcryptoOptions> = {},
): LibcryptoAead | undefined {
  const desk = createDesk(library);
  if (desk === undefined) return undefined;
  if (way !== undefined) return providerOf(desk, way);
  const [provided, copied, , copiedInTlsMode] = libcryptoWays.map((one) => providerOf(desk, one));
  // Where a policy such as FIPS refuses an AEAD, copies are no way around it.
  if (provided === undefined || !knowsItsAnswers(provided)) return undefined;
  if (copied === undefined || !knowsItsAnswers(copied)) return provided;
  const [usual = 0, other = 0] = timeSeals([provided, copied], { duration: choosingLength, now });
  if (!(other < usual * worthwhile)) return provided;
  // Two calls instead of five gain a few percent with copies; with 3.3 and 3.5's providers they lose.
  return copiedInTlsMode !== undefined && knowsRecords(copiedInTlsMode, provided)
    ? copiedInTlsMode
    : copied;
}

function providerOf<A extends Address>(
  desk: Desk<A>,
  { source, isInTlsMode }: LibcryptoWay,
): LibcryptoAead | undefined {
  const { library: { calls, version }, arena, operands } = desk;
  const ciphers = source === "legacy" ? legacyCiphers(calls) : providedCiphers(calls);
  if (ciphers === undefined || (isInTlsMode && calls.EVP_Cipher === null)) return undefined;
  const details = [version, ...(source === "legacy" ? ["legacy ciphers"] : [])];
  if (isInTlsMode) details.push("TLS mode");
  return {
    name: `libcrypto (${details.join(", ")})`,
    operands,
    createKey: (aead, key) => {
      const isGcm = aead !== "chacha20-poly1305";
      const cipher = ciphers[aead];
      return new LibcryptoKey(desk, { aead, key, cipher, isInTlsMode: isInTlsMode && isGcm });
    },
    allocate: (length) => arena.allocate(length),
    release: (piece) => arena.release(piece),
  };
}

type Ciphers = Readonly<Record<AeadName, Deno.PointerValue>>;

function providedCiphers<A extends Address>(calls: LibcryptoCalls<A>): Ciphers {
  return {
    "aes-128-gcm": calls.EVP_aes_128_gcm(),
    "aes-256-gcm": calls.EVP_aes_256_gcm(),
    "chacha20-poly1305": calls.EVP_chacha20_poly1305(),
  };
}

/** Copies that last as long as the process; undefined where the library makes none. */
function legacyCiphers<A extends Address>(calls: LibcryptoCalls<A>): Ciphers | undefined {
  const provided = providedCiphers(calls);
  const aes128 = calls.EVP_CIPHER_meth_dup?.(provided["aes-128-gcm"]) ?? null;
  const aes256 = calls.EVP_CIPHER_meth_dup?.(provided["aes-256-gcm"]) ?? null;
  if (aes128 === null || aes256 === null) return undefined;
  return { ...provided, "aes-128-gcm": aes128, "aes-256-gcm": aes256 };
}
