/**
 * OpenSSL's libcrypto, 1.1.1 or later, by FFI: where it is looked for, and the few functions that
 * are called in it. All of them have the same signature in 1.1.1 and in 3.x.
 *
 * @module
 */
import { type Address, type Arena, createLowArena, createPointerArena } from "./arena.ts";

/**
 * Names to try, best first. They are versioned ones only: macOS ends a process that loads the
 * unversioned libcrypto, and elsewhere that name can be anybody's.
 */
export const libcryptoNames: readonly string[] = namesOn(Deno.build);

function namesOn({ os, arch }: { readonly os: string; readonly arch: string }): readonly string[] {
  switch (os) {
    case "windows":
      return [arch === "aarch64" ? "libcrypto-3-arm64.dll" : "libcrypto-3-x64.dll"];
    case "darwin":
      return ["/opt/homebrew", "/usr/local"].map((prefix) =>
        `${prefix}/opt/openssl@3/lib/libcrypto.3.dylib`
      );
    default:
      return ["libcrypto.so.3", "libcrypto.so.1.1"];
  }
}

/** EVP_CIPHER_CTX *, or EVP_CIPHER *. */
type Handle = Deno.PointerValue;

/** The functions called for each record, and for each key. Those with a result of 1 succeeded. */
export interface LibcryptoCalls<A extends Address> {
  EVP_CIPHER_CTX_new(): Handle;
  EVP_CIPHER_CTX_free(context: Handle): void;
  EVP_aes_128_gcm(): Handle;
  EVP_aes_256_gcm(): Handle;
  EVP_chacha20_poly1305(): Handle;
  /** Deprecated by OpenSSL 3.0, so that it may be missing. */
  readonly EVP_CIPHER_meth_dup: ((cipher: Handle) => Handle) | null;
  EVP_CipherInit_ex(
    context: Handle,
    cipher: Handle,
    engine: null,
    key: A | NullOf<A>,
    iv: A | NullOf<A>,
    isSealing: number,
  ): number;
  EVP_CipherUpdate(
    context: Handle,
    out: A | NullOf<A>,
    outLength: A,
    input: A,
    inputLength: number,
  ): number;
  EVP_CipherFinal_ex(context: Handle, out: A, outLength: A): number;
  EVP_CIPHER_CTX_ctrl(context: Handle, command: number, argument: number, bytes: A): number;
  /** Less than 0 where it failed. OpenSSL advises against it, so that it may be missing one day. */
  readonly EVP_Cipher:
    | ((context: Handle, out: A, input: A, inputLength: number) => number)
    | null;
}

/** How NULL is written beside addresses of that kind. */
type NullOf<A extends Address> = A extends number ? 0 : null;

/** The library, with memory that it may work in. */
export interface Libcrypto<A extends Address = Address> {
  /** Such as `OpenSSL 3.0.19`. */
  readonly version: string;
  readonly calls: LibcryptoCalls<A>;
  readonly arena: Arena<A>;
  readonly none: NullOf<A>;
}

function callsWith<const T extends "u32" | "pointer">(address: T) {
  return {
    EVP_CIPHER_CTX_new: { parameters: [], result: "pointer" },
    EVP_CIPHER_CTX_free: { parameters: ["pointer"], result: "void" },
    EVP_aes_128_gcm: { parameters: [], result: "pointer" },
    EVP_aes_256_gcm: { parameters: [], result: "pointer" },
    EVP_chacha20_poly1305: { parameters: [], result: "pointer" },
    EVP_CIPHER_meth_dup: { parameters: ["pointer"], result: "pointer", optional: true },
    EVP_CipherInit_ex: {
      parameters: ["pointer", "pointer", "pointer", address, address, "i32"],
      result: "i32",
    },
    EVP_CipherUpdate: {
      parameters: ["pointer", address, address, address, "i32"],
      result: "i32",
    },
    EVP_CipherFinal_ex: { parameters: ["pointer", address, address], result: "i32" },
    EVP_CIPHER_CTX_ctrl: { parameters: ["pointer", "i32", "i32", address], result: "i32" },
    EVP_Cipher: {
      parameters: ["pointer", address, address, "u32"],
      result: "i32",
      optional: true,
    },
  } as const;
}

const generalSymbols = {
  OpenSSL_version: { parameters: ["i32"], result: "pointer" },
  OpenSSL_version_num: { parameters: [], result: Deno.build.os === "windows" ? "u32" : "u64" },
  CRYPTO_zalloc: { parameters: ["usize", "pointer", "i32"], result: "pointer" },
} as const;

/** 1.1.1, the first with all that is used, in the form MNNFFPPS. */
const oldestVersion = 0x1010100fn;

/** How to choose the arena. */
export interface LibcryptoOptions {
  /** The kind of address that C is given; by default the cheapest that can be had. */
  readonly addresses?: "u32" | "pointer";
  readonly capacity?: number;
}

/**
 * Loads a library by name, into this process: a library that crashes takes the process with it, so
 * an unknown one is to be tried elsewhere first. Undefined where there is none of that name, where
 * it is not OpenSSL, or where it lacks a function.
 */
export function openLibcrypto(
  name: string,
  { addresses, capacity }: LibcryptoOptions = {},
): Libcrypto<number> | Libcrypto<Deno.PointerObject> | undefined {
  try {
    const { symbols } = Deno.dlopen(name, generalSymbols);
    const version = versionOf(symbols.OpenSSL_version(0));
    if (version === undefined || BigInt(symbols.OpenSSL_version_num()) < oldestVersion) {
      return undefined;
    }
    const low = addresses === "pointer" ? undefined : createLowArena(capacity);
    if (low !== undefined) {
      const calls: LibcryptoCalls<number> = Deno.dlopen(name, callsWith("u32")).symbols;
      return { version, calls, arena: low, none: 0 };
    }
    if (addresses === "u32") return undefined;
    const arena = createPointerArena(
      (length) => symbols.CRYPTO_zalloc(length, null, 0),
      capacity,
    );
    if (arena === undefined) return undefined;
    const calls: LibcryptoCalls<Deno.PointerObject> = Deno.dlopen(name, callsWith("pointer"))
      .symbols;
    return { version, calls, arena, none: null };
  } catch {
    // The library or one of the functions is not there, or FFI is not permitted.
    return undefined;
  }
}

/** `OpenSSL 3.0.19` of `OpenSSL 3.0.19 27 Jan 2026`; undefined for LibreSSL and others. */
function versionOf(text: Deno.PointerValue): string | undefined {
  if (text === null) return undefined;
  return /^OpenSSL \S+/.exec(Deno.UnsafePointerView.getCString(text))?.[0];
}
