/**
 * From the shared secret to the keys of both directions (RFC 5246 section 6.3, RFC 7627 section 4,
 * RFC 5246 section 7.4.9).
 *
 * @module
 */
import type { CipherSuite } from "./cipher_suite.ts";
import { verifyDataLength } from "./finished.ts";
import type { HandshakeCrypto } from "./handshake_crypto.ts";
import { prf } from "./prf.ts";
import { concatenate } from "./wire_writer.ts";

const masterSecretLength = 48;

/** Who writes with a key. */
export type Role = "client" | "server";

/** What one direction is protected with; to be wiped when it is in use. */
export interface TrafficKey {
  readonly key: Uint8Array;
  /** The part of the nonce that all records share. */
  readonly fixedIv: Uint8Array;
}

/** The keys of both directions, by their writer. */
export type TrafficKeys = Readonly<Record<Role, TrafficKey>>;

/**
 * Derives the extended master secret, and forgets what it was derived from.
 *
 * RFC 7627 section 4: "master_secret = PRF(pre_master_secret, "extended master secret",
 * session_hash) [0..47];" where session_hash is of all messages up to the ClientKeyExchange.
 */
export function deriveMasterSecret(
  crypto: HandshakeCrypto,
  { suite, preMasterSecret, sessionHash }: {
    readonly suite: CipherSuite;
    readonly preMasterSecret: Uint8Array;
    readonly sessionHash: Uint8Array;
  },
): Uint8Array {
  const masterSecret = prf(crypto, {
    hash: suite.hash,
    secret: preMasterSecret,
    label: "extended master secret",
    seed: sessionHash,
    length: masterSecretLength,
  });
  preMasterSecret.fill(0); // CHECK D28
  return masterSecret;
}

/**
 * RFC 5246 section 6.3: "key_block = PRF(SecurityParameters.master_secret, "key expansion",
 * SecurityParameters.server_random + SecurityParameters.client_random);" and it "is partitioned"
 * into the client's key, the server's key, the client's IV and the server's IV; an AEAD has no MAC
 * keys.
 */
export function deriveTrafficKeys(
  crypto: HandshakeCrypto,
  { suite, masterSecret, clientRandom, serverRandom }: {
    readonly suite: CipherSuite;
    readonly masterSecret: Uint8Array;
    readonly clientRandom: Uint8Array;
    readonly serverRandom: Uint8Array;
  },
): TrafficKeys {
  const { keyLength, fixedIvLength } = suite;
  const block = prf(crypto, {
    hash: suite.hash,
    secret: masterSecret,
    label: "key expansion",
    seed: concatenate(serverRandom, clientRandom),
    length: 2 * (keyLength + fixedIvLength),
  });
  const ivs = 2 * keyLength;
  const keys = {
    client: {
      key: block.slice(0, keyLength),
      fixedIv: block.slice(ivs, ivs + fixedIvLength),
    },
    server: {
      key: block.slice(keyLength, ivs),
      fixedIv: block.slice(ivs + fixedIvLength),
    },
  };
  block.fill(0); // CHECK D28
  return keys;
}

/**
 * RFC 5246 section 7.4.9: "verify_data PRF(master_secret, finished_label,
 * Hash(handshake_messages))[0..verify_data_length-1];"
 */
export function deriveVerifyData(
  crypto: HandshakeCrypto,
  { suite, masterSecret, writer, transcriptHash }: {
    readonly suite: CipherSuite;
    readonly masterSecret: Uint8Array;
    readonly writer: Role;
    readonly transcriptHash: Uint8Array;
  },
): Uint8Array {
  return prf(crypto, {
    hash: suite.hash,
    secret: masterSecret,
    label: `${writer} finished`,
    seed: transcriptHash,
    length: verifyDataLength,
  });
}
