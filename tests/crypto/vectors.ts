/** Wycheproof's vectors (see vectors/README.md). */

/** What an implementation has to say; of what is "acceptable", ours has its own opinion. */
export type Result = "valid" | "invalid" | "acceptable";

export interface AeadGroup {
  readonly keySize: number;
  readonly tests: readonly {
    readonly tcId: number;
    readonly key: string;
    readonly iv: string;
    readonly aad: string;
    readonly msg: string;
    readonly ct: string;
    readonly tag: string;
    readonly result: Result;
  }[];
}

export interface EcdhGroup {
  readonly curve: string;
  readonly tests: readonly {
    readonly tcId: number;
    readonly flags?: readonly string[];
    readonly public: string;
    readonly private: string;
    readonly shared: string;
    readonly result: Result;
  }[];
}

export interface EcdsaGroup {
  readonly publicKeyDer: string;
  readonly tests: readonly {
    readonly tcId: number;
    readonly msg: string;
    readonly sig: string;
    readonly result: Result;
  }[];
}

export interface HmacGroup {
  readonly tagSize: number;
  readonly tests: readonly {
    readonly tcId: number;
    readonly key: string;
    readonly msg: string;
    readonly tag: string;
    readonly result: Result;
  }[];
}

export function readAead(name: "aes_gcm" | "chacha20_poly1305"): readonly AeadGroup[] {
  return read(name);
}

export function readEcdh(name: "ecdh_secp256r1_ecpoint" | "x25519"): readonly EcdhGroup[] {
  return read(name);
}

export function readEcdsa(): readonly EcdsaGroup[] {
  return read("ecdsa_secp256r1_sha256");
}

export function readHmac(name: "hmac_sha256" | "hmac_sha384"): readonly HmacGroup[] {
  return read(name);
}

// deno-lint-ignore no-explicit-any
function read(name: string): any {
  return JSON.parse(Deno.readTextFileSync(new URL(`./vectors/${name}.json`, import.meta.url)));
}
