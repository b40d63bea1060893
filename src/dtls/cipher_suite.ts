/**
 * The cipher suites we speak: forward secret, authenticated by ECDSA, with an AEAD.
 *
 * @module
 */
import type { AeadName } from "./aead.ts";
import type { HashName } from "./handshake_crypto.ts";

/** What a cipher suite decides. */
export interface CipherSuite {
  readonly name: CipherSuiteName;
  readonly code: number;
  readonly aead: AeadName;
  /** Of the PRF and of the transcript. */
  readonly hash: HashName;
  readonly keyLength: number;
  /** The part of the nonce that comes from the key block. */
  readonly fixedIvLength: number;
  /** The part of the nonce that each record carries. */
  readonly recordIvLength: number;
}

/** The names of RFC 5289 and RFC 7905. */
export type CipherSuiteName =
  | "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
  | "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
  | "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";

/** RFC 5288 section 3: `opaque salt[4]; opaque nonce_explicit[8];` */
const gcmIv = { fixedIvLength: 4, recordIvLength: 8 };

/** In the order in which we prefer them: AES has its own instructions in most processors. */
const cipherSuites: readonly CipherSuite[] = [
  {
    name: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    code: 0xc02b,
    aead: "aes-128-gcm",
    hash: "sha256",
    keyLength: 16,
    ...gcmIv,
  },
  {
    name: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    code: 0xc02c,
    aead: "aes-256-gcm",
    hash: "sha384",
    keyLength: 32,
    ...gcmIv,
  },
  // RFC 7905 section 2: the nonce is the IV of 12 bytes xor the padded sequence number; records
  // carry none of it.
  {
    name: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    code: 0xcca9,
    aead: "chacha20-poly1305",
    hash: "sha256",
    keyLength: 32,
    fixedIvLength: 12,
    recordIvLength: 0,
  },
];

/** The names, in our order of preference. */
export const cipherSuiteNames: readonly CipherSuiteName[] = cipherSuites.map(({ name }) => name);

/** The suites of these names, in the order given; none where a name is unknown. */
export function cipherSuitesNamed(names: readonly CipherSuiteName[]): readonly CipherSuite[] {
  return names.flatMap((name) => cipherSuites.filter((suite) => suite.name === name));
}
